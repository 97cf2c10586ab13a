"""Bars of event time, as in sections 3 and 4 of the reference job, against an oracle over lists.

lateness 200 ms, bars of 1 s:      W = newest event time - 200 ms
"""

from datetime import UTC, datetime
from math import fsum, inf, isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job.width import parse_width
from tapeflow.operators.bars import open_bars
from tapeflow.operators.bars import step as bars_step
from tapeflow.operators.bars.layout import NONE
from tapeflow.operators.bars.step import TimeBars
from tapeflow.schemas.arrow import bars_to_record_batch, to_record_batch
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HEARTBEAT, HISTORICAL, LATE
from tapeflow.schemas.sides import BUY, SELL
from tests.columns import bar_values, batch, batches, heartbeat, no_tick, tick
from tests.frames import MS, S
from tests.laws import rows, run
from tests.plain_flow import IDS

LATENESS = 200 * MS
LAST = 2**63 - 1
DAY = 86_400 * S
YEAR, LATENESS_MAX = 365 * DAY, 36_500 * DAY  # see flows/job/duration.py
SECOND = BarWidth(S)


def verdicts_and_bars(values, lateness=LATENESS, width=SECOND, restore_each=False, by_id=True):
    """Return the verdicts on all trades, and all bars; with a restart before each batch, or none."""
    step = TimeBars(width, lateness, len(IDS), by_id)
    state, verdicts, closed = step.initial(), [], []
    for value in values:
        if restore_each:
            state = step.restore(step.snapshot(state))
        state, (output,) = step.step(state, value)
        verdicts += output.market.trades.verdict.tolist()
        closed += bar_values(output)
    return verdicts, closed


def bars_of(*log, **settings):
    return verdicts_and_bars(batches(log), **settings)[1]


def verdicts_of(*log, **settings):
    return verdicts_and_bars(batches(log), **settings)[0]


# --- the oracle: SPEC 3 and 4 over lists -------------------------------------------------------


