"""The objects of a frame, as the scanner's tables need them.

{"stream":"..","data":{"e":"trade","s":"BTCUSDT",..}}      path (), then ("data",)
                      ^ a row: its defaults, then its fields, each read by an action
"""

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.decode.guards import Path, require_scannable
from tapeflow.operators.decode.layout import (
    COUNTED,
    FIRST_ID_AT,
    INSTRUMENT_AT,
    IS_BOOLEAN,
    IS_CHOICE,
    IS_DECIMAL,
    IS_DECIMAL_OR_NONE,
    IS_EPOCH,
    IS_EPOCH_OR_NONE,
    IS_INTEGER,
    IS_INTEGER_TEXT,
    IS_MILLIS,
    IS_RFC3339,
    IS_SIGNED_OR_NONE,
    IS_SYMBOL,
    NEWEST_FIRST,
    NO_ROWS,
    NOTHING,
    REFUSE,
    ROWS,
    SKIP,
    UNREAD,
    UNUSED,
)
from tapeflow.operators.decode.rows import FLOAT_DEFAULTS, FLOATS, INT_DEFAULTS, INTS
from tapeflow.schemas.venues.dialect import FIRST_ID, Channel, Field, Kind, Shape

ACTIONS = {
    Kind.LITERAL: IS_CHOICE,  # a choice of one
    Kind.PRESENT: SKIP,
    Kind.ABSENT: REFUSE,
    Kind.SYMBOL: IS_SYMBOL,
    Kind.INTEGER: IS_INTEGER,
    Kind.INTEGER_TEXT: IS_INTEGER_TEXT,
    Kind.DECIMAL: IS_DECIMAL,
    Kind.DECIMAL_OR_NONE: IS_DECIMAL_OR_NONE,
    Kind.EPOCH: IS_EPOCH,
    Kind.MILLIS: IS_MILLIS,
    Kind.RFC3339: IS_RFC3339,
    Kind.BOOLEAN: IS_BOOLEAN,
    Kind.CHOICE: IS_CHOICE,
    Kind.SIGNED_OR_NONE: IS_SIGNED_OR_NONE,
    Kind.EPOCH_OR_NONE: IS_EPOCH_OR_NONE,
}
COLUMNS = {name: at for at, name in enumerate((*INTS, *FLOATS), INSTRUMENT_AT)}
DEFAULTS = dict(
    zip(
        COLUMNS,
        (*INT_DEFAULTS, *np.array(FLOAT_DEFAULTS).view(np.int64).tolist()),
        strict=True,
    )
)  # as 64 bits, by the column's name


class ObjectContext(Struct, frozen=True):
    """The path of an object in a frame, and what it inherits from the objects that enclose it."""

    path: Path
    absent: set[Path]  # see guards()
    defaults: dict[int, int]  # column -> bits that a row begins with; empty: it holds no rows
    filled: tuple[str, ...]  # columns that the enclosing objects fill
    in_array: bool

    def inside(self, name: str, *, in_array: bool = False) -> "ObjectContext":
        """Return the context of the object under this key."""
        return replace(self, path=(*self.path, name), in_array=self.in_array or in_array)

    def with_columns(self, fields: dict[str, Field]) -> "ObjectContext":
        """Add the columns that these fields fill, for the objects inside."""
        own = [each.column for each in fields.values() if each.kind > Kind.ABSENT and each.column]
        filled = (*self.filled, *own)
        require_scannable(len(set(filled)) == len(filled), "a column filled twice")
        return replace(self, filled=filled)

    def forbidden(self) -> list[str]:
        """List the keys that must not be here."""
        return sorted(path[-1] for path in self.absent if path[:-1] == self.path)


def column_of(field: Field) -> int:
    """Return the number of the column that a field fills, UNUSED if it fills none."""
    if field.kind <= Kind.ABSENT:
        return UNUSED
    return FIRST_ID_AT if field.column == FIRST_ID else COLUMNS.get(field.column, UNUSED)


def rows_of(channel: Channel) -> int:
    """Return HAS_ROWS of a channel's plan."""
    return UNREAD if channel.unread else (ROWS if channel.table else NO_ROWS)


def finish_of(channel: Channel, columns: list[int], *, in_array: bool) -> int:
    """Return FINISH of a channel's plan, whose entries fill these columns."""
    if FIRST_ID_AT not in columns:
        return NEWEST_FIRST if channel.newest_first else NOTHING
    require_scannable(not in_array, "trades to count in an array")
    return COUNTED


def row_defaults(channel: Channel) -> dict[int, int]:
    """Return the default of each column of a channel's table, as 64 bits, by column number."""
    if channel.table is None:
        return {INSTRUMENT_AT: DEFAULTS["instrument"]} if channel.unread else {}
    bits = DEFAULTS | {"verdict": channel.verdict}
    names = [name for name in channel.table.column_names() if name in COLUMNS]
    return {COLUMNS[name]: bits[name] for name in names}


def fields_of(shape: Shape) -> dict[str, Field]:
    """Return the fields of an object by key, without objects and arrays nested in it."""
    return {name: part for name, part in shape.items() if isinstance(part, Field)}


def is_required(field: Field) -> bool:
    """Return whether its key must be there, or else the strict reader reads the frame."""
    return field.kind in (Kind.LITERAL, Kind.PRESENT) or not (
        field.kind is Kind.ABSENT or (field.optional and not field.usual)
    )
