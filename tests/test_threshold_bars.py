"""Bars of so many trades, so much volume, so much notional: against a loop over trades.

volume:5     sizes  2  2  3        7
bars               [2  2  1][2  3][4 ...
"""

from fractions import Fraction
from itertools import pairwise
from math import fsum, isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job.bar_kinds import parse_kind
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.bars.threshold_kernel import PARTS_MAX
from tapeflow.schemas.gaps import FILLED, FOUND, NO_INSTRUMENT, PAUSED, Breaks
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, LATE, Bars
from tapeflow.schemas.sides import BUY, SELL
from tests.columns import batch, batches, heartbeat, tick
from tests.frames import MS, S
from tests.laws import rows, run, run_on
from tests.plain_flow import IDS
from tests.test_bars import FAR, GAPS, LATENESS, NEAR, SECOND, record, with_log_times

LAST_NS = 2**63 - 2
MEASURES = ("tick:1", "tick:3", "volume:1", "volume:2.5", "dollar:100", "dollar:1e3")


def step_of(*names):
    return OtherBars(tuple(parse_kind(each, SECOND) for each in names), LATENESS, len(IDS))


def bars_of(values, *names):
    """Return the bars of each kind, by name, as rows."""
    outputs = run(step_of(*names), values)[1]
    return {name: joined(outputs, name) for name in names}


def joined(outputs, name):
    return rows(Bars.concat([each.other_bars[name] for each in outputs if name in each.other_bars]))


def bars(name, *log, splits=()):
    return bars_of(batches(log, splits), name)[name]


def judged(log, splits=(), lateness=LATENESS):
    return run(TimeBars(SECOND, lateness, len(IDS)), batches(log, splits))[1]


# --- the oracle: a loop over trades, in exact fractions ----------------------------------------


def oracle(values, name):
    """Return the bars of a kind as dicts; sizes and steps are decimals, added exactly."""
    measure, _, number = name.partition(":")
    step, held, ends, closed = Fraction(number), {}, {}, []

    def close(instrument, log_ns, offset, complete):
        parts = held.pop(instrument)
        start = max(parts[0][0].event_ns, ends.get(instrument, 0))
        newest = max(start, *(trade.event_ns for trade, _ in parts))
        ends[instrument] = min(newest + 1, LAST_NS)
        prices, sizes = [t.price for t, _ in parts], [part for _, part in parts]
        closed.append({
            "instrument": instrument, "open_ns": start, "close_ns": ends[instrument],
            "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1],
            "count": sum(t.count for t, _ in parts), "complete": complete, "log_ns": log_ns, "offset": offset,
            "first_offset": parts[0][0].offset, "last_offset": parts[-1][0].offset,
            "volume": sum(sizes), "notional": sum(s * exact(p) for s, p in zip(sizes, prices, strict=True)),
            "buy_volume": sum(s for t, s in parts if t.aggressor == BUY),
            "buy_notional": sum(s * exact(t.price) for t, s in parts if t.aggressor == BUY),
        })  # fmt: skip

    def amount(trade, size):
        return {"tick": trade.count, "volume": size, "dollar": size * exact(trade.price)}[measure]

    def in_order(bars):
        return sorted(bars, key=lambda each: (each["offset"], each["close_ns"], each["instrument"]))

    log_ns, offset = 0, -1
    for value in values:
        for trade in rows(value.market.trades):
            left, parts = exact(trade.size), 0
            while trade.verdict == ACCEPTED and (left or not parts):
                inside = sum(amount(t, s) for t, s in held.get(trade.instrument, ()))
                part, parts = left, parts + 1
                if measure != "tick" and inside + amount(trade, left) > step and parts < PARTS_MAX:
                    part = (step - inside) / (exact(trade.price) if measure == "dollar" else 1)
                held.setdefault(trade.instrument, []).append((trade, part))
                left -= part
                if inside + amount(trade, part) >= step:
                    close(trade.instrument, trade.log_ns, trade.offset, complete=True)
        if len(value.log_ns):
            log_ns, offset = int(value.log_ns[-1]), value.next_offset - 1
    by_trades = len(closed)
    if values[-1].end_of_log:
        for instrument in sorted(held):
            close(instrument, log_ns, offset, complete=False)
    return in_order(closed[:by_trades]) + in_order(closed[by_trades:])


def exact(number):
    """Return the decimal that a float is the nearest to."""
    return Fraction(repr(number))


