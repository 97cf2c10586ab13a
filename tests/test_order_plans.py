"""How a strategy trades, from the job to the intent: prices, sizes, and what is refused."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job import portfolio, wiring
from tapeflow.flows.job import settings as job_settings
from tapeflow.flows.job.declared import strategies
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.operators.strategies.order_plan import make_intent, make_terms
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.order_plans import OrderPlan
from tapeflow.schemas.orders import MARKET
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Signal
from tests.frames import S

NOW = 1_000 * S
BTC, PERP = "BTC-USDT.BINANCE", "BTC-USDT-PERP.BINANCE-USDM"
BASE = """
[market]
mark_prices = {marks}

[[accounts]]
name = "main"
position_max = 100
gross_max = 1000000
orders_max = 100
orders_window = "1s"

[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.1" }}
"BTC-USDT-PERP.BINANCE-USDM" = {{ tick = "0.1", lot = "0.1" }}

[[strategies]]
name = "s"
kind = "ema_cross"
account = "main"
size = "{size}"
instruments = ["{instrument}"]
"""


def load(folder, text, *, size="1", instrument=BTC, marks="false"):
    """Return a job whose only strategy has these keys more."""
    path = folder / "job.toml"
    path.write_text(BASE.format(size=size, instrument=instrument, marks=marks) + text)
    return job_settings.load(path, {})


def load_strategies(folder, text, **fields):
    """Return the strategy, the instrument and the settings of the desk of such a job."""
    job = load(folder, text, **fields)
    table = instrument_table(job)
    wiring.validate(job)
    (strategy,) = strategies(job, table)
    return (
        strategy,
        table.get(fields.get("instrument", BTC)),
        portfolio.desk_settings(job, table, ()),
    )


def signal(side, ref_price=100.0):
    return Signal("id", "s", BTC, NOW, side, 1.0, "bar", NOW, ref_price, "binance-0", 0)


def intent(folder, text, side=BUY, ref_price=100.0, **fields):
    strategy, instrument, _ = load_strategies(folder, text, **fields)
    return make_intent(strategy, signal(side, ref_price), instrument)


def refusal(folder, text, **fields):
    """Return the line by which a job is refused."""
    with pytest.raises(UsageError) as raised:
        wiring.validate(load(folder, text, **fields))
    assert "\n" not in str(raised.value)
    return str(raised.value)


# --- prices ---------------------------------------------------------------------------------------


def test_a_strategy_that_declares_nothing_sends_market_orders(tmp_path):
    assert intent(tmp_path, "") == Intent("main", signal(BUY), Decimal(1))


@pytest.mark.parametrize(
    ("order", "side", "expected"),
    [
        ('type = "limit", limit_bps = 5', BUY, {"limit": "100.05"}),
        ('type = "limit", limit_bps = 5', SELL, {"limit": "99.95"}),
        ('type = "limit", limit_bps = -5', BUY, {"limit": "99.95"}),
        ('type = "limit", limit_bps = -5', SELL, {"limit": "100.05"}),
        ('type = "limit", limit_bps = 0', SELL, {"limit": "100"}),
        ('type = "stop", trigger_bps = 20', BUY, {"trigger": "100.20"}),
        ('type = "stop", trigger_bps = 20', SELL, {"trigger": "99.80"}),
        ('type = "take_profit", trigger_bps = -20', BUY, {"trigger": "99.80"}),
        ('type = "take_profit", trigger_bps = -20', SELL, {"trigger": "100.20"}),
        (
            'type = "stop_limit", trigger_bps = 100, limit_bps = 100',
            BUY,
            {"trigger": "101", "limit": "102.01"},
        ),
        (
            'type = "take_profit_limit", trigger_bps = -100, limit_bps = -100',
            SELL,
            {"trigger": "101", "limit": "102.01"},
        ),
        ('type = "trailing", trail_bps = 30', BUY, {"trail": "30"}),
        ('type = "trailing", trail_ticks = 7, after_bps = 10', BUY, {"activate": "99.90"}),
        ('type = "trailing", trail_price = "0.5", after_bps = 10', SELL, {"activate": "100.10"}),
    ],
)
def test_prices_are_so_much_worse_for_the_order_than_the_reference(tmp_path, order, side, expected):
    terms = intent(tmp_path, f"order = {{ {order} }}", side).terms
    names = ("limit", "trigger", "activate", "trail")
    found = {name: getattr(terms, name) for name in names if getattr(terms, name) is not None}
    for name, price in expected.items():
        assert found.pop(name) == Decimal(price)
    assert set(found) <= {"trail"}


def test_a_trail_keeps_its_unit(tmp_path):
    for key, unit in (("trail_bps", "bps"), ("trail_ticks", "ticks"), ("trail_price", "price")):
        terms = intent(tmp_path, f'order = {{ type = "trailing", {key} = 3 }}').terms
        assert (terms.trail, terms.trail_unit) == (3, unit)


def test_a_lifetime_counts_from_the_decision(tmp_path):
    text = 'order = { type = "limit", limit_bps = 0, tif = "GTD", lifetime = "30s" }'
    terms = intent(tmp_path, text).terms
    assert (terms.tif, terms.expire_ns) == ("GTD", NOW + 30 * S)


BPS = st.decimals(-9_999, 9_999, places=3).filter(bool)
PRICES = st.decimals("0.00000001", 10**6, places=8).filter(lambda price: price > 0)
TICKS = st.sampled_from([Decimal(each) for each in ("0.01", "0.05", "0.00000001", "0.25", "3")])


@settings(max_examples=400, deadline=None)
@given(BPS, PRICES, TICKS, st.sampled_from([BUY, SELL]))
def test_prices_in_ticks_are_never_more_aggressive_than_declared(bps, price, tick, side):
    """A limit is at most as bad as declared, a trigger at least as far; both within a tick."""
    exact = price * (1 + side * bps / 10_000)
    limit = make_terms(OrderPlan("limit", limit_bps=bps), side, price, tick, 0).limit
    kind = "stop" if bps > 0 else "take_profit"
    trigger = make_terms(OrderPlan(kind, trigger_bps=bps), side, price, tick, 0).trigger
    assert limit % tick == trigger % tick == 0
    assert limit >= tick <= trigger
    if limit > tick:
        assert side * (limit - exact) <= 0
        assert abs(limit - exact) < tick
    if trigger > tick:  # a stop triggers beyond it, a take profit on the other side
        away = side if kind == "stop" else -side
        assert away * (trigger - exact) >= 0
        assert abs(trigger - exact) < tick


def test_an_offset_below_a_tick_is_none_or_one_tick(tmp_path):
    text = 'order = { type = "limit", limit_bps = "BPS" }'
    for bps, limit in (("0.5", "100"), ("-0.5", "99.99"), ("0.0001", "100")):
        assert intent(tmp_path, text.replace("BPS", bps)).terms.limit == Decimal(limit)
    (stop,) = intent(tmp_path, 'exits = [{ type = "stop", at_bps = "0.01" }]').exits
    assert stop.terms.trigger == Decimal("99.99"), "never at the price of the entry itself"


@pytest.mark.parametrize("price", [float("inf"), float("nan"), 1e300, 0.0, -5.0, 1e-300])
def test_a_price_that_is_none_gives_orders_all_the_same_for_the_risk_checks(tmp_path, price):
    text = 'order = { type = "limit", limit_bps = 5 }\nexits = [{ type = "stop", at_bps = 9 }]'
    made = intent(tmp_path, text, ref_price=price)
    for each in (made.terms.limit, made.exits[0].terms.trigger):
        assert 0 < each < 10**13
        assert each % Decimal("0.01") == 0


# --- exits ----------------------------------------------------------------------------------------

EXITS = """
exits = [
    { type = "limit", at_bps = 100, share = "0.5" },
    { type = "take_profit", at_bps = 200, share = "0.25" },
    { type = "stop", at_bps = 50 },
    { type = "stop_limit", at_bps = 50, limit_bps = 10 },
    { type = "trailing", trail_bps = 80, after_bps = 30 },
]
"""


@pytest.mark.parametrize("side", [BUY, SELL])
def test_exits_are_of_the_other_side_into_profit_and_loss(tmp_path, side):
    made = intent(tmp_path, EXITS, side)
    assert {each.side for each in made.exits} == {-side}
    target, touched, stop, limited, trailing = (each.terms for each in made.exits)
    assert target.limit == 100 + side
    assert touched.trigger == 100 + 2 * side
    assert stop.trigger == limited.trigger == 100 - side * Decimal("0.5")
    worse = limited.trigger * (1 - side * Decimal("0.001"))
    assert 0 <= side * (limited.limit - worse) < Decimal("0.01"), "rounded to what is better"
    assert trailing.activate == 100 + side * Decimal("0.3")
    assert [each.size for each in made.exits] == [Decimal(each) for each in ("0.5", "0.2", 1, 1, 1)]


@pytest.mark.parametrize(
    ("order", "entry"),
    [
        ("", "100"),
        ('order = { type = "limit", limit_bps = -100 }', "99"),
        ('order = { type = "limit", limit_bps = 100 }', "100"),  # it takes at what there is
        ('order = { type = "stop", trigger_bps = 100 }', "101"),
        ('order = { type = "stop_limit", trigger_bps = 100, limit_bps = 50 }', "101"),
        ('order = { type = "take_profit", trigger_bps = -100 }', "99"),
        ('order = { type = "trailing", trail_bps = 100 }', "100"),
    ],
)
def test_exits_are_measured_from_the_price_for_which_the_entry_waits(tmp_path, order, entry):
    made = intent(tmp_path, f'{order}\nexits = [{{ type = "limit", at_bps = 1000 }}]')
    assert made.exits[0].terms.limit == Decimal(entry) * Decimal("1.1")


def test_a_rule_links_the_exits(tmp_path):
    two = 'exits = [{ type = "limit", at_bps = 9 }, { type = "stop", at_bps = 9 }]\n'
    assert intent(tmp_path, two).exit_rule == "OUO"
    assert intent(tmp_path, two + 'exit_rule = "OCO"').exit_rule == "OCO"


# --- slices ---------------------------------------------------------------------------------------


def test_slices_are_as_declared(tmp_path):
    twap = 'slices = { kind = "twap", count = 5, every = "10s", jitter = "2s" }'
    slicing = intent(tmp_path, twap).slicing
    assert (slicing.kind, slicing.count, slicing.every_ns, slicing.jitter_ns) == (
        "twap",
        5,
        10 * S,
        2 * S,
    )
    iceberg = (
        'order = { type = "limit", limit_bps = 0 }\nslices = { kind = "iceberg", display = "0.2" }'
    )
    made = intent(tmp_path, iceberg)
    assert made.slicing.display == made.terms.display == Decimal("0.2")


@pytest.mark.parametrize("share", ["0.1", "1"])
def test_the_desk_is_sent_bars_only_where_an_order_follows_them(tmp_path, share):
    text = f'slices = {{ kind = "participation", share = "{share}" }}'
    strategy, _, desk = load_strategies(tmp_path, text)
    assert (strategy.slicing.share, desk.reads_bars) == (Decimal(share), True)
    assert not load_strategies(tmp_path, 'slices = { kind = "twap", count = 2, every = "1s" }')[
        2
    ].reads_bars


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("", False),
        ('order = { type = "limit", limit_bps = 5 }', False),
        ('order = { type = "stop", trigger_bps = 5 }', True),
        ('exits = [{ type = "limit", at_bps = 5 }]', False),
        ('exits = [{ type = "trailing", trail_bps = 5 }]', True),
    ],
)
def test_orders_with_triggers_meet_every_quote_even_by_trades_and_the_logs_clock(
    tmp_path, text, every
):
    pinned = '\n[paper]\nmodel = "trade"\nclock = "log"\n[results]\nquotes = false\n'
    assert load_strategies(tmp_path, text + pinned)[2].sees_every_quote is every


# --- what is refused at the door ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('order = { typ = "limit" }', "order.typ is no setting: did you mean type?"),
        ('order = { type = "limit", limitbps = 1 }', "limitbps is no setting: did you mean limit_bps?"),
        ('exits = [{ type = "stop", at_bp = 1 }]', "exits.0.at_bp is no setting: did you mean at_bps?"),
        ('slices = { kind = "twap", counts = 1 }', "slices.counts is no setting: did you mean count?"),
        ('order = { type = "limit" }', "order: a limit order needs limit_bps"),
        ('order = { type = "stop" }', "a stop order needs trigger_bps"),
        ('order = { type = "stop_limit", trigger_bps = 1 }', "a stop_limit order needs limit_bps"),
        ('order = { type = "trailing" }', "a trailing stop needs one of trail_bps, trail_ticks"),
        ('order = { type = "trailing", trail_bps = 1, trail_ticks = 1 }', "needs one of trail_bps"),
        ("order = { limit_bps = 5 }", "limit_bps is of limit, stop_limit, take_profit_limit, not of"),
        ("order = { post_only = true }", "post_only is of limit, stop_limit, .*, not of a market"),
        ('order = { type = "stop", trigger_bps = 1, post_only = true }', "not of a stop order"),
        ('order = { trigger_on = "quote" }', "trigger_on is of stop, .*, not of a market order"),
        ('order = { type = "limit", limit_bps = 1, after_bps = 1 }', "after_bps is of trailing, not"),
        ('order = { tif = "GTD" }', "GTD.* and lifetime belong together"),
        ('order = { lifetime = "5s" }', "GTD.* and lifetime belong together"),
        ('order = { tif = "GTD", lifetime = "0s" }', "greater than 0"),
        ('order = { tif = "GTD", lifetime = 5 }', "5 is no duration"),
        (
            'order = { type = "limit", limit_bps = 1, post_only = true, tif = "IOC" }',
            "post_only never takes, IOC only takes",
        ),
        ('order = { type = "stop", trigger_bps = -5 }', "above 0, .* did you mean take_profit"),
        ('order = { type = "stop", trigger_bps = 0 }', "trigger_bps of a stop is above 0"),
        ('order = { type = "take_profit", trigger_bps = 5 }', "below 0, .* did you mean stop"),
        ('order = { type = "limit", limit_bps = -10000 }', "order.limit_bps: .*greater than -10000"),
        ('order = { type = "limit", limit_bps = "nan" }', "order.limit_bps: "),
        ('order = { type = "limit", limit_bps = "1e-13" }', "order.limit_bps: .* decimals"),
        ('exits = [{ type = "market" }]', "exits.0.type: "),
        ('exits = [{ type = "stop" }]', "a stop exit needs at_bps"),
        ('exits = [{ type = "stop", at_bps = 0 }]', "exits.0.at_bps: .*greater than 0"),
        ('exits = [{ type = "stop", at_bps = 1, limit_bps = 1 }]', "limit_bps is of stop_limit, take"),
        ('exits = [{ type = "trailing", at_bps = 1, trail_bps = 1 }]', "at_bps is of limit, .*not of"),
        ('exits = [{ type = "limit", at_bps = 1, trigger_on = "mark" }]', "trigger_on is of stop"),
        ('exits = [{ type = "limit", at_bps = 1, share = "1.1" }]', "share: .*less than or equal to 1"),
        ('exits = [{ type = "limit", at_bps = 1, share = "0.05" }]', "exits.0 would close less than"),
        ('exit_rule = "OCO"', "exit_rule links exits, and there are none"),
        ('exits = [{ type = "stop", at_bps = 1 }]\nexit_rule = "OCO"', "and there is one"),
        (
            'exits = [{ type = "stop", at_bps = 1 }, { type = "limit", at_bps = 1, share = "0.5" }]\n'
            'exit_rule = "OCO"',
            'each must close all: .* or write "OUO"',
        ),
        (
            'order = { reduce_only = true }\nexits = [{ type = "stop", at_bps = 1 }]',
            "a reduce_only order opens nothing",
        ),
        ('slices = { kind = "twap", count = 5 }', "slices: twap needs every"),
        ('slices = { kind = "twap", count = 5, every = "1s", share = "0.1" }', "share is of partic"),
        ('slices = { kind = "twap", count = 1, every = "1s" }', "slices.count: .*greater"),
        ('slices = { kind = "twap", count = 5, every = "1s", jitter = "1s" }', "jitter must be below"),
        ('slices = { kind = "twap", count = 11, every = "1s" }', "more than the lots in 1 BTC-USDT"),
        ('slices = { kind = "twap", count = 3, every = "36500d" }', "after more than 36500d"),
        ('order = "limit"', r"order: write a table: \{ key = value"),
        ('exits = { type = "stop", at_bps = 1 }', r"exits: write a list: \["),
        ('slices = { kind = "participation", share = 2 }', "slices.share: "),
        ('slices = { kind = "iceberg", display = "0.2" }', "an iceberg rests in the book: it needs a"),
        (
            'order = { type = "limit", limit_bps = 1, tif = "FOK" }\n'
            'slices = { kind = "iceberg", display = "0.2" }',
            "an iceberg rests in the book: it needs a limit order without IOC or FOK",
        ),
        (
            'order = { type = "limit", limit_bps = 1 }\nslices = { kind = "iceberg", display = 2 }',
            "display 2 is above the size 1",
        ),
        (
            'order = { type = "limit", limit_bps = 1 }\nslices = { kind = "iceberg", display = "0.15" }',
            "slices.display 0.15 is no multiple of the lot 0.1",
        ),
        (
            'order = { type = "stop", trigger_bps = 1 }\nslices = { kind = "twap", count = 2, every = "1s" }',
            "slices are of a market or limit order, not of a stop order",
        ),
        (
            'order = { tif = "GTD", lifetime = "9s" }\nslices = { kind = "twap", count = 10, every = "1s" }',
            "the last slice would come after the lifetime",
        ),
        (
            'order = { type = "stop", trigger_bps = 1, trigger_on = "mark" }',
            f"no mark prices of {BTC} are read that could trigger an order: write another",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path, text, line):
    found = refusal(tmp_path, text)
    assert "strategies." in found
    assert re.search(line, found), found


@pytest.mark.parametrize("place", ["order", "exits"])
def test_a_trigger_needs_prices_that_are_read(tmp_path, place):
    stop = f'type = "stop", {"trigger" if place == "order" else "at"}_bps = 1, trigger_on = "mark"'
    text = f"order = {{ {stop} }}" if place == "order" else f"exits = [{{ {stop} }}]"
    assert "set [market] mark_prices, or write" in refusal(tmp_path, text, instrument=PERP)
    assert "order: write another trigger_on" in refusal(tmp_path, text, marks="true")
    load_strategies(tmp_path, text, instrument=PERP, marks="true")
    quotes = text.replace('"mark"', '"quote"')
    load_strategies(tmp_path, quotes)
    only_trades = '\n[channels]\nbinance = ["trade"]\n'
    assert "no quote prices of BTC-USDT.BINANCE are read" in refusal(tmp_path, quotes + only_trades)


def test_an_order_must_live_until_it_is_at_the_venue(tmp_path):
    text = 'order = {{ type = "limit", limit_bps = 1, tif = "GTD", lifetime = "{}" }}'
    line = refusal(tmp_path, text.format("250ms"))
    assert "the lifetime 250ms of an order ends before it is at the venue" in line
    load_strategies(tmp_path, text.format("251ms"))
    load_strategies(tmp_path, text.format("250ms") + '\n[paper]\nlatency = "100ms"\n')


def test_what_a_strategy_declares_is_read_again_as_it_was_written(tmp_path):
    order = 'order = { type = "trailing", trail_bps = 5, tif = "GTD", lifetime = "1m" }\n'
    job = load(tmp_path, order + EXITS + 'exit_rule = "OUO"')
    again = type(job).model_validate(job.model_dump(mode="json"))
    assert again.in_folder(job.folder) == job
    assert job.strategies[0].order.lifetime == 60 * S


def test_market_orders_share_their_terms(tmp_path):
    """No object more for what most orders are."""
    assert intent(tmp_path, "").terms is MARKET
    twap = 'slices = { kind = "twap", count = 2, every = "1s" }'
    assert intent(tmp_path, twap).terms is MARKET
    assert intent(tmp_path, 'exits = [{ type = "stop", at_bps = 1 }]').terms == MARKET
