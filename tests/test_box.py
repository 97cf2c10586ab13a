"""The strategies in the box: the right answer in scenarios that are worked out by hand."""

from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace

import duckdb
import pytest

from tapeflow import (
    BUY,
    SELL,
    AmendOrder,
    CancelOrder,
    Leg,
    SetTimer,
    Submit,
    Target,
    Terms,
    TimerEvent,
    WatchPrice,
)
from tapeflow.connectors.synthetic.market import Market, write_tapes
from tapeflow.flows.job import declared, settings
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.kinds import BOX, box_kinds
from tapeflow.strategies.arbitrage import Arbitrage
from tapeflow.strategies.breakout import Breakout
from tapeflow.strategies.market_maker import MarketMaker
from tapeflow.strategies.mean_reversion import MeanReversion
from tapeflow.strategies.pairs import FLAT, Pairs
from tapeflow.strategies.trend import Trend
from tapeflow.strategies.twap import Twap
from tests.running import ROOT, replay
from tests.venue_market import instrument

A, B = "A-USD.BINANCE", "B-USD.COINBASE"
D = Decimal


@dataclass
class Scene:
    """A context of which a test says what is in it; two instruments, tick 0.5, lot 1."""

    features: dict = field(default_factory=dict)
    held: dict = field(default_factory=dict)
    quotes: dict = field(default_factory=dict)
    working: list = field(default_factory=list)
    sizes: dict = field(default_factory=lambda: {A: D(10), B: D(5)})
    time_ns: int = 1_000
    instruments: tuple = (A, B)

    def feature(self, name, of):
        return self.features.get(name)

    def holding(self, name):
        return self.held.get(name, D(0))

    def orders(self, name=None):
        return [each for each in self.working if name in (None, each.instrument)]

    def size(self, name):
        return self.sizes.get(name)

    def instrument(self, name):
        return instrument(name)

    def bid(self, name):
        return self.quotes.get(name, (None, None))[0]

    def ask(self, name):
        return self.quotes.get(name, (None, None))[1]

    def mid(self, name):
        return sum(self.quotes[name]) / 2 if name in self.quotes else None

    def age_ns(self, name):
        return 0 if name in self.quotes else None


def bar(close, name=A, open_=100.0):
    return SimpleNamespace(instrument=name, close=close, open=open_)


def test_every_kind_in_the_box_has_its_file():
    assert set(box_kinds()) == BOX.keys()


def test_the_job_of_the_box_has_a_row_of_each_kind():
    job = settings.load(ROOT / "jobs" / "strategies.toml", {})
    rows = declared.strategies(job, instrument_table(job))
    assert {row.kind for row in rows} == BOX.keys()


# --- trend, mean reversion, breakout ----------------------------------------------------------


@pytest.mark.parametrize(
    ("fast", "slow", "held", "size"),
    [
        (101, 100, 0, 10),  # above: long
        (99, 100, 0, -10),  # below: short
        (101, 100, 10, None),  # long already
        (101, 100, 3, None),  # a part of it is the same direction
        (99, 100, 10, -10),  # turns
        (100, 100, 10, None),  # neither
        (None, 100, 0, None),  # before the warm-up
    ],
)
def test_trend_is_in_the_direction_of_the_cross(fast, slow, held, size):
    scene = Scene({"ema:12": fast, "ema:26": slow}, {A: D(held)})
    targets = [each.size for each in Trend().on_bar(None, bar(100.0), scene)]
    assert targets == ([] if size is None else [D(size)])


def test_trend_of_one_way_is_flat_where_it_would_be_short():
    scene = Scene({"ema:12@1m": 99, "ema:26@1m": 100}, {A: D(10)})
    (target,) = Trend(bars="1m", both_ways=False).on_bar(None, bar(100.0), scene)
    assert target.size == 0


@pytest.mark.parametrize(
    ("score", "held", "size"),
    [
        (2.5, 0, -10),
        (-2.5, 0, 10),
        (1.9, 0, None),
        (4.5, 0, None),  # beyond the stop: no entry
        (1.0, -10, None),
        (0.4, -10, 0),  # back
        (4.5, -10, 0),  # stopped
        (None, -10, None),
    ],
)
def test_mean_reversion_enters_far_and_leaves_near_or_too_far(score, held, size):
    scene = Scene({"z:60": score}, {A: D(held)})
    targets = [each.size for each in MeanReversion().on_bar(None, bar(100.0), scene)]
    assert targets == ([] if size is None else [D(size)])