def bar_times(event_ns, width):
    """Return the start and end of the bar that a time is in, by the calendar of Python.

    An end may lie beyond 63 bits: nothing of the oracle knows that there are such.
    """
    if width.months:
        day = datetime.fromtimestamp(event_ns // S, UTC)
        month = 12 * day.year + day.month - 1
        month -= month % width.months
        begin, end = (
            datetime(each // 12, each % 12 + 1, 1, tzinfo=UTC)
            for each in (month, month + width.months)
        )
        return int(begin.timestamp()) * S, int(end.timestamp()) * S
    monday = int(datetime(1970, 1, 5, tzinfo=UTC).timestamp()) * S
    origin = 0 if width.span_ns % (7 * DAY) else monday
    start = origin + (event_ns - origin) // width.span_ns * width.span_ns
    return start, start + width.span_ns


def oracle(values, lateness=LATENESS, width=SECOND, by_id=True):
    """Return verdicts and bars, computed a record at a time."""
    watermark, newest, newest_log, first = -inf, None, None, None
    verdicts, closed, is_open, log_ns, offset = [], [], {}, 0, -1

    def close(ended, at_end):
        ended.sort(key=lambda key: (key[0], IDS[key[1]]))
        for key in ended:
            partial = key[0] < first or (at_end and key[2] > newest)
            closed.append(oracle_bar(key, is_open.pop(key), log_ns, offset, partial, by_id))

    for value in values:
        trades = rows(value.market.trades)
        for number, status in enumerate(value.status.tolist()):
            log_ns, offset = int(value.log_ns[number]), value.first_offset + number
            if status == HEARTBEAT and newest is not None:
                watermark = max(watermark, newest + log_ns - newest_log - lateness)
            close([key for key in is_open if key[2] <= watermark], at_end=False)
            for trade in (row for row in trades if row.offset == offset):
                instrument, event, verdict = trade.instrument, trade.event_ns, trade.verdict
                if verdict == ACCEPTED:
                    start, end = bar_times(event, width)
                    first = event if first is None else first
                    if end <= watermark:
                        verdict = LATE
                    else:
                        is_open.setdefault((start, instrument, end), []).append(trade)
                    if newest is None or event > newest:
                        newest, newest_log = event, log_ns
                    watermark = max(watermark, newest - lateness)
                    close([key for key in is_open if key[2] <= watermark], at_end=False)
                verdicts.append(verdict)
        if value.end_of_log:
            close([*is_open], at_end=True)
    return verdicts, closed


def oracle_bar(key, trades, log_ns, offset, partial, by_id):
    """Return the fields of a bar as a dict; `partial`: the log began or ended inside it."""
    prices, sizes = [row.price for row in trades], [row.size for row in trades]
    bought = [row for row in trades if row.aggressor == BUY]
    # stable: of equals in log order
    by_event = sorted(trades, key=lambda row: (row.event_ns, row.trade_id * by_id))
    return {
        "instrument": IDS[key[1]], "venue": IDS[key[1]].partition(".")[2],
        "open_ns": key[0], "close_ns": min(key[2], LAST - 1),
        "open": by_event[0].price, "high": max(prices), "low": min(prices),
        "close": by_event[-1].price,
        "volume": fsum(sizes), "count": len(trades), "buy_volume": fsum(row.size for row in bought),
        "vwap": fsum(p * s for p, s in zip(prices, sizes, strict=True)) / fsum(sizes),
        "notional": fsum(p * s for p, s in zip(prices, sizes, strict=True)),
        "buy_notional": fsum(row.price * row.size for row in bought), "complete": not partial,
        "log_ns": log_ns, "partition": "binance-0", "offset": offset,
        "first_offset": trades[0].offset, "last_offset": trades[-1].offset,
    }  # fmt: skip


SUMS = {"volume", "buy_volume", "vwap", "notional", "buy_notional"}


def check(log, splits=(), end_of_log=True, **settings):
    """Return the bars of a log, compared with the oracle, and with a restart before each batch."""
    values = batches(log, splits, end_of_log=end_of_log)
    expected_verdicts, expected_bars = oracle(values, **settings)
    verdicts, bars = verdicts_and_bars(values, **settings)
    assert verdicts == expected_verdicts
    assert len(bars) == len(expected_bars)
    for bar, expected_bar in zip(bars, expected_bars, strict=True):
        for name, expected in expected_bar.items():
            value = getattr(bar, name)
            same = isclose(value, expected, rel_tol=1e-14) if name in SUMS else value == expected
            assert same, (name, value, expected)
    assert verdicts_and_bars(values, restore_each=True, **settings) == (verdicts, bars)
    return bars


# --- when a bar closes -------------------------------------------------------------------------


def test_a_bar_holds_its_start_and_not_its_end():
    #   5            6            7
    #   [a         b )[c          )
    bars = check([tick(5 * S, 1.0), tick(6 * S - 1, 2.0), tick(6 * S, 4.0)])
    assert [(bar.open_ns, bar.close_ns, bar.open, bar.close) for bar in bars] == [
        (5 * S, 6 * S, 1.0, 2.0),
        (6 * S, 7 * S, 4.0, 4.0),
    ]


@pytest.mark.parametrize(
    ("event_ns", "closes"), [(6 * S + LATENESS - 1, False), (6 * S + LATENESS, True)]
)
def test_a_bar_closes_when_the_watermark_is_exactly_at_its_end(event_ns, closes):
    #   5   a   6      6.2
    #   [       )      t         W = t - 200 ms
    assert bool(check([tick(5 * S), tick(event_ns)], end_of_log=False)) is closes


@pytest.mark.parametrize(("log_ns", "closes"), [(7_100 * MS - 1, False), (7_100 * MS, True)])
def test_a_heartbeat_moves_the_watermark_by_the_log_time_that_passed(log_ns, closes):
    #   log    6.0            7.1 heartbeat   1.1 s later: W = 5.1 + 1.1 - 0.2 = 6.0
    #   event  5.1
    log = [tick(5_100 * MS, log_ns=6 * S), heartbeat(log_ns)]
    assert bool(check(log, end_of_log=False)) is closes
    check(log)


def test_of_equal_newest_times_the_first_record_counts():
    #   log    6.0  6.5  6.7 heartbeat     a second trade of the same event time does not begin anew
    log = [
        tick(5_500 * MS, log_ns=6 * S),
        tick(5_500 * MS, log_ns=6_500 * MS, trade_id=2),
        heartbeat(6_700 * MS),
    ]
    assert len(check(log, end_of_log=False)) == 1
    check(log)


def test_a_heartbeat_before_the_first_trade_changes_nothing():
    assert check([heartbeat(S), heartbeat(99 * S), tick(5 * S), tick(5_900 * MS)]) != []
    log = [heartbeat(S), heartbeat(99 * S), tick(5 * S), tick(4 * S)]
    assert verdicts_of(*log) == [ACCEPTED] * 2


def test_the_watermark_never_moves_back():
    #   a at 9 brings W to 8.8; b at 8 does not bring it back, so c at 7.5 is late
    log = [tick(9 * S), tick(8 * S), tick(7_500 * MS)]
    assert verdicts_of(*log) == [ACCEPTED, ACCEPTED, LATE]
    check([*log, heartbeat(9 * S), tick(6 * S)])


@pytest.mark.parametrize(("newest", "verdict"), [(6_200 * MS - 1, ACCEPTED), (6_200 * MS, LATE)])
def test_a_trade_is_late_when_the_watermark_has_reached_its_bars_end(newest, verdict):
    #   5    x   6     6.2        x comes when W stands at 6
    log = [tick(5 * S), tick(newest), tick(5_999 * MS, 3.0)]
    assert verdicts_of(*log)[-1] == verdict
    check(log)


def test_the_first_trade_is_never_late():
    assert verdicts_of(tick(5 * S), lateness=0) == [ACCEPTED]
    assert len(check([tick(5 * S)], lateness=0)) == 1


def test_a_late_trade_moves_the_watermark_when_it_is_the_newest():
    #   W may stand beyond the newest trade by heartbeats: 5.0 + 9 - 0.2; then 12.5 is late and newest
    log = [
        tick(5 * S, log_ns=5 * S),
        heartbeat(14 * S),
        tick(12_500 * MS, log_ns=14 * S),
        heartbeat(15_800 * MS),
    ]
    log += [tick(13_900 * MS, log_ns=15_900 * MS)]
    assert verdicts_of(*log) == [ACCEPTED, LATE, LATE]
    check(log)


def test_a_trade_with_another_verdict_is_not_counted():
    log = [
        tick(5 * S),
        tick(99 * S, verdict=DUPLICATE),
        tick(99 * S, verdict=HISTORICAL),
        tick(5_500 * MS),
    ]
    verdicts, bars = verdicts_and_bars(batches(log))
    assert verdicts == [ACCEPTED, DUPLICATE, HISTORICAL, ACCEPTED]
    assert [bar.count for bar in bars] == [2]


def test_there_is_no_bar_for_an_empty_second():
    assert [bar.open_ns // S for bar in check([tick(5 * S), tick(9 * S)])] == [5, 9]


# --- the fields of a bar -----------------------------------------------------------------------


def test_open_and_close_are_by_event_time_then_log_order():
    #   log order   b c a d e       event order   a(b)  ...   e is as late as d and comes after it
    log = [
        tick(5_500 * MS, 2.0), tick(5_600 * MS, 3.0), tick(5_100 * MS, 1.0), tick(5_100 * MS, 9.0),
        tick(5_900 * MS, 4.0), tick(5_900 * MS, 5.0),
    ]  # fmt: skip
    (bar,) = check(log)
    assert (bar.open, bar.close, bar.high, bar.low) == (1.0, 5.0, 9.0, 1.0)


def test_of_one_event_time_the_smaller_id_opens_and_the_larger_closes():
    #   log order   3 2 | 9 8       the venue's kline opens with 2 and closes with 9
    log = [
        tick(5 * S, 30.0, trade_id=3), tick(5 * S, 20.0, trade_id=2),
        tick(5_900 * MS, 90.0, trade_id=9), tick(5_900 * MS, 80.0, trade_id=8),
    ]  # fmt: skip
    (bar,) = check(log)
    assert (bar.open, bar.close) == (20.0, 90.0)
    (bar,) = check(log, by_id=False)
    assert (bar.open, bar.close) == (30.0, 80.0)


# --- where bars begin --------------------------------------------------------------------------


def at(text):
    """Return a time in UTC as ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


@pytest.mark.parametrize(
    ("width", "event", "begin", "end"),
    [
        ("1d", "2024-02-29 23:59:59", "2024-02-29", "2024-03-01"),
        ("3d", "2017-08-17 04:00:00", "2017-08-16", "2017-08-19"),
        ("7d", "2025-01-01 12:00:00", "2024-12-30", "2025-01-06"),
        ("1w", "2025-01-06 00:00:00", "2025-01-06", "2025-01-13"),
        ("2w", "1970-01-05 00:00:00", "1970-01-05", "1970-01-19"),
        ("1w", "1970-01-01 00:00:00", "1969-12-29", "1970-01-05"),
        ("1mo", "2024-02-29 23:59:59", "2024-02-01", "2024-03-01"),
        ("1M", "2100-02-28 00:00:00", "2100-02-01", "2100-03-01"),
        ("1mo", "1970-01-01 00:00:00", "1970-01-01", "1970-02-01"),
        ("3mo", "2025-12-31 23:59:59", "2025-10-01", "2026-01-01"),
        ("6mo", "2025-07-01 00:00:00", "2025-07-01", "2026-01-01"),
        ("1y", "2000-12-31 23:59:59", "2000-01-01", "2001-01-01"),
    ],
)
def test_a_bar_opens_where_the_venues_does(width, event, begin, end):
    (bar,) = check([tick(at(event))], width=parse_width(width))
    assert (bar.open_ns, bar.close_ns) == (at(begin), at(end))


def test_months_close_by_the_watermark_and_are_complete_by_the_calendar():
    log = [
        tick(at("2024-01-01 00:00:00")), tick(at("2024-01-31 23:00:00")), tick(at("2024-02-01 00:00:00")),
        tick(at("2024-02-29 23:59:59")), tick(at("2024-03-01 00:00:01")),
    ]  # fmt: skip
    bars = check(log, [2, 4], width=parse_width("1mo"))
    assert [(bar.count, bar.complete) for bar in bars] == [(2, True), (2, True), (1, False)]
    assert len({bar.close_ns - bar.open_ns for bar in bars}) == 2  # 31 and 29 days


@pytest.mark.parametrize("width", ["1mo", "1y", "1w", "7d", "36500d"])
def test_a_bar_that_ends_beyond_time_is_closed_by_the_end(width):
    (bar,) = check(
        [tick(LAST, log_ns=5 * S), heartbeat(9 * S)], width=parse_width(width), lateness=0
    )
    assert bar.close_ns == LAST - 1 and not bar.complete  # LAST is infinity in a TIMESTAMP_NS


def test_a_bar_that_ends_beyond_time_is_closed_by_a_watermark_beyond_time():
    #   event  [LAST - 0.85 s      )          2 s later by the log: W = LAST - 0.85 s + 2 s - 0.2 s
    begin = LAST - LAST % S
    log = [tick(begin + 1, log_ns=5 * S), heartbeat(7 * S), tick(begin + 2, log_ns=8 * S)]
    (bar,) = check(log, end_of_log=False)
    assert (bar.open_ns, bar.close_ns, bar.count) == (begin, LAST - 1, 1)
    assert verdicts_of(*log) == [ACCEPTED, LATE]


def test_lateness_before_the_beginning_of_time_makes_no_later_trade_late():
    #   W = 0 - 2 s, then LAST - 2 s: its own bar is open still
    log = [tick(0, log_ns=5 * S), tick(LAST - S // 2, log_ns=6 * S), tick(5 * S, log_ns=7 * S)]
    assert verdicts_of(*log, lateness=2 * S) == [ACCEPTED, ACCEPTED, LATE]
    check(log, lateness=2 * S)


def test_volume_is_the_sum_of_sizes_and_buy_volume_of_the_buyers():
    (bar,) = check([tick(5 * S, 10.0, 2.0, side=BUY), tick(5 * S, 20.0, 6.0, side=SELL)])
    assert (bar.volume, bar.buy_volume, bar.notional, bar.buy_notional) == (8.0, 2.0, 140.0, 20.0)
    assert (bar.vwap, bar.count) == (17.5, 2)


def test_sums_are_compensated_for_rounding():
    log = [tick(5 * S, 1.0, 0.1) for _ in range(10_000)]
    assert bars_of(*log)[0].volume == fsum([0.1] * 10_000)
    assert np.cumsum([0.1] * 10_000)[-1] != fsum([0.1] * 10_000)


def test_a_bar_that_the_log_begins_or_ends_inside_is_not_complete():
    #   5  x          6            7           8
    #   [  a          )[b          )[c  end
    bars = check([tick(5_300 * MS), tick(6_100 * MS), tick(7_900 * MS)])
    assert [bar.complete for bar in bars] == [False, True, False]
    assert [bar.complete for bar in check([tick(5 * S), tick(6_300 * MS)])] == [True, False]


@pytest.mark.parametrize(("newest", "complete"), [(6 * S - 1, False), (6 * S, True)])
def test_a_bar_open_at_the_end_is_complete_when_the_log_reached_its_end(newest, complete):
    #   5            6
    #   [a           )b    the log ends, the watermark has not come to 6
    assert check([tick(5 * S), tick(newest, instrument=1)])[0].complete is complete


def test_a_bar_before_the_first_trade_is_not_complete():
    assert [bar.complete for bar in check([tick(6 * S), tick(5_900 * MS), tick(8 * S)])] == [
        False,
        True,
        False,
    ]


def test_bars_closed_by_one_record_are_in_order_of_end_and_instrument():
    log = [
        tick(6 * S, instrument=2),
        tick(5 * S, instrument=3),
        tick(5 * S, instrument=1),
        tick(6 * S, instrument=0),
        tick(99 * S, instrument=4),
    ]
    bars = check(log, lateness=2 * S)
    assert [(bar.open_ns // S, bar.instrument) for bar in bars[:4]] == [
        (5, IDS[1]), (5, IDS[3]), (6, IDS[0]), (6, IDS[2]),
    ]  # fmt: skip
    assert {(bar.log_ns, bar.offset) for bar in bars[:4]} == {(99 * S, 4)}


def test_a_bar_has_the_offsets_of_its_closing_record_and_its_trades():
    log = [
        no_tick(5 * S),
        tick(5 * S),
        no_tick(5 * S),
        tick(5_800 * MS),
        tick(9 * S),
        no_tick(9 * S),
    ]
    (bar, _) = check(log, [2, 3])
    assert (bar.first_offset, bar.last_offset) == (1, 3)
    assert (bar.log_ns, bar.partition, bar.offset) == (9 * S, "binance-0", 4)


def test_bars_closed_by_the_end_have_the_position_of_the_last_record():
    bars = check(
        [tick(5 * S, instrument=1), tick(5 * S, instrument=0), no_tick(7 * S), no_tick(8 * S)]
    )
    assert [(bar.instrument, bar.log_ns, bar.offset) for bar in bars] == [
        (IDS[0], 8 * S, 3),
        (IDS[1], 8 * S, 3),
    ]


def test_several_trades_of_one_record_are_folded_one_by_one():
    log = [[tick(5 * S), tick(6_300 * MS), tick(7_300 * MS), tick(5_900 * MS)], tick(9 * S)]
    assert verdicts_of(*log) == [ACCEPTED, ACCEPTED, ACCEPTED, LATE, ACCEPTED]
    check(log)


def test_a_log_without_trades_has_no_bars():
    assert bars_of() == []
    assert bars_of(heartbeat(S), no_tick(2 * S)) == []


def test_after_the_end_of_the_log_no_row_is_in_use():
    state, _ = run(
        TimeBars(SECOND, LATENESS, len(IDS)), batches([tick(5 * S), tick(6 * S, instrument=1)])
    )
    assert state.scalars["used"] == 0 and (state.first_slot == NONE).all()


# --- many open bars, and the ends of time ------------------------------------------------------


def test_one_instrument_may_have_many_open_bars():
    #   event times go back and forth over 300 s, lateness 1,000 s: all stay open
    log = [tick(1_000 * S + (number * 37 % 300) * S, float(number + 1)) for number in range(900)]
    bars = check(log, range(0, 900, 50), lateness=1_000 * S)
    assert [bar.count for bar in bars] == [3] * 300


def test_the_table_of_open_bars_grows_in_the_middle_of_a_batch():
    log = [
        tick((1_000 + number) * S, instrument=number % 5)
        for number in range(open_bars.OPEN_ROWS_MIN * 5)
    ]
    log += [tick(1_500 * S, instrument=0), tick(9_000 * S, instrument=0)]
    bars = check(log, lateness=700 * S)
    assert len(bars) == open_bars.OPEN_ROWS_MIN * 5 + 2


def test_rows_of_closed_bars_are_used_again():
    log = []
    for round_ in range(1, 6):
        log += [
            tick(round_ * 1_000 * S + second * S, instrument=second % 6) for second in range(100)
        ]
    bars = check(log, [3, 150, 420], lateness=150 * S)
    assert len(bars) == 500


@pytest.mark.parametrize("event_ns", [0, 1, S - 1, LAST - S, LAST - 1, LAST])
def test_event_times_at_the_ends_of_time_make_a_bar(event_ns):
    (bar,) = check([tick(event_ns, log_ns=5 * S), tick(event_ns, log_ns=9 * S), heartbeat(9 * S)])
    assert bar.count == 2 and bar.open_ns <= min(event_ns, LAST - 1) <= bar.close_ns


def test_event_times_may_go_from_the_beginning_of_time_to_its_end_and_back():
    log = [
        tick(0, log_ns=S),
        tick(LAST, log_ns=S),
        tick(5 * S, log_ns=S),
        tick(LAST - 10, log_ns=200 * YEAR),
        heartbeat(200 * YEAR),
    ]
    assert verdicts_of(*log) == [ACCEPTED, ACCEPTED, LATE, ACCEPTED]
    check(log)
    check(log, lateness=LATENESS_MAX)
    check(log, lateness=LATENESS_MAX, width=BarWidth(LATENESS_MAX))


# --- equal to the oracle, on random logs -------------------------------------------------------


def record(times):
    """Draw a record: a trade, several trades, a heartbeat, or no tick."""
    trade = st.builds(
        tick,
        times,
        st.sampled_from([1.0, 2.5, 100.1, 99.9, 1e-8, 1e9]),
        st.sampled_from([0.1, 0.2, 1.0, 1e-8, 12345.678]),
        instrument=st.integers(0, 5),
        trade_id=st.integers(0, 9),
        side=st.sampled_from([BUY, SELL]),
        verdict=st.sampled_from([ACCEPTED] * 9 + [DUPLICATE]),
    )
    return st.one_of(
        trade,
        trade,
        st.lists(trade, min_size=1, max_size=3),
        st.just("heartbeat"),
        st.just("no tick"),
    )


def with_log_times(drawn, gaps):
    """Return the records with log times that never decrease."""
    log: list[Any] = []
    now = 3 * S
    for number, record in enumerate(drawn):
        now += gaps[number % len(gaps)] if gaps else 0
        if isinstance(record, str):
            log.append(heartbeat(now) if record == "heartbeat" else no_tick(now))
        elif isinstance(record, list):
            log.append([trade._replace(log_ns=now) for trade in record])
        else:
            log.append(record._replace(log_ns=now))
    return log


NEAR = st.integers(0, 120).map(lambda tenths: 5 * S + tenths * 100 * MS)
FAR = st.sampled_from([0, 1, S - 1, S, LAST - 2 * S, LAST - S, LAST - 1, LAST])
EDGES = st.integers(0, 30).map(lambda tenths: LAST - tenths * 100 * MS)
GAPS = st.lists(st.sampled_from([0, 0, 1, 50 * MS, 100 * MS, 400 * MS, S]), max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(record(NEAR), max_size=20) | st.lists(record(NEAR), min_size=30, max_size=60),
    GAPS,
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([0, LATENESS, 3 * S, 60 * S]),
)
def test_bars_and_verdicts_equal_the_oracle(drawn, gaps, splits, lateness):
    check(with_log_times(drawn, gaps), splits, lateness=lateness)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(record(NEAR | FAR | EDGES), max_size=30),
    GAPS | st.lists(st.sampled_from([0, 400 * MS, 5 * YEAR]), max_size=5),  # 150 years in all
    st.lists(st.integers(0, 30), max_size=3),
    st.sampled_from(["1s", "1s", "1d", "2w", "1mo", "3mo", "1y", "36500d"]),
    st.sampled_from([0, LATENESS, 2 * S, 30 * YEAR, LATENESS_MAX]),
)
def test_bars_equal_the_oracle_at_the_ends_of_time(drawn, gaps, splits, width, lateness):
    check(with_log_times(drawn, gaps), splits, width=parse_width(width), lateness=lateness)


DAYS = st.builds(
    lambda day, ns: day * DAY + ns, st.integers(19_700, 20_300), st.sampled_from([0, 1, DAY - 1])
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(record(DAYS), max_size=40),
    GAPS,
    st.lists(st.integers(0, 40), max_size=3),
    st.sampled_from(["1d", "5d", "1w", "4w", "1mo", "2mo", "3mo", "4mo", "6mo", "1y"]),
    st.sampled_from([0, S, 3 * DAY, 90 * DAY]),
)
def test_bars_of_days_weeks_and_months_equal_the_oracle(drawn, gaps, splits, width, lateness):
    check(with_log_times(drawn, gaps), splits, width=parse_width(width), lateness=lateness)


@settings(max_examples=100, deadline=None)
@given(st.lists(record(NEAR), max_size=30), GAPS, st.booleans())
def test_ties_equal_the_oracle(drawn, gaps, by_id):
    check(with_log_times(drawn, gaps), by_id=by_id)


@settings(max_examples=100, deadline=None)
@given(st.lists(record(NEAR), min_size=1, max_size=60), GAPS)
def test_bars_hold_every_accepted_trade_once(drawn, gaps):
    values = batches(with_log_times(drawn, gaps))
    verdicts, bars = verdicts_and_bars(values)
    sizes = [size for batch in values for size in batch.market.trades.size.tolist()]
    accepted = [size for size, verdict in zip(sizes, verdicts, strict=True) if verdict == ACCEPTED]
    assert sum(bar.count for bar in bars) == len(accepted)
    assert isclose(fsum(bar.volume for bar in bars), fsum(accepted), rel_tol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(record(NEAR | FAR), min_size=1, max_size=60), GAPS)
def test_columns_of_bars_become_the_same_table_as_their_values(drawn, gaps):
    values = batches(with_log_times(drawn, gaps))
    for output in run(TimeBars(SECOND, LATENESS, len(IDS)), values)[1]:
        expected = to_record_batch(Bar, bar_values(output))
        columns = bars_to_record_batch(output.partition, output.bars, IDS)
        assert columns.cast(expected.schema).equals(expected)


def test_bars_have_the_name_of_their_partition():
    _, (output,) = run(TimeBars(SECOND, 0, 1), [batch(tick(S), end_of_log=True, partition="x-1")])
    bars = bar_values(output, ["A-B.X"])
    assert [(bar.partition, bar.venue) for bar in bars] == [("x-1", "X")]


@settings(max_examples=150, deadline=None)
@given(st.lists(record(NEAR), min_size=10, max_size=60), GAPS, st.lists(st.integers(0, 60)))
def test_bars_equal_the_oracle_where_every_table_is_too_small(drawn, gaps, splits):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(open_bars, "OPEN_ROWS_MIN", 1)
        patched.setattr(bars_step, "CLOSED_ROWS_MIN", 1)
        check(with_log_times(drawn, gaps), splits)
