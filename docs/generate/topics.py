"""topics.md: every Kafka topic, from the registry of facts and the venues."""

from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from docs.generate.markdown import NOTE, code, join, table
from tapeflow.schemas.orders import Fill
from tapeflow.schemas.registry import FACT_TYPES, SCHEMA_VERSION, FactType, encode, identity
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.venues import VENUES

RAW = """\
## Raw topics

One for each venue: `[kafka] raw_prefix` and the venue's name. A record is one frame as the venue sent it, or empty: a
heartbeat; its timestamp is the log time. `tapeflow load --pack` puts many frames into one record
([decision 7](../decisions/0007-packed-records.md)). Partition `n` of a topic is the partition `<venue>-<n>` of the log."""
FACTS = f"""\
## Fact topics

One for each type of fact: `[kafka] fact_prefix` and the name below, one partition each. A fact is written at least once:
drop duplicates by the header `id`, which holds the fields under *identity* with `/` between them and is the same in every run.
The value is JSON with the fields of the type and `schema_version` ({SCHEMA_VERSION})."""
JSON = {
    "ns": "whole number, ns since 1970 UTC",
    "side": "`1` BUY, `-1` SELL",
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    bytes: "text, base64",
    Decimal: "text, an exact decimal",
}
EXAMPLE = Fill(
    seq=17,
    id="7b0f6e2d9c1a4f58",
    order_id="2f41c07be95d6a30",
    account="main",
    strategy="trend",
    instrument="BTC-USD.COINBASE",
    side=BUY,
    price=Decimal("91478.28"),
    size=Decimal("0.1"),
    fee=Decimal("4.573914"),
    fee_currency="USD",
    liquidity="TAKER",
    log_ns=1767603643552950000,
    event_ns=1767603643550000000,
    trade_id=815001,
    partition="coinbase-0",
    offset=1204,
)


def page() -> str:
    """Return the page."""
    raw = [(code(f"raw.{name}"), code(f"{name}-0"), code(f"*.{name.upper()}")) for name in VENUES]
    facts = [
        (
            code(fact.topic),
            f"[{fact.type.__name__}](#{fact.type.__name__.lower()})",
            code(fact.key),
            code(", ".join(fact.identity)),
            f"[{fact.table}](tables.md#{fact.table})",
        )
        for fact in FACT_TYPES
    ]
    value = encode(EXAMPLE).decode().replace(",", ", ").replace(":", ": ")
    return join(
        "# Topics",
        NOTE,
        RAW,
        table(("topic", "its first partition", "its instruments"), raw),
        FACTS,
        table(("topic", "type", "record key", "identity", "table"), facts),
        f"A fill, with the header `id` = `{identity(EXAMPLE)}`:",
        f"```json\n{value}\n```",
        "What the fields mean is written with [the tables](tables.md); times are named `time_ns` here, `time` there.",
        *map(fields, FACT_TYPES),
    )


def fields(fact: FactType) -> str:
    """Return the fields of a fact and how each is written in JSON."""
    hints = get_type_hints(fact.type, include_extras=True)
    rows = [(code(name), json_text(hint)) for name, hint in hints.items()]
    return f"### {fact.type.__name__}\n\n{table(('field', 'JSON'), rows)}"


def json_text(hint: Any) -> str:
    """Return how a value is written in JSON."""
    if get_origin(hint) is Annotated:
        return JSON[get_args(hint)[1]]
    members = get_args(hint)
    if NoneType in members:
        return f"{json_text(members[0])}, or null"
    return JSON[hint]
