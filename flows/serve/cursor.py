"""The place of a reader in the facts: what it has had, as text that is the id of its last message.

    bars     by partition: offset and close time of the newest, and its log time
    fills    by account: running number        equity    by account: running number

Facts of a partition, and of an account, are committed in this order, so what comes later is
behind the place. A record closes bars in the order of their close times; those that the end of the
log closes at its last record have later ones. A place is as long for any number of instruments.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.schemas.errors import TapeflowError

Row = dict[str, Any]
TEXT_MOST = 16_384  # characters of a place


class BarPlace(Struct, frozen=True, array_like=True):
    """The newest bar of a partition."""

    offset: int
    close_ns: int
    log_ns: int


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


def check_length(cursor: Cursor) -> Cursor:
    """Return a place that `parse` takes back.

    Raises TapeflowError where it names too many accounts.
    """
    if len(cursor.text()) > TEXT_MOST:
        count = len(cursor.fills.keys() | cursor.equity.keys())
        raise TapeflowError(f"{count} accounts are too many to be followed on one page")
    return cursor


def after_bars(cursor: Cursor, *, bounded: bool = False) -> str:
    """Return the condition of bars behind a place.

    `bounded` leaves out old bars of partitions that the place does not name: it lets DuckDB skip
    what has long been read.
    """
    names = ", ".join(map(to_sql, cursor.bars))
    known = [f"({of_partition(name, place, '>', '>')})" for name, place in cursor.bars.items()]
    condition = " OR ".join([*known, f"partition NOT IN ({names})" if names else "true"])
    if not bounded or not cursor.bars:
        return f"({condition})"
    least = min(place.log_ns for place in cursor.bars.values())
    return f"log_time >= make_timestamp_ns({least}) AND ({condition})"


def until_bars(cursor: Cursor) -> str:
    """Return the condition of bars up to a place."""
    parts = [f"({of_partition(name, place, '<', '<=')})" for name, place in cursor.bars.items()]
    return f"({' OR '.join(parts) or 'false'})"


def of_partition(name: str, place: BarPlace, sign: str, sign_at_it: str) -> str:
    """Return the condition of bars of a partition on one side of a place."""
    at_it = f'"offset" = {place.offset} AND epoch_ns(close_time) {sign_at_it} {place.close_ns}'
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
        place = BarPlace(bar["offset"], bar["close_ns"], bar["log_ns"])
        found[bar["partition"]] = further(found.get(bar["partition"]), place)
    return found


def further(one: BarPlace | None, other: BarPlace) -> BarPlace:
    """Return the place of a partition that is behind the other."""
    is_behind = one and (one.offset, one.close_ns) >= (other.offset, other.close_ns)
    return one if one and is_behind else other


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
        bars[name] = further(bars.get(name), place)
    fills, equity = (
        {name: max(low.get(name, -1), high.get(name, -1)) for name in low | high}
        for low, high in ((one.fills, other.fills), (one.equity, other.equity))
    )
    return Cursor(one.generation, bars, fills, equity)
