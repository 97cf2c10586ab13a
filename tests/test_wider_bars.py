"""Bars of several of the job's own: against the bars of a job of that width, and an oracle of lists.

bars of 1s    |a |b |  |c |
bars of 5s    |a  b     c   |
"""

from math import fsum, inf, isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job.width import parse_width
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.schemas.bar_kinds import WiderKind
from tapeflow.schemas.market import ACCEPTED, HEARTBEAT, LATE, Bars
from tests import frames, laws
from tests.columns import batch, batches, heartbeat, no_tick, tick
from tests.frames import MS, S, to_pages
from tests.laws import rows, run
from tests.plain_flow import IDS, JOB, flow_steps, inputs_of
from tests.test_bars import (
    DAYS,
    EDGES,
    FAR,
    GAPS,
    LATENESS,
    NEAR,
    SUMS,
    bar_times,
    record,
    with_log_times,
)

WIDTHS = ("2s", "5s", "1m")


def kinds(names):
    return tuple(WiderKind(each, parse_width(each)) for each in names)


def decided(values, width="1s", lateness=LATENESS):
    """Return batches as they arrive at the step: trades judged, bars of the job's width closed."""
    parsed = parse_width(width)
    return run(SettleGaps(parsed), run(TimeBars(parsed, lateness, len(IDS)), values)[1])[1]


def wider_bars(values, names, lateness=LATENESS):
    """Return the bars of each kind, by name, as rows."""
    outputs = run(OtherBars(kinds(names), lateness, len(IDS)), values)[1]
    return {name: joined(outputs, name) for name in names}


def joined(outputs, name):
    return rows(Bars.concat([each.other_bars[name] for each in outputs if name in each.other_bars]))


# --- the oracle: over lists of bars of the job's width -----------------------------------------


def watermarks(values, lateness):
    """Return (log time, offset, watermark after it) of each record, and first and newest time."""
    found, watermark, newest, newest_log, first = [], -inf, None, None, None
    for value in values:
        trades = rows(value.market.trades)
        for number, status in enumerate(value.status.tolist()):
            log_ns, offset = int(value.log_ns[number]), value.first_offset + number
            if status == HEARTBEAT and newest is not None:
                watermark = max(watermark, newest + log_ns - newest_log - lateness)
            for trade in trades:
                if trade.offset == offset and trade.verdict in (ACCEPTED, LATE):
                    first = trade.event_ns if first is None else first
                    if newest is None or trade.event_ns > newest:
                        newest, newest_log = trade.event_ns, log_ns
                    watermark = max(watermark, newest - lateness)
            found.append((log_ns, offset, watermark))
    return found, first, newest


def oracle(values, name, lateness):
    """Return the bars of a width as dicts, in order: gaps are not in it."""
    width, base = parse_width(name), [row for value in values for row in rows(value.bars)]
    records, first, newest = watermarks(values, lateness)
    members = {}
    for bar in base:
        members.setdefault((*bar_times(bar.open_ns, width), bar.instrument), []).append(bar)
    bars = []
    for (start, end, instrument), group in members.items():
        closing = next((each for each in records if each[2] >= end), None)
        log_ns, offset, _ = closing or records[-1]
        bars.append({
            "instrument": instrument, "open_ns": start, "close_ns": min(end, 2**63 - 2),
            "open": group[0].open, "high": max(each.high for each in group),
            "low": min(each.low for each in group), "close": group[-1].close,
            "count": sum(each.count for each in group),
            "first_offset": min(each.first_offset for each in group),
            "last_offset": max(each.last_offset for each in group),
            "complete": first <= start and (closing is not None or end <= newest),
            "log_ns": log_ns, "offset": offset,
            **{sums: fsum(getattr(each, sums) for each in group) for sums in SUMS - {"vwap"}},
        })  # fmt: skip
    return sorted(bars, key=lambda each: (each["offset"], each["open_ns"], each["instrument"]))


def check(log, splits=(), names=WIDTHS, width="1s", lateness=LATENESS):
    values = decided(batches(log, splits), width, lateness)
    found = wider_bars(values, names, lateness)
    for name in names:
        expected = oracle(values, name, lateness)
        assert len(found[name]) == len(expected)
        for bar, fields in zip(found[name], expected, strict=True):
            for field, value in fields.items():
                same = isclose(getattr(bar, field), value, rel_tol=1e-14)
                assert same if field in SUMS else getattr(bar, field) == value, (name, field, bar)
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(record(NEAR), max_size=60),
    GAPS,
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([0, LATENESS, 3 * S, 60 * S]),
)
def test_wider_bars_equal_the_oracle(drawn, gaps, splits, lateness):
    check(with_log_times(drawn, gaps), splits, lateness=lateness)


@settings(max_examples=100, deadline=None)
@given(st.lists(record(DAYS), max_size=40), GAPS, st.sampled_from([0, S, 86_400 * 3 * S]))
def test_weeks_and_months_of_bars_of_days_equal_the_oracle(drawn, gaps, lateness):
    check(
        with_log_times(drawn, gaps), names=("1w", "1mo", "3mo", "1y"), width="1d", lateness=lateness
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(record(NEAR | FAR | EDGES), max_size=30), GAPS, st.sampled_from([0, LATENESS, 2 * S])
)
def test_wider_bars_equal_the_oracle_at_the_ends_of_time(drawn, gaps, lateness):
    names = ("2s", "1m", "1w", "1y")
    check(with_log_times(drawn, gaps), names=names, lateness=lateness)


