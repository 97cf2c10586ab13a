"""The reference job on tapes that an adversary wrote: event times at both ends of time."""

import random

import pytest

from tests.running import replay, script
from tests.test_edges import LAST_MS, T0, S, trade, write
from tests.test_reference import check_answer


def adversarial(seed):
    """Return a tape of trades of BTC: far event times, ties, duplicates, heartbeats, bad frames."""
    draw, log, at = random.Random(seed), [], T0
    begin = draw.choice([0, 1000, T0 // 10**6, LAST_MS - 40_000])
    for number in range(400):
        at += draw.choice([0, 1, 10**8, S, 3 * S])
        event = min(begin + number * draw.choice([1, 100, 300]), LAST_MS)
        if draw.random() < 0.02:
            event = draw.choice([0, 1, T0 // 10**6, LAST_MS - 1, LAST_MS, LAST_MS + 1])
        price = draw.choice(["100", "101.5", "99.25", "0.1", "99999999999"])
        frame = trade(number - draw.choice([0, 0, 0, 1]), event, price, draw.choice(["1", "0.1"]))
        log.append((at, draw.choice([frame] * 9 + [b"", frame[:-1]])))
    return log


@pytest.mark.parametrize("seed", range(50))
def test_adversarial_tapes_give_the_oracles_answer(seed, tmp_path):
    tapes = write(tmp_path / "tapes", adversarial(seed))
    write(tapes, [(T0, b""), (T0 + 10 * S, b"{}")], "coinbase-0")
    oracle = script("oracle.py", tapes, tmp_path / "expected")
    assert oracle.returncode == 0, oracle.stderr
    replay(tapes, tmp_path / "r.duckdb")
    check_answer(tmp_path / "expected", tmp_path / "r.duckdb", tmp_path / "out")
