"""The facts we write: type -> topic -> table. Adding one here is all it takes to keep one.

Bar  -->  topic bars, JSON, key = instrument  and  table bars in results.duckdb
"""

from typing import Any

import msgspec
from msgspec import Struct

from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.market import Bar
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.quality import DeadLetter, LateTrade, Metric, QualityCounts
from tapeflow.schemas.signals import Signal

SCHEMA_VERSION = 1


class FactType(Struct, frozen=True):
    """One kind of fact, and where it is written."""

    type: type
    name: str  # of the Kafka topic
    table: str  # in DuckDB
    key: str  # field that is the record's key: what is in one order there
    identity: tuple[str, ...]  # fields that tell a fact from all others of its kind
    order: tuple[str, ...]  # fields that sort a table of them: the order of the log


ACCOUNT_SEQ = ("account", "seq")  # an account's desk numbers what it says

FACT_TYPES = (
    FactType(
        Bar, "bars", "bars", "instrument", ("instrument", "open_ns", "close_ns"),
        ("log_ns", "partition", "offset", "close_ns", "instrument"),
    ),
    FactType(
        Signal, "signals", "signals", "instrument", ("id",),
        ("time_ns", "partition", "offset", "close_ns", "instrument", "strategy"),
    ),
    FactType(Decision, "decisions", "decisions", "account", ("order_id",), ACCOUNT_SEQ),
    FactType(Order, "orders", "orders", "account", ("id",), ACCOUNT_SEQ),
    FactType(Fill, "fills", "fills", "account", ("id",), ACCOUNT_SEQ),
    FactType(Position, "positions", "positions", "account", ACCOUNT_SEQ, ACCOUNT_SEQ),
    FactType(Equity, "equity", "equity", "account", ACCOUNT_SEQ, ACCOUNT_SEQ),
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
        Metric, "metrics", "metrics", "partition", ("partition", "name", "time_ns"),
        ("time_ns", "partition", "name"),
    ),
)  # fmt: skip
BY_TYPE = {topic.type: topic for topic in FACT_TYPES}


def identity(fact: Struct) -> str:
    """The id of a fact, the same in every run: what a reader of a topic deduplicates by.

    >>> identity(Metric("binance-0", "bars", 60_000_000_000, 3.0))
    'binance-0/bars/60000000000'
    """
    return "/".join(str(getattr(fact, name)) for name in BY_TYPE[type(fact)].identity)


def encode(fact: Struct) -> bytes:
    """A fact as JSON: its fields, and the version of their meaning."""
    return b'{"schema_version":%d,' % SCHEMA_VERSION + msgspec.json.encode(fact)[1:]


def decode(topic: FactType, value: bytes) -> Any:
    """The fact again."""
    return msgspec.json.decode(value, type=topic.type)
