"""Counts by minute of log time: every record in exactly one row, every minute told once."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.schemas.market import (
    ACCEPTED,
    DECODED,
    DUPLICATE,
    HEARTBEAT,
    HISTORICAL,
    IGNORED,
    LATE,
    MALFORMED,
    OFF_MARKET,
    UNLISTED,
)
from tapeflow.schemas.quality import Metric, QualityCounts
from tests import frames
from tests.frames import (
    MS,
    NAMES,
    S,
    bar,
    batch,
    batches,
    cut,
    flow_steps,
    heartbeat,
    inputs_of,
    junk,
    tick,
    with_quotes,
)
from tests.laws import run

MINUTE = 60 * S
STEPS = flow_steps()
QUALITY = STEPS["quality"]


def told(*given_batches):
    facts = run(QUALITY, given_batches)[1]
    return [each for each in facts if isinstance(each, QualityCounts)], {
        (each.time_ns, each.name): each.value for each in facts if isinstance(each, Metric)
    }


def test_a_minute_is_told_by_the_first_record_beyond_it():
    #   0:59.9 a    1:00 b
    state, said = run(QUALITY, [batch(tick(MINUTE - 1))])
    assert said == []
    _, facts = QUALITY.step(state, batch(heartbeat(MINUTE), lo=1))
    assert {each.time_ns for each in facts} == {0}


def test_a_record_exactly_on_the_minute_belongs_to_the_next():
    quality, _ = told(
        *batches([heartbeat(MINUTE - 1), heartbeat(MINUTE), heartbeat(2 * MINUTE - 1)])
    )
    assert [(each.time_ns, each.records) for each in quality] == [(0, 1), (MINUTE, 2)]


def test_a_minute_without_records_is_not_told():
    quality, metrics = told(*batches([heartbeat(0), heartbeat(5 * MINUTE)]))
    assert [each.time_ns for each in quality] == [0, 5 * MINUTE]
    assert metrics == {
        (at, name): 0.0 for at in (0, 5 * MINUTE) for name in ("trades", "bars", "signals")
    }


def test_the_end_tells_the_open_minute():
    quality, _ = told(batch(tick(S), end=True))
    assert [(each.records, each.accepted) for each in quality] == [(1, 1)]
    assert told(batch(end=True)) == ([], {})


def test_each_record_counts_by_what_became_of_it():
    log = [
        tick(S, of=2), tick(S, of=2, verdict=DUPLICATE), tick(S, of=2, verdict=LATE),
        tick(S, of=2, verdict=HISTORICAL), tick(S, of=2, verdict=OFF_MARKET), heartbeat(S), junk(S),
        junk(S, IGNORED), junk(S, UNLISTED), junk(S, UNLISTED),
    ]  # fmt: skip
    quality, _ = told(*batches(log))
    assert quality == [
        QualityCounts("binance-0", None, 0, 5, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0),
        QualityCounts("binance-0", NAMES[2], 0, 5, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1),
    ]


def test_a_record_of_several_ticks_counts_once_and_its_ticks_each_with_their_instrument():
    quality, _ = told(batch([tick(S, of=0), tick(S, of=1), tick(S, of=1)], end=True))
    assert [(each.instrument, each.records, each.accepted) for each in quality] == [
        (NAMES[0], 1, 1),
        (NAMES[1], 0, 2),
    ]


def test_quotes_count_with_their_instrument():
    quoted = [(0, S, 3, 1.0, 2.0), (0, S, 3, 1.0, 2.0)]
    quality, _ = told(with_quotes(batch(heartbeat(S), end=True), *quoted))
    assert [(each.instrument, each.quotes) for each in quality] == [(None, 0), (NAMES[3], 2)]


def test_the_delay_is_of_accepted_trades_and_may_be_negative():
    log = [
        tick(2 * S, log_ns=2 * S + 4 * MS), tick(2 * S, log_ns=2 * S + 8 * MS),
        tick(0, log_ns=3 * S, verdict=LATE), tick(5 * MINUTE, log_ns=5 * MINUTE - 1_250 * MS),
    ]  # fmt: skip
    _, metrics = told(*batches(log))
    assert metrics[0, "delay_ms_mean"] == 6.0 and metrics[0, "delay_ms_max"] == 8.0
    assert metrics[4 * MINUTE, "delay_ms_mean"] == metrics[4 * MINUTE, "delay_ms_max"] == -1250.0


def test_bars_and_signals_count_in_the_minute_of_the_record_that_made_them():
    closed = tuple(bar(1.0, offset=offset) for offset in (0, 1, 1))
    _, metrics = told(batch(heartbeat(S), heartbeat(MINUTE), end=True, bars=closed))
    assert (metrics[0, "bars"], metrics[MINUTE, "bars"]) == (1.0, 2.0)


def test_bars_that_the_end_closes_count_in_the_last_minute():
    state, _ = run(QUALITY, [batch(tick(S))])
    _, facts = QUALITY.step(state, batch(lo=1, end=True, bars=(bar(1.0, offset=0),)))
    assert Metric("binance-0", "bars", 0, 1.0) in list(facts)


@pytest.mark.parametrize("event_ns", [0, 2**63 - 1])
def test_delays_at_the_ends_of_time_do_not_overflow(event_ns):
    _, metrics = told(*batches([tick(event_ns, log_ns=MINUTE) for _ in range(9)]))
    delay_ms = (MINUTE - event_ns) / MS
    assert metrics[MINUTE, "delay_ms_mean"] == pytest.approx(delay_ms)
    assert metrics[MINUTE, "delay_ms_max"] == pytest.approx(delay_ms)


@settings(max_examples=60, deadline=None)
@given(frames.logs(["coinbase-0"]), frames.sizes())
def test_rows_add_up_to_the_records_and_the_trades(log, sizes):
    mine = inputs_of("quality", cut("coinbase-0", log["coinbase-0"], sizes), STEPS)
    quality, metrics = told(*mine)
    assert sum(each.records for each in quality) == len(log["coinbase-0"])
    status = Counter(one for each in mine for one in each.status.tolist())
    verdict = Counter(one for each in mine for one in each.market.trades.verdict.tolist())
    sums = Counter()
    for each in quality:
        sums.update({name: getattr(each, name) for name in QualityCounts.__struct_fields__[3:]})
    assert sums["heartbeats"] == status[HEARTBEAT] and sums["malformed"] == status[MALFORMED]
    assert sums["ignored"] == status[IGNORED] and sums["unlisted"] == status[UNLISTED]
    assert sums["duplicate"] == verdict[DUPLICATE] and sums["late"] == verdict[LATE]
    assert sums["accepted"] == verdict[ACCEPTED]
    assert sums["quotes"] == sum(len(each.market.quotes) for each in mine)
    records = sums["records"] - status[HEARTBEAT] - status[MALFORMED] - status[IGNORED]
    assert records - status[UNLISTED] == status[DECODED]
    for name, per_batch in (("bars", "bars"), ("signals", "signals")):
        counted = sum(value for (_, metric), value in metrics.items() if metric == name)
        assert counted == sum(len(getattr(each, per_batch)) for each in mine)
    assert len({(each.time_ns, each.instrument) for each in quality}) == len(quality)


@given(st.integers(0, 2**62))
def test_a_minute_is_named_by_its_begin(log_ns):
    quality, _ = told(batch(heartbeat(log_ns), end=True))
    assert quality[0].time_ns == log_ns - log_ns % MINUTE
