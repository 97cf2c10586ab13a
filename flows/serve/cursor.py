"""The place of a reader in the facts: what it has had, as text that is the id of its last message.

    bars     by partition: log time and offset of the newest, and the bars at just that offset
    fills    by account: running number        equity    by account: running number

Facts of a partition, and of an account, are committed in this order, so what comes later is
behind the place. At the end of a log bars close at its last record: several commits can have one
offset, hence the bars at it by name.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from tapeflow.connectors.duckdb.reading import to_sql

Row = dict[str, Any]
TEXT_MOST = 16_384  # characters of a place that a client sends
BAR_KEY = "instrument || '@' || epoch_ns(close_time)"


class BarPlace(Struct, frozen=True, array_like=True):
    """The newest bars of a partition."""

    log_ns: int
    offset: int
    keys: tuple[str, ...]  # of the bars at that offset


class Cursor(Struct, frozen=True):
    """What a reader has had of the facts of one generation."""

    generation: int = 0  # when the first run of the results started, ns
    bars: dict[str, BarPlace] = {}
    fills: dict[str, int] = {}
    equity: dict[str, int] = {}

    def text(self) -> str:
        """Return it as one line."""
        return msgspec.json.encode(self).decode()


def parse(text: str) -> Cursor:
    """Return the place that a client names.

    Raises ValueError where it is none.
    """
    if len(text) > TEXT_MOST:
        raise ValueError("too long")
    return msgspec.json.decode(text, type=Cursor)


def after_bars(cursor: Cursor, *, bounded: bool = False) -> str:
    """Return the condition of bars behind a place.

    `bounded` leaves out old bars of partitions that the place does not name: it lets DuckDB skip
    what has long been read.
    """
    names = ", ".join(map(to_sql, cursor.bars))
    known = [f"({of_partition(name, place, '>', 'NOT IN')})" for name, place in cursor.bars.items()]
    condition = " OR ".join([*known, f"partition NOT IN ({names})" if names else "true"])
    if not bounded or not cursor.bars:
        return f"({condition})"
    least = min(place.log_ns for place in cursor.bars.values())
    return f"log_time >= make_timestamp_ns({least}) AND ({condition})"


def until_bars(cursor: Cursor) -> str:
    """Return the condition of bars up to a place."""
    parts = [f"({of_partition(name, place, '<', 'IN')})" for name, place in cursor.bars.items()]
    return f"({' OR '.join(parts) or 'false'})"


def of_partition(name: str, place: BarPlace, sign: str, member: str) -> str:
    """Return the condition of bars of a partition on one side of a place."""
    keys = ", ".join(map(to_sql, place.keys)) or "''"
    at_it = f'"offset" = {place.offset} AND {BAR_KEY} {member} ({keys})'
    return f'partition = {to_sql(name)} AND ("offset" {sign} {place.offset} OR ({at_it}))'


def after_seq(places: dict[str, int]) -> str:
    """Return the condition of facts of accounts behind their numbers."""
    parts = [f"(account = {to_sql(name)} AND seq > {seq})" for name, seq in places.items()]
    names = ", ".join(map(to_sql, places))
    return f"({' OR '.join([*parts, f'account NOT IN ({names})' if names else 'true'])})"


def until_seq(places: dict[str, int]) -> str:
    """Return the condition of facts of accounts up to their numbers."""
    parts = [f"(account = {to_sql(name)} AND seq <= {seq})" for name, seq in places.items()]
    return f"({' OR '.join(parts) or 'false'})"


def advance_bars(places: dict[str, BarPlace], bars: Iterable[Row]) -> dict[str, BarPlace]:
    """Return the places behind more bars."""
    found = dict(places)
    for bar in bars:
        place, key = found.get(bar["partition"]), f"{bar['instrument']}@{bar['close_ns']}"
        if place is None or bar["offset"] > place.offset:
            found[bar["partition"]] = BarPlace(bar["log_ns"], bar["offset"], (key,))
        elif bar["offset"] == place.offset:
            found[bar["partition"]] = BarPlace(place.log_ns, place.offset, (*place.keys, key))
    return found


def advance_seq(places: dict[str, int], rows: Iterable[Row]) -> dict[str, int]:
    """Return the numbers behind more facts of accounts."""
    found = dict(places)
    for row in rows:
        found[row["account"]] = max(row["seq"], found.get(row["account"], row["seq"]))
    return found


def furthest(one: Cursor, other: Cursor) -> Cursor:
    """Return the place behind all that either of two has had, of one generation."""
    bars = dict(one.bars)
    for name, place in other.bars.items():
        known = bars.get(name)
        if known is None or (place.offset, len(place.keys)) > (known.offset, len(known.keys)):
            bars[name] = place
    fills, equity = (
        {name: max(low.get(name, -1), high.get(name, -1)) for name in low | high}
        for low, high in ((one.fills, other.fills), (one.equity, other.equity))
    )
    return Cursor(one.generation, bars, fills, equity)