# --- the bars of a job of that width -----------------------------------------------------------

PATIENT = {"lateness": "1m"}  # nothing is late
FLOWS = {
    width: flow_steps(JOB.model_copy(update={"bars": type(JOB.bars)(width=width, **PATIENT)}))
    for width in ("1s", *WIDTHS)
}
EXACT = [name for name in Bars.column_names() if name not in SUMS]


@settings(max_examples=100, deadline=None)
@given(frames.record_bytes(), frames.page_sizes())
def test_wider_bars_equal_those_of_a_job_of_that_width_where_nothing_is_late(drawn, sizes):
    #   gaps in ids, pauses, heartbeats, trades out of order: complete or not, and closed by whom
    log = frames.records_from_bytes("binance-0", drawn, whole_seconds=False)
    values = inputs_of("other_bars", to_pages("binance-0", log, sizes), FLOWS["1s"])
    assert not any((each.market.trades.verdict == LATE).any() for each in values)
    found = wider_bars(values, WIDTHS, 60 * S)
    for width in WIDTHS:
        own = inputs_of("other_bars", to_pages("binance-0", log, sizes), FLOWS[width])
        expected = [row for each in own for row in rows(each.bars)]
        assert len(found[width]) == len(expected)
        for bar, other in zip(found[width], expected, strict=True):
            for name in EXACT:
                assert getattr(bar, name) == getattr(other, name), (width, name)
            for name in SUMS:
                assert isclose(getattr(bar, name), getattr(other, name), rel_tol=1e-14)


# --- single stories ----------------------------------------------------------------------------


def test_a_wider_bar_closes_at_the_record_that_brings_the_watermark_to_its_end():
    #   5    7   a quote's record  10.1  10.2   the bar [5, 10) is closed by the last, offset 4
    log = [tick(5 * S), tick(7 * S), no_tick(9 * S), tick(10_100 * MS), tick(10_200 * MS)]
    (first, *_) = check(log, names=("5s",))["5s"]
    assert (first.offset, first.log_ns, first.count) == (4, 10_200 * MS, 2)


def test_a_heartbeat_closes_a_wider_bar_long_after_its_last_trade():
    log = [tick(5 * S), tick(6 * S), heartbeat(8 * S), heartbeat(10_100 * MS), heartbeat(11 * S)]
    (bar,) = check(log, names=("5s",))["5s"]
    assert (bar.offset, bar.complete) == (4, True)


def test_a_trade_that_is_late_for_its_own_bar_is_in_no_wider_bar():
    log = [tick(5 * S), tick(7 * S), tick(5_900 * MS, 999.0), tick(11 * S)]
    (first, *_) = check(log, names=("5s",))["5s"]
    assert (first.count, first.high) == (2, 100.0)


def test_a_kind_that_is_new_under_a_state_begins_with_the_next_record():
    values = decided(batches([tick(5 * S + n * 100 * MS) for n in range(400)], [150]))
    before, after = (
        OtherBars(kinds(["5s"]), LATENESS, 6),
        OtherBars(kinds(["5s", "10s"]), LATENESS, 6),
    )
    state, _ = run(before, values[:1])
    _, outputs = laws.run_on(after, after.restore(before.snapshot(state)), values[1:])
    whole = wider_bars(values, ["5s", "10s"])
    assert joined(outputs, "5s") == whole["5s"][-len(joined(outputs, "5s")) :]
    assert [each.complete for each in joined(outputs, "10s")] == [False, True, True, False]
    assert [each.open_ns // S for each in joined(outputs, "10s")] == [10, 20, 30, 40]


def test_no_bar_is_made_for_a_kind_twice_or_left_open():
    log = [tick(5 * S, instrument=n % 6) for n in range(12)] + [tick(6 * S)]
    found = check(log)
    assert all(len({(b.instrument, b.open_ns) for b in found[w]}) == len(found[w]) for w in WIDTHS)


def test_a_state_that_has_not_seen_every_record_begins_anew():
    #   the job needed no other bars from record 100 to 250: what was open then is in no bar
    values = decided(batches([tick(5 * S + n * 100 * MS) for n in range(400)], [100, 250]))
    step = OtherBars(kinds(["5s"]), LATENESS, 6)
    state, _ = run(step, values[:1])
    _, outputs = laws.run_on(step, step.restore(step.snapshot(state)), values[2:])
    found = joined(outputs, "5s")
    assert [each.open_ns // S for each in found] == [25, 30, 35, 40]
    assert [each.complete for each in found] == [False, True, True, False]


def test_a_hole_in_the_offsets_of_a_topic_changes_no_bar():
    #   markers of transactions: offset 150 holds no record, and a batch begins at 151
    ticks = [tick(5 * S + n * 100 * MS) for n in range(400)]
    whole, (one, *_) = decided(batches(ticks)), batches(ticks, [150])
    moved = batch(*ticks[150:], first_offset=151, end_of_log=True)
    found = wider_bars(decided([one, moved]), ["5s"])["5s"]
    expected = wider_bars(whole, ["5s"])["5s"]
    assert [each._replace(offset=0, first_offset=0, last_offset=0) for each in found] == [
        each._replace(offset=0, first_offset=0, last_offset=0) for each in expected
    ]
