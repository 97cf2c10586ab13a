"""Edges of marks, of times and of frames with many rows: the value at the edge itself.

Each test is killed by a change in bench/mutants.toml that moves its edge by one.
"""

import json

import numpy as np
import pytest

from tapeflow.flows.job import wiring
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.values import field_reader
from tapeflow.operators.desk.marks import ABSURD, MARK_PRICE_AGE_NS, Marks
from tapeflow.operators.sequence.kernel import JUMP_MAX, add_range, break_kind, judge_history
from tapeflow.operators.sequence.layout import NONE, RANGES_MAX, no_ranges
from tapeflow.operators.sequence.ranges import (
    PATIENCE_NS,
    Range,
    State,
    is_touched,
    settle_until,
)
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import Page
from tapeflow.schemas.gaps import FOUND, RENUMBERED
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HISTORICAL, IGNORED, MALFORMED, UNLISTED
from tapeflow.schemas.venues.dialect import YEAR_2000_NS, rfc3339
from tests.columns import batch, desk_ticks, heartbeat, no_tick, quotes, tick
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS, JOB


def marks_of(*tables):
    marks = Marks.empty(1)
    for ticks in tables:
        marks.update(desk_ticks(ticks))
    return marks


def trades(*records):
    return batch(*records, end_of_log=False).market.trades


def test_a_quote_of_the_record_of_the_last_trade_is_the_newer_one():
    marks = marks_of(trades(tick(5 * S, 100.0)), quotes((0, 5 * S, 0, 99.0, 101.0)))
    assert marks.closing_price(0, long=True).price == 99.0


def test_a_quote_whose_sides_are_equal_is_a_market():
    marks = marks_of(trades(tick(5 * S, 100.0)), quotes((1, 6 * S, 0, 101.0, 101.0)))
    assert marks.closing_price(0, long=True).price == 101.0


@pytest.mark.parametrize("times", [ABSURD, 1 / ABSURD])
def test_a_quote_exactly_absurd_times_away_is_still_a_market(times):
    price = 100.0 * times
    marks = marks_of(trades(tick(5 * S, 100.0)), quotes((1, 6 * S, 0, price, price)))
    assert marks.closing_price(0, long=True).price == price


@pytest.mark.parametrize(("late_ns", "price"), [(0, 98.0), (1, 100.0)])
def test_a_mark_price_is_taken_up_to_its_age_and_not_a_nanosecond_longer(late_ns, price):
    marks = marks_of(trades(tick(5 * S + MARK_PRICE_AGE_NS + late_ns, 100.0)))
    marks.mark[0], marks.mark_ns[0] = 98.0, 5 * S
    assert marks.closing_price(0, long=True).price == price


def test_the_first_moment_of_2000_is_a_time_and_the_one_before_is_not():
    read = field_reader(rfc3339("event_ns"))
    assert read("2000-01-01T00:00:00Z", "time") == YEAR_2000_NS
    with pytest.raises(Exception, match="time is before 2000"):
        read("1999-12-31T23:59:59.999999999Z", "time")


def test_a_frame_of_many_rows_counts_in_the_row_of_its_first_listed_instrument():
    ticks = [
        {"product_id": name, "trade_id": str(number), "price": "1.0", "size": "1.0",
         "side": "BUY", "time": "2024-01-01T00:00:00Z"}
        for number, name in enumerate(["ETH-USD", "ETH-USD", "BTC-USD"])
    ]  # fmt: skip
    frame = json.dumps(
        {"channel": "market_trades", "client_id": "", "timestamp": "2024-01-01T00:00:00Z",
         "sequence_num": 1, "events": [{"type": "update", "trades": ticks}]}
    ).encode()  # fmt: skip
    page = Page.from_frames("coinbase-0", 0, [5 * S], [frame])
    made = decode.step(page, decoder=wiring.decoders(JOB, INSTRUMENTS)["coinbase"])
    first = made.market.trades.instrument[0]
    assert len(np.unique(made.market.trades.instrument)) > 1, "of two instruments"
    assert made.record_instrument.tolist() == [first]
    assert ACCEPTED in made.market.trades.verdict and IDS[first]


@pytest.mark.parametrize("status", [IGNORED, UNLISTED, MALFORMED])
def test_a_record_without_trades_moves_no_clock_unless_it_is_a_heartbeat(status):
    step = TimeBars(BarWidth(S), 0, len(IDS))
    closed = []
    for last in (no_tick(9 * S, status), heartbeat(9 * S)):
        _, (out,) = step.step(step.initial(), batch(tick(5 * S), last))
        closed.append(len(out.bars))
    assert closed == [0, 1]


# --- missing ids ----------------------------------------------------------------------------


@pytest.mark.parametrize(("beyond", "kind"), [(0, FOUND), (1, RENUMBERED)])
def test_a_jump_of_the_largest_size_is_a_gap_and_one_more_is_another_numbering(beyond, kind):
    seen = {"newest_id": 7, "first_id": 1, "event_ns": 5 * S}
    assert break_kind(seen, NONE, 7 + JUMP_MAX + beyond, 5 * S, S) == kind


@pytest.mark.parametrize(("beyond_ns", "kind"), [(0, NONE), (1, RENUMBERED)])
def test_a_smaller_id_is_another_numbering_only_beyond_the_disorder(beyond_ns, kind):
    seen = {"newest_id": 7, "first_id": 1, "event_ns": 5 * S}
    assert break_kind(seen, NONE, 3, 6 * S + beyond_ns, S) == kind


@pytest.mark.parametrize(("trade_id", "verdict"), [(0, HISTORICAL), (1, DUPLICATE), (8, ACCEPTED)])
def test_an_old_trade_is_history_only_from_before_the_first_id(trade_id, verdict):
    seen = {"newest_id": 7, "first_id": 1, "event_ns": 5 * S}
    assert judge_history(seen, NONE, trade_id) == verdict


def test_where_there_is_no_room_the_two_oldest_ranges_become_one_that_lacks_as_many():
    ranges, held = no_ranges(1)
    for number in range(RANGES_MAX + 1):
        first = 10 * number
        add_range(ranges, held, {"instrument": 0, "first_id": first, "last_id": first + number})
    assert ranges[0, 0].item() == (0, 11, 3)
    assert held[0] == RANGES_MAX


@pytest.mark.parametrize(
    ("bar", "touched"), [((0, 5), False), ((0, 6), True), ((10, 20), True), ((11, 20), False)]
)
def test_a_gap_touches_the_bars_between_the_trades_on_both_sides_of_it(bar, touched):
    state = State({0: [Range(0, 0, 1, 2, 2, before_ns=5, after_ns=10)]})
    assert is_touched(state, 0, *bar) is touched


@pytest.mark.parametrize(("more_ns", "settled"), [(0, 0), (1, 1)])
def test_a_gap_is_settled_behind_its_patience_and_not_at_its_end(more_ns, settled):
    state = State({0: [Range(0, 0, 1, 2, 2, before_ns=5, after_ns=10)]})
    close_ns = 10 + PATIENCE_NS + more_ns
    assert len(list(settle_until(state, 9, close_ns - 1, close_ns))) == settled