def test_settings_that_make_no_sense_are_refused():
    for make in (
        lambda: Trend(fast=26, slow=12),
        lambda: MeanReversion(exit=3.0),
        lambda: Twap(parts=0),
    ):
        with pytest.raises(ValueError, match=r"above 0|does not hold"):
            make()


def test_breakout_enters_beyond_the_channel_before_this_bar_with_a_trailing_stop():
    strategy, scene = Breakout(), Scene()
    state = strategy.start()

    def follow(close, upper, lower):
        scene.features = {"donchian.upper:20": upper, "donchian.lower:20": lower, "atr:14": 1.6}
        return list(strategy.on_bar(state, bar(close), scene))

    assert follow(100.0, 101.0, 99.0) == []  # no channel before it
    assert follow(101.0, 101.0, 99.0) == []  # at its edge
    (up,) = follow(102.0, 102.0, 99.0)  # above 101, its own high is 102
    stop = Terms(type="trailing", trail=D("3.0"))  # 2 * 1.6 on ticks of 0.5
    assert (up.side, up.size, up.exits) == (BUY, D(10), (Leg(SELL, D(10), stop),))
    scene.working = [SimpleNamespace(instrument=A)]
    assert follow(103.0, 103.0, 99.0) == []  # it waits for its order
    scene.working = []
    (down,) = follow(98.0, 103.0, 98.0)
    assert (down.side, down.exits[0].side) == (SELL, BUY)


# --- pairs, arbitrage -------------------------------------------------------------------------


def test_pairs_sell_the_dear_leg_and_buy_the_cheap_one_until_they_are_back():
    strategy, scene = Pairs(window=4), Scene()
    state = strategy.start()

    def follow(first, second, name=A):
        scene.quotes = {A: (first - 1, first + 1), B: (second - 1, second + 1)}
        targets = strategy.on_bar(state, bar(first, name), scene)
        return [(each.instrument, each.size) for each in targets]

    for first in (100, 101, 100, 101):
        assert follow(first, 200) == []  # not enough ratios
    assert follow(110, 200, B) == []  # a bar of the second: not measured
    assert follow(110, 200) == [(A, D(-10)), (B, D(5))]  # the first is dear
    assert follow(109, 200) == [(A, D(-10)), (B, D(5))]  # what is missing is asked for again
    assert state.wanted == (D(-10), D(5))
    for _ in range(3):
        back = follow(104, 200)
    assert back == [(A, D(0)), (B, D(0))]
    assert state.wanted == FLAT


def test_pairs_of_three_are_refused():
    with pytest.raises(ValueError, match="pairs trade two instruments, not 3"):
        list(Pairs().on_bar(Pairs().start(), bar(1.0), Scene(instruments=(A, B, "C"))))


def test_arbitrage_takes_both_quotes_where_they_are_crossed_beyond_its_costs():
    strategy = Arbitrage(cost_bps=100.0, most=3)
    scene = Scene(quotes={A: (99.0, 100.0), B: (102.0, 103.0)}, instruments=(A, B))
    buy, sell = strategy.on_bar(None, bar(100.0), scene)
    assert (buy.instrument, buy.side, buy.size) == (A, BUY, D(5))  # the smaller size of both
    assert (sell.instrument, sell.side, sell.size) == (B, SELL, D(5))
    assert buy.terms == Terms(type="limit", limit=D("100.0"), tif="IOC")
    assert sell.terms == Terms(type="limit", limit=D("102.0"), tif="IOC")
    scene.working = [SimpleNamespace(instrument=A)]
    assert list(strategy.on_bar(None, bar(100.0), scene)) == []  # one leg is under way
    scene.working, scene.held = [], {A: D(15)}
    assert list(strategy.on_bar(None, bar(100.0), scene)) == []  # it holds enough


def test_arbitrage_waits_for_the_price_that_would_be_worth_it():
    scene = Scene(quotes={A: (99.0, 100.0), B: (100.0, 101.0)})
    watches = list(Arbitrage(cost_bps=100.0).on_bar(None, bar(100.0), scene))
    assert watches == [
        WatchPrice(A, below=100 / 1.01, on="ask", name="cheap"),
        WatchPrice(A, above=101.0, on="bid", name="dear"),
        WatchPrice(B, below=100 / 1.01, on="ask", name="cheap"),
        WatchPrice(B, above=101.0, on="bid", name="dear"),
    ]


# --- market making, execution -----------------------------------------------------------------


