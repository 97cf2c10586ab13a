"""Draw what happens in a story: records, and what strategies and people ask for at them.

One generator over two sources of choices, those of desk_markets.py: hypothesis, which shrinks, and
a seed, which is fast. Of the options of a choice the first is the simplest.

Prices and sizes are on a coarse grid, and limits are few: so that an order is often exactly at one.
"""

from collections.abc import Sequence
from decimal import Decimal as D
from typing import Any, NamedTuple

from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Leg, Slicing
from tests.desk_markets import Draws
from tests.desk_stories import BTC, A, B, limit
from tests.frames import S
from tests.plain_flow import IDS

CONTROL = "control-0"
PARTITIONS = (A, B, CONTROL)
PERP, COIN = IDS.index("BTC-USDT-PERP.BINANCE-USDM"), IDS.index("BTC-USD.COINBASE")
TRADED = {A: (BTC, PERP), B: (COIN,)}
STRATEGIES = {"a": "main", "b": "main", "c": "other"}  # its account, by strategy
GROUPS = {"coins": frozenset({IDS[BTC], IDS[COIN]})}
SCOPES = (
    "account:main", "portfolio", "strategy:a", "account:other", "strategy:c", "venue:BINANCE",
    f"instrument:{IDS[PERP]}", "group:coins",
)  # fmt: skip
COMMANDED = (*SCOPES[:3],) * 3 + SCOPES
LIMITS: dict[str, Sequence[Any]] = {  # what a limit may be
    "position_max": (D(2), D(1), D(4), D(0)),
    "gross_max": (D(300), D(200), D(500)),
    "size_max": (D(2), D(1)),
    "notional_max": (D(200), D(100), D("150.5")),
    "open_orders_max": (1, 2, 3),
    "orders_max": (2, 1, 5, 6),
}
PRICES = (100, 100, 100, 99, 101, 98, 102)
SIZES = (D(1), D(2), D("0.5"), D(3))
GAPS_S = (0.25, 0.25, 0, 0.5, 1, 2)
ORDERS = ("order",) * 6 + ("bracket", "pair", "slices")
SLICES = (
    Slicing(kind="twap", count=2, every_ns=S),
    Slicing(kind="iceberg", display=D("0.5")),
)
ACTIONS = (
    "halt", "kill", "reduce", "resume", "resume", "resume", "flatten", "flatten", "cancel",
    "restrict", "set-limit", "set-limit",
)  # fmt: skip
HOW = ("signed",) * 10 + ("forged", "again", "old", "early")
KINDS = ("order",) * 4 + ("row",) * 3 + ("change", "command")


class Beat(NamedTuple):
    """A record: its partition, seconds after the one before, and what comes with it."""

    partition: str
    gap_s: float
    row: tuple[str, int, int, int] | None = None  # kind, instrument, price, size
    request: dict[str, Any] | None = None
    command: dict[str, Any] | None = None


class Job(NamedTuple):
    """What a job says of risk and of the paper venue."""

    limits: dict[str, dict[str, Any]]  # by scope and name
    flips: bool
    on_breach: str
    paper: dict[str, Any]


def draw_job(draws: Draws) -> Job:
    """Draw limits of some scopes, and the paper venue; its latencies are in seconds."""
    limits: dict[str, dict[str, Any]] = {}
    for _ in range(draws.pick((0, 1, 2, 3, 5, 8))):
        scope, name = draws.pick(COMMANDED), draws.pick((*LIMITS,))
        limits.setdefault(scope, {})[name] = draws.pick(LIMITS[name])
    paper = {
        "model": draws.pick(("trade", "sized", "touch")),
        "slip": draws.pick((0, None)),
        "entry": draws.pick((0, 0.25)),
        "cancel": draws.pick((0, 0.5)),
        "answer": draws.pick((0, 0, 1.5)),
    }
    return Job(limits, draws.pick((False, True)), draws.pick(("refuse", "resize")), paper)


def draw_beat(draws: Draws) -> Beat:
    """Draw a record: a row of the market, which strategies may answer, or a command."""
    kind, gap_s = draws.pick(KINDS), draws.pick(GAPS_S)
    if kind == "command":
        return Beat(CONTROL, gap_s, command=draw_command(draws))
    partition = draws.pick((A, A, B))
    if kind == "change":
        return Beat(partition, gap_s, request=draw_change(draws))
    code = draws.pick(TRADED[partition])
    row = (draws.pick(("trade", "trade", "quote")), code, draws.pick(PRICES), draws.pick((5, 1, 2)))
    return Beat(partition, gap_s, row, draw_order(draws, code) if kind == "order" else None)


def draw_terms(draws: Draws) -> Terms:
    """Draw the terms of an order."""
    kind, price = (
        draws.pick(("market",) * 4 + ("limit",) * 4 + ("stop", "take")),
        draws.pick(PRICES),
    )
    if kind == "stop":
        return Terms(type="stop", trigger=D(price))
    if kind == "take":
        return Terms(type="take_profit_limit", trigger=D(price), limit=D(price))
    reduces = draws.pick((False,) * 5 + (True,))
    if kind == "market":
        return Terms(reduce_only=reduces)
    return limit(price, tif=draws.pick(("GTC", "GTC", "IOC")), reduce_only=reduces)


def draw_order(draws: Draws, code: int) -> dict[str, Any]:
    """Draw an order, alone or with its exits, with another entry, or in slices."""
    kind, side = draws.pick(ORDERS), draws.pick((BUY, BUY, SELL))
    fields: dict[str, Any] = {
        "do": kind,
        "strategy": draws.pick(("a", "a", "b", "c")),
        "i": code,
        "side": side,
        "size": draws.pick(SIZES),
        "terms": draw_terms(draws),
    }
    if kind == "bracket":
        prices = draws.pick(((101, 99), (99,), (102,), (98, 102)))
        fields["exits"] = tuple(Leg(-side, draws.pick(SIZES), limit(price)) for price in prices)
    elif kind == "pair":
        other = Leg(draws.pick((BUY, SELL)), draws.pick(SIZES), draw_terms(draws))
        fields |= {"others": (other,), "entry_rule": draws.pick(("OCO", "OUO", ""))}
    elif kind == "slices":
        fields["slicing"] = draws.pick(SLICES)
    return fields


def draw_change(draws: Draws) -> dict[str, Any]:
    """Draw a cancel or an amendment of one of the orders before it."""
    fields = {"do": draws.pick(("amend", "amend", "cancel")), "order": draws.pick(range(12))}
    if fields["do"] == "amend":
        fields |= {"size": draws.pick((*SIZES, None)), "limit": draws.pick((None, *PRICES))}
    return fields


def draw_command(draws: Draws) -> dict[str, Any]:
    """Draw a command, who signs it, and what is wrong with it."""
    fields: dict[str, Any] = {
        "do": draws.pick(ACTIONS),
        "scope": draws.pick(COMMANDED),
        "who": draws.pick(("alice", "alice", "bob")),
        "how": draws.pick(HOW),
    }
    if fields["do"] == "restrict":
        fields["side"] = draws.pick(("buy", "sell", "both", "none"))
    elif fields["do"] == "set-limit":
        fields |= {
            "limit": draws.pick((*LIMITS,)),
            "value": draws.pick(("1", "2", "200", "300", "301")),
        }
    return fields
