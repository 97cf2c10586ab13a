"""Strategies and their price watches see no price that is none of a market."""

import pytest

from tapeflow import WatchPrice
from tests.frames import S, mark_price_frame, quote_frame, trade_frame
from tests.laws import run
from tests.strategies.scripted import Scripted
from tests.strategy_desks import decided_of, declare_row, desk_of, received_by

PERP, COINBASE = "BTC-USDT-PERP.BINANCE-USDM", "BTC-USD.COINBASE"
BEGIN = 1_700_000_000 * S
USDM = "binance-usdm-0"


def watch(rows, watches):
    """Return the prices that met watches set at the first bar, rows coming 2 s after it."""
    frames = [trade_frame(USDM, number, at=BEGIN + number * S, price=100) for number in (1, 3)]
    records = [(BEGIN + S, frames[0]), (BEGIN + 3 * S, frames[1])]
    records += [(BEGIN + 5 * S, frame) for frame in rows]
    strategy = Scripted(bars={1: lambda _: watches}, others={})
    desk = desk_of(declare_row("a", strategy, instruments=(PERP,)))
    log = {USDM: records, "binance-0": [], "coinbase-0": []}
    state, _ = run(desk, received_by(desk, decided_of(log, [2])))
    return [what for _, what in state.strategies.running["a"].state.events]


BOTH = [WatchPrice(PERP, 99.0, 101.0, on, on) for on in ("bid", "ask", "mark")]


@pytest.mark.parametrize("quoted", [(103, 102), (0, 0), (99, 1e13), ("1e60", "2e60")])
def test_a_quote_of_no_market_meets_no_watch(quoted):
    row = quote_frame(USDM, *quoted, at=BEGIN + 5 * S)
    assert watch([row], BOTH) == []
    sound = quote_frame(USDM, 99, 101, at=BEGIN + 5 * S)
    assert watch([row, sound], BOTH) == ["bid 99.0", "ask 101.0"]


def test_of_a_quote_with_an_empty_side_the_other_meets_a_watch():
    assert watch([quote_frame(USDM, 0, 102, at=BEGIN + 5 * S)], BOTH) == ["ask 102.0"]
    assert watch([quote_frame(USDM, 90, 0, at=BEGIN + 5 * S)], BOTH) == ["bid 90.0"]


def test_a_mark_price_that_is_none_meets_no_watch():
    for mark in (0, 1e13):
        assert watch([mark_price_frame(mark, at=BEGIN + 5 * S)], BOTH) == []
    assert watch([mark_price_frame(2000, at=BEGIN + 5 * S)], BOTH) == ["mark 2000.0"]


def see(rows, look, *, reads=("bars",), other_reads=()):
    """Call a function with the context of the last bar of a log of Coinbase."""
    records = [
        (BEGIN + number * S, trade_frame("coinbase-0", number, at=BEGIN + number * S, price=100))
        for number in (1, 2, 3, 4)
    ]
    records[3:3] = [(BEGIN + 3 * S, frame) for frame in rows]
    seen = []

    def see_it(context):
        seen.append(look(context))
        return ()

    strategies = [
        declare_row(name, Scripted(bars=bars, others={}, reads=needs), instruments=(COINBASE,))
        for name, bars, needs in (
            ("a", {3: see_it}, reads),
            ("b", {}, other_reads),
        )
    ]
    desk = desk_of(*strategies)
    log = {"coinbase-0": records, "binance-0": [], USDM: []}
    run(desk, received_by(desk, decided_of(log, [3], strategies)))
    return seen


def test_an_empty_side_has_neither_price_nor_size():
    def look(context):
        return [
            getattr(context, name)(COINBASE)
            for name in ("bid", "ask", "mid", "bid_size", "ask_size", "age_ns")
        ]

    def quote(bid, ask):
        return quote_frame("coinbase-0", bid, ask, at=BEGIN + 3 * S)

    assert see([], look) == [[None, None, None, None, None, 0]]
    assert see([quote(99, 101)], look) == [[99.0, 101.0, 100.0, 2.0, 3.0, 0]]
    assert see([quote(0, 101)], look) == [[None, 101.0, None, None, 3.0, 0]]
    assert see([quote(99, 101), quote(0, 0)], look) == [[None, None, None, None, None, 0]]
    assert see([quote(99, 101), quote(103, 102)], look) == [[99.0, 101.0, 100.0, 2.0, 3.0, 0]]


def test_of_bars_and_features_it_sees_what_its_own_needs_name():
    def look(context):
        return len(context.bars(COINBASE)), len(context.bars(COINBASE, "1s"))

    others = ("bars:3", "bars:2@2s", "sma:2")
    assert see([], look, reads=("bars:2@1s",), other_reads=others) == [(2, 2)]
    for wrong in (
        lambda context: context.bars(COINBASE, "2s"),
        lambda context: context.feature("sma:2", COINBASE),
        lambda context: context.last("nothing"),
    ):
        with pytest.raises(Exception, match=r"in on_bar of strategy a") as caught:
            see([], wrong, reads=("bars:2",), other_reads=others)
        assert isinstance(caught.value.__cause__, ValueError)
