"""The baselines of our speed do the same job: their answer is the oracle's."""

import json
import subprocess
import sys

import pytest

from bench.baselines import idiomatic_flow, plain_loop
from tests.running import REFERENCE, ROOT, generated, script

GOLDEN = [REFERENCE / "golden", REFERENCE / "golden-heartbeat"]
PROGRAMS = [plain_loop, idiomatic_flow]
S = 1_000_000_000
BEGIN = 1_700_000_000 * S
BINANCE = {
    "e": "trade",
    "s": "BTCUSDT",
    "t": 1,
    "p": "1.5",
    "q": "2",
    "T": BEGIN // 10**6,
    "m": True,
}
COINBASE = {
    "type": "match", "product_id": "BTC-USD", "trade_id": 1, "side": "buy", "size": "2",
    "price": "1.5", "time": "2023-11-14T22:13:20Z",
}  # fmt: skip
DECIMALS = (
    "7", "007", "1.50", "0.0", "0", ".5", "5.", "1.2.3", "1e3", "1_0", " 1", "1 ", "+1", "-1", "",
    ".", "NaN", "inf", "٣", "1²", "0." + "0" * 400 + "1", "0" * 400 + "1.5", "9" * 400, 1.5, None,
)  # fmt: skip
TIMES = (
    "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.123456Z", "2023-11-14T22:13:20.123456789Z",
    "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20.1234567890Z", "2023-11-14T22:13:20,123456Z",
    "2023-11-14T22:13:20.12345+Z", "2023-11-14T22:13:20.12345٣Z", "2023-11-14T22:13:20+00:00",
    "2023-11-14 22:13:20Z", "2023-W46-2T22:13:20.123456Z", "2023-02-30T00:00:00Z",
    "2023-11-14T22:13:60Z", "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "2023-11-14", "", 5,
)  # fmt: skip
IDS = (0, -1, 2**63 - 1, 2**63, 1.0, True, "1", None)


def name_of(program):
    return program.__name__.rpartition(".")[2]


def check_answer(expected, out):
    done = script("check.py", out, expected)
    assert done.returncode == 0, done.stdout


def run_into(out, program, tapes):
    out.mkdir()
    return program.run(tapes, out)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_the_golden_tapes_give_the_golden_answer(program, golden, tmp_path):
    records = run_into(tmp_path / "out", program, golden)
    assert records == json.loads((golden / "expected" / "stats.json").read_text())["records"]
    check_answer(golden / "expected", tmp_path / "out")


def tape_lines(frames):
    """Lines of frames two milliseconds apart, with a heartbeat between them."""
    for number, frame in enumerate(frames):
        yield b"%d %s\n" % (BEGIN + 2 * number * 10**6, frame)
        yield b"%d\n" % (BEGIN + (2 * number + 1) * 10**6)


def odd_frames(whole, numbers, decimals, moment, moments):
    """Frames with one odd field each, and different ids."""
    odd = [(name, value) for name in decimals for value in DECIMALS]
    odd += [(name, value) for name in numbers for value in IDS]
    odd += [(moment, value) for value in moments]
    for number, (name, value) in enumerate(odd):
        yield json.dumps(
            {**whole, numbers[0]: 10 + number, name: value}, ensure_ascii=False
        ).encode()
    for name in whole:
        yield json.dumps({each: value for each, value in whole.items() if each != name}).encode()
    yield json.dumps(whole).encode() * 2
    yield json.dumps([whole]).encode()
    yield from (b"null", b"7", b" ", b"{}", b"[" * 5000, b"\xff", json.dumps(whole).encode()[:-1])
    yield (
        json.dumps({**whole, "more": {"deep": [1, {}]}, numbers[0]: 9999}, indent=1)
        .replace("\n", " ")
        .encode()
    )


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_odd_frames_are_malformed_where_the_oracle_says_so(program, tmp_path):
    tapes, expected = tmp_path / "tapes", tmp_path / "expected"
    tapes.mkdir()
    binance = odd_frames(
        BINANCE, ("t",), ("p", "q"), "T", (2**63 // 10**6, 2**63 // 10**6 + 1, *IDS)
    )
    coinbase = odd_frames(COINBASE, ("trade_id",), ("price", "size"), "time", TIMES)
    (tapes / "binance-0.tape").write_bytes(b"".join(tape_lines(binance)))
    (tapes / "coinbase-0.tape").write_bytes(b"".join(tape_lines(coinbase)))
    assert script("oracle.py", tapes, expected).returncode == 0
    stats = json.loads((expected / "stats.json").read_text())
    assert min(stats["malformed"], stats["accepted"]) > 10
    run_into(tmp_path / "out", program, tapes)
    check_answer(expected, tmp_path / "out")


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_the_command_prints_its_measurement_as_json(program, tmp_path):
    command = [sys.executable, "-m", program.__name__, str(GOLDEN[0]), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    measurement = json.loads(done.stdout)
    assert measurement["records"] == 20_000
    assert measurement["ticks_per_s"] == pytest.approx(
        measurement["records"] / measurement["seconds"]
    )
    assert measurement["peak_mib"] > 1
    check_answer(GOLDEN[0] / "expected", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--seed", 201, "--rate", 400),
        ("--seed", 202, "--rate", 100, "--heartbeat-ms", 50, "--silence"),
        ("--seed", 203, "--rate", 3000, "--partitions-per-venue", 2),
    ],
    ids=str,
)
def test_fresh_tapes_give_the_oracles_answer(options, tmp_path):
    tapes, expected = generated(tmp_path, 100_000, *options)
    for program in PROGRAMS:
        run_into(tmp_path / name_of(program), program, tapes)
        check_answer(expected, tmp_path / name_of(program))
