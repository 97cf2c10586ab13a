"""A market order fills at the first trade of its instrument after its latency.

decided at 5 s      latency 250 ms     active at 5.25 s
"""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.paper import Match, find_match
from tapeflow.schemas.desk_market import DeskTrades
from tapeflow.schemas.orders import Order
from tapeflow.schemas.sides import BUY
from tests.columns import batch, desk_ticks, tick
from tests.frames import MS, S
from tests.laws import rows

ACTIVE = 5_250 * MS


def order(*, offset=0, at=5 * S, active_ns=ACTIVE, seq=1):
    unit = Decimal(1)
    return Order(
        seq, f"o{seq}", "s", "main", "trend", "A", BUY, "market", unit, unit, at, active_ns, "binance-0", offset
    )  # fmt: skip


def trades(*records, first_offset=0):
    return desk_ticks(batch(*records, first_offset=first_offset).market.trades)


def match_of(resting, *chunks, instrument=0):
    """Return (offset, price) of the trade that fills an order, or None."""
    match = find_match(resting, instrument, chunks)
    return None if match is None else (match.position[2], match.price)


def test_the_first_trade_at_or_after_the_latency_fills():
    #   5 D      5.2 a   5.25 b   5.3 c
    log = [tick(5 * S, 1.0), tick(5_200 * MS, 2.0), tick(ACTIVE, 3.0), tick(5_300 * MS, 4.0)]
    assert match_of(order(), trades(*log)) == (2, 3.0)


@pytest.mark.parametrize(
    ("log_ns", "fills"), [(ACTIVE - 1, False), (ACTIVE, True), (ACTIVE + 1, True)]
)
def test_an_order_active_exactly_at_a_trades_log_time_fills(log_ns, fills):
    assert (match_of(order(), trades(tick(5 * S), tick(log_ns))) is not None) is fills


def test_latency_is_in_log_time_and_not_in_event_time():
    log = [tick(5 * S), tick(9 * S, 1.0, log_ns=5_100 * MS), tick(S, 2.0, log_ns=6 * S)]
    assert match_of(order(), trades(*log)) == (2, 2.0)


def test_the_deciding_records_own_trade_never_fills_its_order():
    #   latency 0: the record at offset 1 decides and is at the active time itself
    now = order(offset=1, active_ns=5 * S)
    log = [tick(5 * S, 1.0), [tick(5 * S, 2.0), tick(5 * S, 3.0)], tick(5 * S, 4.0)]
    assert match_of(now, trades(*log)) == (2, 4.0)
    assert match_of(now, trades(*log[:2])) is None


def test_another_instruments_trade_does_not_fill():
    assert match_of(order(), trades(tick(9 * S, instrument=1), tick(9 * S, 7.0, instrument=0))) == (
        1,
        7.0,
    )
    assert match_of(order(), trades(tick(9 * S, instrument=1))) is None


def test_of_several_trades_of_one_record_the_first_fills():
    log = [tick(5 * S), [tick(6 * S, 1.0, instrument=1), tick(6 * S, 2.0), tick(6 * S, 3.0)]]
    assert match_of(order(), trades(*log)) == (1, 2.0)


def test_the_search_goes_on_in_the_next_chunk():
    chunks = [
        trades(tick(5 * S), tick(5_100 * MS)),
        trades(tick(6 * S, instrument=1), first_offset=2),
        trades(tick(7 * S, 5.0), first_offset=3),
    ]
    assert match_of(order(), *chunks) == (3, 5.0)
    assert match_of(order()) is None


def test_a_match_has_the_position_price_time_and_id_of_its_trade():
    match = find_match(
        order(), 0, [trades(tick(4 * S, 8.5, trade_id=77, log_ns=6 * S), first_offset=3)]
    )
    assert match == Match((6 * S, "binance-0", 3), order(), 8.5, 4 * S, 77)


def test_at_one_position_the_order_decided_first_fills_first():
    first, second = (Match((S, "a", 0), order(seq=seq), 1.0, S, 1) for seq in (1, 2))
    assert first < second and not second < first
    assert Match((S, "a", 0), order(seq=9), 1.0, S, 1) < Match((S, "a", 1), order(seq=1), 1.0, S, 1)


TICK = st.builds(
    lambda number, price: tick(0, price, instrument=number),
    st.integers(0, 2),
    st.sampled_from([1.0, 2.0, 3.0]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(TICK, st.sampled_from([0, 0, 50, 250])), min_size=10, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.integers(0, 40),
    st.sampled_from([0, 50, 250, 251, 1000]),
)
def test_matches_equal_those_of_a_search_by_row(drawn, splits, decider, latency_ms):
    log, now = [], 5 * S
    for trade, gap_ms in drawn:
        now += gap_ms * MS
        log.append(trade._replace(log_ns=now, event_ns=now))
    decider = min(decider, len(log))
    decided_ns = log[decider].log_ns if decider < len(log) else now
    resting = order(offset=decider, at=decided_ns, active_ns=decided_ns + latency_ms * MS)
    edges = sorted({0, len(log), *(each for each in splits if each < len(log))})
    chunks = [trades(*log[begin:end], first_offset=begin) for begin, end in pairwise(edges)]
    expected = None
    for trade in rows(DeskTrades.concat(chunks)):
        late_enough = trade.offset > decider and trade.log_ns >= resting.active_ns
        if trade.instrument == 0 and late_enough:
            expected = (trade.offset, trade.price)
            break
    assert match_of(resting, *chunks) == expected
