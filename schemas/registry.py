"""The types of facts, and the topic and table of each. A new type needs only an entry here.

Bar  -->  topic bars, JSON, key = instrument  and  table bars in results.duckdb
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from tapeflow.schemas.accounts import Decision, Equity, Funding, Position
from tapeflow.schemas.bar import Bar, OtherBar
from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.quality import (
    DeadLetter,
    Gap,
    LateTrade,
    Metric,
    OpenCounts,
    QualityCounts,
    UnlistedSymbol,
)
from tapeflow.schemas.signals import Signal
from tapeflow.schemas.states import StateChange
from tapeflow.schemas.variants import Variant, VariantInterval

SCHEMA_VERSION = 2


class FactType(Struct, frozen=True):
    """One kind of fact, and where it is written."""

    type: type[Struct]
    topic: str  # its name in Kafka, without the prefix
    table: str  # in DuckDB
    key: str  # field that keys its Kafka records; records of one key stay in order
    identity: tuple[str, ...]  # fields that identify one fact of this type
    order: tuple[str, ...]  # fields that sort a table of them: the order of the log
    # part of the digest; kinds that came later are not always, so that it stays the same
    digested: Literal["always", "with rows", "never"] = "always"


ACCOUNT_SEQ = ("account", "seq")  # the desk numbers the facts of an account

FACT_TYPES = (
    FactType(
        Bar, "bars", "bars", "instrument", ("instrument", "open_ns", "close_ns"),
        ("log_ns", "partition", "offset", "close_ns", "instrument"),
    ),
    FactType(
        OtherBar, "other-bars", "other_bars", "instrument",
        ("kind", "instrument", "open_ns", "close_ns"),
        ("log_ns", "partition", "offset", "close_ns", "kind", "instrument"),
        digested="with rows",
    ),
    FactType(
        Signal, "signals", "signals", "instrument", ("id",),
        ("time_ns", "partition", "offset", "close_ns", "instrument", "strategy", "id"),
    ),
    FactType(Decision, "decisions", "decisions", "account", ("order_id",), ACCOUNT_SEQ),
    FactType(Order, "orders", "orders", "account", ("id",), ACCOUNT_SEQ),
    FactType(
        OrderEvent, "order-events", "order_events", "account", ACCOUNT_SEQ, ACCOUNT_SEQ,
        digested="with rows",
    ),
    FactType(
        Command, "commands", "commands", "account", ACCOUNT_SEQ, ACCOUNT_SEQ,
        digested="with rows",
    ),
    FactType(Fill, "fills", "fills", "account", ("id",), ACCOUNT_SEQ),
    FactType(Position, "positions", "positions", "account", ACCOUNT_SEQ, ACCOUNT_SEQ),
    FactType(Equity, "equity", "equity", "account", ACCOUNT_SEQ, ACCOUNT_SEQ),
    FactType(
        Funding, "funding", "funding", "account", ACCOUNT_SEQ, ACCOUNT_SEQ, digested="with rows"
    ),
    FactType(
        StateChange, "states", "states", "scope", ("seq",), ("seq",), digested="with rows"
    ),
    FactType(
        ControlCommand, "control", "control", "id", ("partition", "offset"),
        ("time_ns", "partition", "offset"), digested="with rows",
    ),
    FactType(
        LateTrade, "late-trades", "late_trades", "instrument",
        ("partition", "offset", "instrument", "trade_id"),
        ("log_ns", "partition", "offset", "instrument", "trade_id"),
    ),
    FactType(
        DeadLetter, "dead-letters", "dead_letters", "partition", ("partition", "offset"),
        ("log_ns", "partition", "offset"),
    ),
    FactType(
        QualityCounts, "data-quality", "data_quality_minutes", "partition",
        ("partition", "instrument", "time_ns"), ("time_ns", "partition", "instrument"),
    ),
    FactType(
        Gap, "gaps", "gaps", "partition", ("partition", "offset", "instrument", "first_id"),
        ("log_ns", "partition", "offset", "instrument", "first_id"), digested="with rows",
    ),
    FactType(
        Metric, "metrics", "metrics", "partition", ("partition", "name", "time_ns"),
        ("time_ns", "partition", "name"),
    ),
    FactType(
        UnlistedSymbol, "unlisted", "unlisted_minutes", "partition",
        ("partition", "symbol", "time_ns"), ("time_ns", "partition", "symbol"), digested="never",
    ),
)  # fmt: skip
BY_TYPE = {kind.type: kind for kind in FACT_TYPES}
# A table besides those of facts: in no topic and no digest, and emptied at the next start.
OPEN_MINUTES = "data_quality_open"
# Nor are those of a sweep facts: they say what many runs would have made.
SWEEP_TABLES: dict[type, str] = {Variant: "variants", VariantInterval: "variant_intervals"}
TABLES: dict[type, str] = {kind.type: kind.table for kind in FACT_TYPES} | {
    OpenCounts: OPEN_MINUTES,
    **SWEEP_TABLES,
}


def identity(fact: Struct) -> str:
    """Return the id of a fact, equal in every run: a reader of a topic deduplicates by it.

    >>> identity(Metric("binance-0", "bars", 60_000_000_000, 3.0))
    'binance-0/bars/60000000000'
    """
    return "/".join(str(getattr(fact, name)) for name in BY_TYPE[type(fact)].identity)


def encode(fact: Struct) -> bytes:
    """Return a fact as JSON: its fields, and the version of the schema."""
    return b'{"schema_version":%d,' % SCHEMA_VERSION + msgspec.json.encode(fact)[1:]


def decode(kind: FactType, value: bytes) -> Any:
    """Return the fact that `encode` wrote.

    Raises TapeflowError where a number is null: one that was not finite.
    """
    try:
        return msgspec.json.decode(value, type=kind.type)
    except msgspec.ValidationError as error:
        raise TapeflowError(
            f"a fact of topic {kind.topic} cannot be compared with its row: {error}: JSON has no "
            "infinite numbers, which `[market] any_price` lets in"
        ) from None