def quotes_of(scene, **changes):
    """The requests of a market maker but its watch."""
    strategy = MarketMaker(half_spread_bps=100.0, skew_bps=50.0, most=2, **changes)
    watch, *quotes = strategy.on_bar(None, bar(100.0), scene)
    assert watch == WatchPrice(A, below=99 * (1 - 1e-4), above=99 * (1 + 1e-4), on="bid")
    return quotes


def limit_of(price):
    return Terms(type="limit", limit=D(price), post_only=True)


def working(order_id, side, limit, pending=""):
    return SimpleNamespace(id=order_id, instrument=A, side=side, limit=D(limit), pending=pending)


def test_a_market_maker_quotes_around_the_mid_and_below_it_where_it_is_long():
    scene = Scene(quotes={A: (99.0, 101.0)})
    assert quotes_of(scene) == [
        Submit(A, BUY, D(10), limit_of("99.0")),
        Submit(A, SELL, D(10), limit_of("101.0")),
    ]
    scene.held = {A: D(10)}  # one size: 50 bps lower
    assert quotes_of(scene) == [
        Submit(A, BUY, D(10), limit_of("98.5")),
        Submit(A, SELL, D(10), limit_of("100.5")),
    ]


def test_a_market_maker_amends_what_it_has_and_cancels_what_would_be_too_much():
    scene = Scene(quotes={A: (99.0, 101.0)})
    scene.working = [working("b", BUY, "98.0"), working("s", SELL, "101.0")]
    assert quotes_of(scene) == [AmendOrder("b", limit=D("99.0"))]
    scene.working = [working("b", BUY, "98.0", "AMEND"), working("s", SELL, "101.0")]
    assert quotes_of(scene) == []
    scene.held, scene.working = {A: D(20)}, [working("b", BUY, "98.0")]
    cancel, sell = quotes_of(scene)
    assert (cancel, sell.side) == (CancelOrder("b"), SELL)


def test_a_market_maker_never_quotes_through_the_touch():
    scene = Scene(quotes={A: (99.0, 101.0)}, held={A: D(-20)})  # center 101: its bid 100
    (buy,) = [each for each in quotes_of(scene) if each.side == BUY]
    assert buy.terms.limit == D("100.0")
    scene.quotes, scene.sizes = {A: (99.0, 99.5)}, {A: D(10)}
    assert all(each.terms.limit in (D("99.0"), D("99.5")) for each in quotes_of(scene))


def test_twap_asks_for_equal_parts_at_equal_times():
    strategy, scene = Twap(target=D(-9), parts=3, every=60), Scene()
    state = strategy.start()
    assert list(strategy.on_bar(state, bar(100.0), scene)) == [
        Target(A, D(-3)),
        SetTimer(1_060, A),
    ]
    assert list(strategy.on_bar(state, bar(100.0), scene)) == []  # it has begun
    scene.time_ns = 1_060
    timer = TimerEvent(A, 1_060, 1_060)
    assert list(strategy.on_timer(state, timer, scene)) == [Target(A, D(-6)), SetTimer(1_120, A)]
    scene.time_ns = 1_120
    assert list(strategy.on_timer(state, timer, scene)) == [Target(A, D(-9))]


# --- prices and sizes as an order can have them -----------------------------------------------


@pytest.mark.parametrize(
    ("price", "rounded"),
    [(100.24, "100.0"), (100.26, "100.5"), (D("100.25"), "100.0"), (0.1, "0.5")],
)
def test_a_price_is_rounded_to_the_nearest_tick_and_is_at_least_one(price, rounded):
    assert instrument(A).round_price(price) == D(rounded)


@pytest.mark.parametrize(("size", "floored"), [(1.9, 1), (D("-1.9"), -1), (0.9, 0)])
def test_a_size_is_floored_toward_zero(size, floored):
    assert instrument(A).floor_size(size) == floored


def test_what_is_no_number_is_no_price_and_no_size():
    for method in (instrument(A).round_price, instrument(A).floor_size):
        with pytest.raises(ValueError, match="nan is no"):
            method(float("nan"))


@pytest.mark.slow
def test_the_job_of_the_box_trades_with_all_of_them(tmp_path):
    write_tapes(Market(seconds=300, rate=300), tmp_path / "tapes")
    job = settings.load(ROOT / "jobs" / "strategies.toml", {})
    one = replay(tmp_path / "tapes", tmp_path / "one.duckdb", job)
    with duckdb.connect(str(tmp_path / "one.duckdb"), read_only=True) as results:
        filled = results.sql("SELECT DISTINCT strategy FROM fills").fetchall()
    assert {name for (name,) in filled} == BOX.keys()
    assert replay(tmp_path / "tapes", tmp_path / "two.duckdb", job, workers=2) == one
