"""Counts by minute of log time: every record is in exactly one row, every minute is sent once."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.schemas.gaps import Gaps
from tapeflow.schemas.market import (
    ACCEPTED,
    AHEAD,
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
from tests.columns import bar, batch, batches, heartbeat, ints, no_tick, tick, with_quotes
from tests.frames import MS, S, to_pages
from tests.laws import run
from tests.plain_flow import IDS, flow_steps, inputs_of

MINUTE = 60 * S
STEPS = flow_steps()
QUALITY = STEPS["quality"]


def count(*values):
    """Return the rows of counts, and the value of each metric by (minute, name)."""
    facts = run(QUALITY, values)[1]
    counts = [each for each in facts if isinstance(each, QualityCounts)]
    metrics = [each for each in facts if isinstance(each, Metric)]
    return counts, {(each.time_ns, each.name): each.value for each in metrics}


def test_the_first_record_beyond_a_minute_sends_its_rows():
    #   0:59.9 a    1:00 b
    state, rows = run(QUALITY, [batch(tick(MINUTE - 1))])
    assert rows == []
    _, facts = QUALITY.step(state, batch(heartbeat(MINUTE), first_offset=1))
    assert {each.time_ns for each in facts} == {0}


def test_a_record_exactly_on_the_minute_belongs_to_the_next():
    counts, _ = count(
        *batches([heartbeat(MINUTE - 1), heartbeat(MINUTE), heartbeat(2 * MINUTE - 1)])
    )
    assert [(each.time_ns, each.records) for each in counts] == [(0, 1), (MINUTE, 2)]


def test_a_minute_without_records_has_no_row():
    counts, metrics = count(*batches([heartbeat(0), heartbeat(5 * MINUTE)]))
    assert [each.time_ns for each in counts] == [0, 5 * MINUTE]
    assert metrics == {
        (at, name): 0.0 for at in (0, 5 * MINUTE) for name in ("trades", "bars", "signals")
    }


def test_the_end_of_the_log_sends_the_open_minute():
    counts, _ = count(batch(tick(S), end_of_log=True))
    assert [(each.records, each.accepted) for each in counts] == [(1, 1)]
    assert count(batch(end_of_log=True)) == ([], {})


def test_each_record_is_counted_by_its_status_and_verdict():
    log = [
        tick(S, instrument=2), tick(S, instrument=2, verdict=DUPLICATE), tick(S, instrument=2, verdict=LATE),
        tick(S, instrument=2, verdict=HISTORICAL), tick(S, instrument=2, verdict=OFF_MARKET),
        tick(S, instrument=2, verdict=AHEAD), heartbeat(S), no_tick(S),
        no_tick(S, IGNORED), no_tick(S, UNLISTED), no_tick(S, UNLISTED),
    ]  # fmt: skip
    counts, _ = count(*batches(log))
    assert counts == [
        QualityCounts("binance-0", None, 0, 5, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0),
        QualityCounts("binance-0", IDS[2], 0, 6, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0),
    ]


def test_a_record_of_several_ticks_is_one_record_and_each_tick_counts():
    counts, _ = count(
        batch(
            [tick(S, instrument=0), tick(S, instrument=1), tick(S, instrument=1)], end_of_log=True
        )
    )
    assert [(each.instrument, each.records, each.accepted) for each in counts] == [
        (IDS[0], 1, 1),
        (IDS[1], 0, 2),
    ]


def test_quotes_are_counted_with_their_instrument():
    quoted = [(0, S, 3, 1.0, 2.0), (0, S, 3, 1.0, 2.0)]
    counts, _ = count(with_quotes(batch(heartbeat(S), end_of_log=True), *quoted))
    assert [(each.instrument, each.quotes) for each in counts] == [(None, 0), (IDS[3], 2)]


def test_the_delay_is_of_accepted_trades_and_may_be_negative():
    log = [
        tick(2 * S, log_ns=2 * S + 4 * MS), tick(2 * S, log_ns=2 * S + 8 * MS),
        tick(0, log_ns=3 * S, verdict=LATE), tick(5 * MINUTE, log_ns=5 * MINUTE - 1_250 * MS),
    ]  # fmt: skip
    _, metrics = count(*batches(log))
    assert metrics[0, "delay_ms_mean"] == 6.0 and metrics[0, "delay_ms_max"] == 8.0
    assert metrics[4 * MINUTE, "delay_ms_mean"] == metrics[4 * MINUTE, "delay_ms_max"] == -1250.0


def test_bars_are_counted_in_the_minute_of_the_closing_record():
    closed = tuple(bar(1.0, offset=offset) for offset in (0, 1, 1))
    _, metrics = count(batch(heartbeat(S), heartbeat(MINUTE), end_of_log=True, bars=closed))
    assert (metrics[0, "bars"], metrics[MINUTE, "bars"]) == (1.0, 2.0)


def test_bars_closed_by_the_end_are_counted_in_the_last_minute():
    state, _ = run(QUALITY, [batch(tick(S))])
    _, facts = QUALITY.step(
        state, batch(first_offset=1, end_of_log=True, bars=(bar(1.0, offset=0),))
    )
    assert Metric("binance-0", "bars", 0, 1.0) in list(facts)


@pytest.mark.parametrize("event_ns", [0, 2**63 - 1])
def test_delays_at_the_ends_of_time_do_not_overflow(event_ns):
    _, metrics = count(*batches([tick(event_ns, log_ns=MINUTE) for _ in range(9)]))
    delay_ms = (MINUTE - event_ns) / MS
    assert metrics[MINUTE, "delay_ms_mean"] == pytest.approx(delay_ms)
    assert metrics[MINUTE, "delay_ms_max"] == pytest.approx(delay_ms)


@settings(max_examples=60, deadline=None)
@given(frames.logs(["coinbase-0"]), frames.page_sizes())
def test_rows_add_up_to_the_records_and_the_trades(log, sizes):
    values = inputs_of("quality", to_pages("coinbase-0", log["coinbase-0"], sizes), STEPS)
    counts, metrics = count(*values)
    assert sum(each.records for each in counts) == len(log["coinbase-0"])
    status = Counter(code for value in values for code in value.status.tolist())
    verdict = Counter(code for value in values for code in value.market.trades.verdict.tolist())
    sums = Counter()
    for each in counts:
        sums.update({name: getattr(each, name) for name in QualityCounts.__struct_fields__[3:]})
    assert sums["heartbeats"] == status[HEARTBEAT] and sums["malformed"] == status[MALFORMED]
    assert sums["recognised"] == status[IGNORED] and sums["unlisted"] == status[UNLISTED]
    assert sums["duplicate"] == verdict[DUPLICATE] and sums["late"] == verdict[LATE]
    assert sums["accepted"] == verdict[ACCEPTED]
    assert sums["quotes"] == sum(len(value.market.quotes) for value in values)
    records = sums["records"] - status[HEARTBEAT] - status[MALFORMED] - status[IGNORED]
    assert records - status[UNLISTED] == status[DECODED]
    for name in ("bars", "signals"):
        counted = sum(value for (_, metric), value in metrics.items() if metric == name)
        assert counted == sum(len(getattr(value, name)) for value in values)
    assert len({(each.time_ns, each.instrument) for each in counts}) == len(counts)


@given(st.integers(0, 2**62))
def test_a_row_has_the_time_at_which_its_minute_begins(log_ns):
    counts, _ = count(batch(heartbeat(log_ns), end_of_log=True))
    assert counts[0].time_ns == log_ns - log_ns % MINUTE


def test_missing_trades_count_in_the_minute_in_which_their_gap_became_a_fact():
    #   a gap found at 0:10 is settled by the record at 1:05
    gaps = Gaps(*(ints([each]) for each in (1, 0, 10 * S, 2, 5, 9, 5, 0, 0, 0)))
    log = [tick(10 * S, instrument=2), tick(65 * S, instrument=2)]
    counts, _ = count(batch(*log).replace(gaps=gaps), batch(first_offset=2, end_of_log=True))
    assert [(each.time_ns, each.instrument, each.missing) for each in counts] == [
        (0, IDS[2], 0), (MINUTE, IDS[2], 5),
    ]  # fmt: skip


def test_gaps_that_the_end_of_the_log_settles_are_counted():
    gaps = Gaps(*(ints([each]) for each in (0, 0, 10 * S, 2, 5, 9, 5, 0, 0, 0)))
    values = [batch(tick(S, instrument=2)), batch(first_offset=1, end_of_log=True)]
    counts, _ = count(values[0], values[1].replace(gaps=gaps))
    assert [each.missing for each in counts] == [5]