def check(values, *names):
    found = bars_of(values, *names)
    for name in names:
        expected = oracle(values, name)
        assert len(found[name]) == len(expected), name
        for bar, fields in zip(found[name], expected, strict=True):
            for field, value in fields.items():
                same = getattr(bar, field) == value
                if isinstance(value, Fraction) or field in (
                    "volume",
                    "notional",
                    "buy_volume",
                    "buy_notional",
                ):
                    same = isclose(getattr(bar, field), value, rel_tol=1e-11, abs_tol=1e-11)
                assert same, (name, field, value, bar)
    return found


SIZES = st.sampled_from([0.1, 0.2, 0.25, 1.0, 2.5, 7.3, 12.0])
PRICES = st.sampled_from([100.0, 99.5, 101.25, 40.1])


@st.composite
def decimal_logs(draw, times=NEAR):
    """Draw a log of trades whose sizes and prices are short decimals."""
    drawn = draw(st.lists(record(times), max_size=60))
    sized = [
        [t._replace(size=draw(SIZES), price=draw(PRICES)) for t in each] if isinstance(each, list)
        else each if isinstance(each, str)
        else each._replace(size=draw(SIZES), price=draw(PRICES), trades=draw(st.integers(1, 3)))
        for each in drawn
    ]  # fmt: skip
    return with_log_times(sized, draw(GAPS))


@settings(max_examples=200, deadline=None)
@given(decimal_logs(), st.lists(st.integers(0, 60), max_size=4))
def test_threshold_bars_equal_a_loop_over_the_trades(log, splits):
    check(judged(log, splits), *MEASURES)


@settings(max_examples=100, deadline=None)
@given(decimal_logs(NEAR | FAR))
def test_threshold_bars_equal_the_loop_at_the_ends_of_time(log):
    check(judged(log, lateness=0), "tick:2", "volume:2.5")


@settings(max_examples=100, deadline=None)
@given(decimal_logs())
def test_volume_is_conserved_and_each_full_bar_has_exactly_the_step(log):
    values = judged(log)
    traded = [r for value in values for r in rows(value.market.trades) if r.verdict == ACCEPTED]
    found = bars_of(values, *MEASURES)
    for name in MEASURES:
        volume, notional = (
            fsum(getattr(bar, each) for bar in found[name]) for each in ("volume", "notional")
        )
        assert isclose(volume, fsum(row.size for row in traded), rel_tol=1e-12)
        assert isclose(notional, fsum(row.size * row.price for row in traded), rel_tol=1e-12)
        measure, _, step = name.partition(":")
        if measure != "tick":
            of = "volume" if measure == "volume" else "notional"
            assert {getattr(bar, of) for bar in found[name] if bar.complete} <= {float(step)}
        for bar in found[name]:
            assert bar.low <= bar.vwap * (1 + 1e-12) and bar.vwap <= bar.high * (1 + 1e-12)
            assert 0 <= bar.buy_volume <= bar.volume and 0 <= bar.buy_notional <= bar.notional


@settings(max_examples=100, deadline=None)
@given(decimal_logs(NEAR | FAR))
def test_bars_of_an_instrument_never_overlap_and_have_two_times_of_their_own(log):
    for found in bars_of(judged(log), *MEASURES).values():
        for instrument in range(len(IDS)):
            own = [bar for bar in found if bar.instrument == instrument]
            for one, two in pairwise(own):
                assert one.open_ns < one.close_ns <= two.open_ns or one.close_ns == LAST_NS


# --- single stories ----------------------------------------------------------------------------


def test_a_trade_is_split_at_the_step_and_counts_in_both_bars():
    sizes = (2.0, 2.0, 3.0, 7.0)
    found = bars("volume:5", *(tick(5 * S + n, 100.0 + n, size) for n, size in enumerate(sizes)))
    assert [(bar.volume, bar.count, bar.open, bar.close) for bar in found] == [
        (5.0, 3, 100.0, 102.0),
        (5.0, 2, 102.0, 103.0),
        (4.0, 1, 103.0, 103.0),
    ]
    assert [bar.complete for bar in found] == [True, True, False]
    assert [(bar.first_offset, bar.last_offset, bar.offset) for bar in found] == [
        (0, 2, 2), (2, 3, 3), (3, 3, 3),
    ]  # fmt: skip


