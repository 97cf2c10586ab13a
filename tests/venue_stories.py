"""Random stories of the paper venue for hypothesis: rows, orders, cancels, amendments of a few ids."""

from decimal import Decimal

from hypothesis import strategies as st

from tapeflow.operators.desk.venue.rules import Latency, PaperRules
from tapeflow.schemas.sides import BUY, SELL
from tests.venue_market import amend, cancel, instrument, mark, place, quote, trade, until

PRICES = st.integers(190, 210).map(lambda half: half / 2)
WILD = st.sampled_from([0.0, float("nan"), 5.0, 2_000.0, 1e12])
SIZES = st.one_of(st.integers(1, 9), st.sampled_from([0.5, 2.5, 0, float("nan")]))
LATENCIES = st.builds(Latency, st.integers(0, 6), st.sampled_from([0, 0, 5]))
KINDS = [
    "market", "limit", "limit", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit",
    "trailing",
]  # fmt: skip
TABLE = (
    instrument("A-USD.BINANCE"),
    instrument("B-USD.BINANCE", lot=Decimal(2), min_size=Decimal(2), min_notional=Decimal(300)),
    instrument("C-USD.BINANCE", self_trade="newest"),
    instrument("D-USD.BINANCE", self_trade="oldest", max_size=Decimal(6)),
    instrument("E-USD.BINANCE", self_trade="both"),
)
INSTRUMENTS = st.integers(0, len(TABLE) - 1)

rules = st.builds(
    PaperRules,
    model=st.sampled_from(["trade", "sized", "touch"]),
    share=st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.3")]),
    slip=st.sampled_from([0, 1, 3, None]),
    quote_age_ns=st.sampled_from([5, 20, 1_000]),
    patience_ns=st.sampled_from([None, 10, 40]),
    entry=LATENCIES,
    cancel=LATENCIES,
    answer=LATENCIES,
)


@st.composite
def rows(draw, log_ns, numbers):
    shared = {
        "v": log_ns - draw(st.integers(0, 8)),
        "i": draw(numbers),
    }
    kind = draw(st.sampled_from(["trade", "trade", "trade", "quote", "quote", "mark"]))
    if kind == "mark":
        return mark(log_ns, draw(st.one_of(PRICES, WILD)), **shared)
    shared["same"] = draw(st.sampled_from([False, False, False, True]))
    if kind == "trade":
        event = draw(st.sampled_from([-1, log_ns - 1, log_ns + 5]))
        return trade(log_ns, draw(PRICES), draw(SIZES), event=event, **shared)
    bid = draw(PRICES)
    sides = draw(st.sampled_from(["both", "both", "both", "wild"]))
    ask = bid + draw(st.integers(-1, 6)) / 2 if sides == "both" else draw(WILD)
    if draw(st.integers(0, 9)) == 0:
        bid = draw(WILD)
    shared["row"] = draw(st.integers(0, 1_000_000))  # quotes of one record differ
    return quote(log_ns, bid, ask, draw(SIZES), draw(SIZES), **shared)


@st.composite
def orders(draw, log_ns, numbers, name):
    kind = draw(st.sampled_from(KINDS))
    terms = {"trigger_on": draw(st.sampled_from(["trade", "quote", "mark"]))}
    if kind.endswith("limit"):
        terms["limit"] = draw(PRICES)
        terms["post_only"] = draw(st.integers(0, 4)) == 0
    if kind not in ("market", "limit", "trailing"):
        terms["trigger"] = draw(PRICES)
    if kind == "trailing":
        terms["trail_unit"] = draw(st.sampled_from(["price", "ticks", "bps"]))
        terms["trail"] = draw(st.sampled_from([0, 1, 2.5, 150]))
        terms["activate"] = draw(st.one_of(st.none(), PRICES))
    terms["tif"] = draw(st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK", "GTD", "DAY"]))
    if terms["tif"] == "GTD":
        terms["expire_ns"] = log_ns + draw(st.integers(-3, 40))
    terms["reduce_only"] = draw(st.integers(0, 4)) == 0
    return place(
        log_ns, name, draw(st.sampled_from([BUY, SELL])), draw(st.sampled_from([2, 4, 6, 6, 8, 3])), kind,
        i=draw(numbers), strategy=draw(st.sampled_from(["trend", "trend", "reversion"])), **terms,
    )  # fmt: skip


@st.composite
def changes(draw, log_ns, names):
    name = draw(st.sampled_from(names[-6:] or ["nobody"]))
    if draw(st.booleans()):
        return cancel(log_ns, name)
    return amend(
        log_ns, name, size=draw(st.one_of(st.none(), st.integers(1, 9))),
        limit=draw(st.one_of(st.none(), PRICES)), trigger=draw(st.one_of(st.none(), PRICES)),
    )  # fmt: skip


@st.composite
def stories(draw, most=60):
    """Steps in log order; every order is placed at most once."""
    numbers = st.sampled_from([draw(INSTRUMENTS), draw(INSTRUMENTS)])
    log_ns, placed, steps = 100, [], []
    for _ in range(draw(st.integers(1, most))):
        log_ns += draw(st.sampled_from([0, 0, 1, 1, 2, 3, 8]))
        what = draw(st.sampled_from(["row", "row", "row", "row", "order", "order", "change"]))
        if what == "order":
            placed.append(f"o{len(placed)}")
            steps.append(draw(orders(log_ns, numbers, placed[-1])))
        elif what == "change":
            steps.append(draw(changes(log_ns, placed)))
        else:
            steps.append(draw(rows(log_ns, numbers)))
    return [*steps, until(log_ns + draw(st.sampled_from([0, 30, 1_000])))]