def test_sums_of_decimals_leave_no_sliver_of_a_trade():
    #   50 times 0.1 is 5: no bar begins with what rounding has left
    found = bars("volume:5", *(tick(5 * S + n, float(1 + n), 0.1) for n in range(200)))
    assert [(bar.count, bar.open) for bar in found] == [
        (50, 1.0),
        (50, 51.0),
        (50, 101.0),
        (50, 151.0),
    ]
    found = bars("volume:0.3", *(tick(5 * S + n, float(1 + n), 0.1) for n in range(3000)))
    assert {bar.count for bar in found} == {3} and {bar.volume for bar in found} == {0.3}


def test_one_trade_fills_many_bars_and_the_last_it_may_fill_takes_the_rest():
    found = bars("volume:1", tick(5 * S, 10.0, 4.5), tick(6 * S, 10.0, 1e6), tick(7 * S, 10.0, 0.5))
    assert [bar.volume for bar in found[:5]] == [1.0] * 5
    assert len(found) == 4 + PARTS_MAX + 1
    assert found[-2].volume == 1e6 - 0.5 - (PARTS_MAX - 2)
    assert fsum(bar.volume for bar in found) == 1e6 + 5


def test_the_room_for_closed_bars_is_used_again_within_a_batch():
    found = bars("volume:1", *(tick(5 * S + n, 10.0, 900.0) for n in range(20)))
    assert len(found) == 18_000 and {bar.volume for bar in found} == {1.0}


def test_an_aggregated_trade_counts_as_its_trades():
    log = [tick(5 * S + n)._replace(trades=2) for n in range(5)]
    assert [bar.count for bar in bars("tick:3", *log)] == [4, 4, 2]


def test_trades_that_were_not_accepted_are_in_no_bar():
    log = [tick(5 * S), tick(5 * S, verdict=DUPLICATE), tick(5 * S, verdict=LATE), tick(6 * S)]
    assert [bar.count for bar in bars("tick:2", *log)] == [2]


def test_a_bar_is_closed_by_its_last_trade_and_waits_for_no_watermark():
    (bar,) = bars("tick:2", tick(5 * S), heartbeat(9 * S), tick(5_100 * MS, log_ns=10 * S))
    assert (bar.log_ns, bar.offset, bar.open_ns, bar.close_ns) == (10 * S, 2, 5 * S, 5_100 * MS + 1)


def gaps(*found):
    """Return breaks of (offset, kind, instrument)."""
    columns = {name: np.zeros(len(found), np.int64) for name in Breaks.column_names()}
    for name, column in zip(
        ("offset", "kind", "instrument"), zip(*found, strict=True), strict=True
    ):
        columns[name] = np.array(column, np.int64)
    return Breaks(**columns)


@pytest.mark.parametrize(
    ("kind", "instrument", "complete"),
    [
        (FOUND, 0, [True, False, True]),
        (PAUSED, NO_INSTRUMENT, [True, False, True]),
        (FOUND, 1, [True, True, True]),
        (FILLED, 0, [True, True, True]),
    ],
)
@pytest.mark.parametrize("offset", [2, 3])
def test_a_bar_is_not_complete_where_a_gap_was_found_in_it(kind, instrument, complete, offset):
    #   log order   0 1 | 2 3 | 4 5      found by the record that opens the bar, or by its last
    value = batch(*(tick(5 * S + n) for n in range(6)), breaks=gaps((offset, kind, instrument)))
    assert [bar.complete for bar in bars_of([value], "tick:2")["tick:2"]] == complete


def test_a_gap_after_the_last_trade_of_a_batch_is_of_the_next_bar():
    first = batch(tick(5 * S), heartbeat(6 * S), breaks=gaps((1, PAUSED, NO_INSTRUMENT)))
    second = batch(*(tick(7 * S + n) for n in range(3)), first_offset=2)
    step = step_of("tick:2")
    state, _ = run(step, [first])
    _, outputs = run_on(step, step.restore(step.snapshot(state)), [second])
    assert [bar.complete for bar in joined(outputs, "tick:2")] == [False, True]


def test_sellers_and_buyers_are_told_apart():
    found = bars("volume:4", tick(5 * S, 10.0, 3.0, side=SELL), tick(6 * S, 20.0, 2.0, side=BUY))
    assert [(bar.buy_volume, bar.buy_notional) for bar in found] == [(1.0, 20.0), (1.0, 20.0)]
    assert (found[0].vwap, found[0].notional) == (12.5, 50.0)
