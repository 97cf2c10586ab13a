"""Arrow schemas and DuckDB tables, derived from the types of the facts.

open_ns: Ns    ->  open_time TIMESTAMP_NS      side: Side  ->  side VARCHAR, BUY or SELL
time_ns: Ns    ->  time TIMESTAMP_NS           price: Decimal -> price DECIMAL(38,12)
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
from msgspec import Struct

from tapeflow.schemas.decimals import SCALE
from tapeflow.schemas.market import BUY, Bar, Bars


class Column(Struct, frozen=True):
    """One column of a table."""

    name: str
    field: str  # of the fact
    arrow: Any  # pyarrow.DataType
    sql: str
    value: Callable[[Any], Any]  # converts the field to what is stored


def as_is(value: Any) -> Any:
    """Return the value as it is."""
    return value


def side_name(side: int) -> str:
    """Return BUY or SELL as text.

    >>> side_name(-1)
    'SELL'
    """
    return "BUY" if side == BUY else "SELL"


KINDS: dict[Any, tuple[Any, str, Callable[[Any], Any]]] = {
    "ns": (pa.timestamp("ns"), "TIMESTAMP_NS", as_is),
    "side": (pa.string(), "VARCHAR", side_name),
    int: (pa.int64(), "BIGINT", as_is),
    float: (pa.float64(), "DOUBLE", as_is),
    bool: (pa.bool_(), "BOOLEAN", as_is),
    str: (pa.string(), "VARCHAR", as_is),
    bytes: (pa.binary(), "BLOB", as_is),
    Decimal: (pa.decimal128(38, SCALE), f"DECIMAL(38,{SCALE})", as_is),
}


@cache
def columns(fact: type) -> tuple[Column, ...]:
    """Return the columns of the table of a type of fact."""
    return tuple(
        Column(column_name(field, kind), field, *KINDS[kind])
        for field, hint in get_type_hints(fact, include_extras=True).items()
        if (kind := kind_of(hint)) is not None
    )


def kind_of(hint: Any) -> Any:
    """Return the key in KINDS of a field: its unit where it has one, else its type."""
    if get_origin(hint) is Annotated:
        return get_args(hint)[1]
    inner = next((each for each in get_args(hint) if each is not NoneType), None)
    return hint if inner is None else kind_of(inner)


def column_name(field: str, kind: Any) -> str:
    """Return the name of a field's column: times lose their unit, a TIMESTAMP_NS has it.

    >>> column_name("open_ns", "ns"), column_name("time_ns", "ns"), column_name("price", Decimal)
    ('open_time', 'time', 'price')
    """
    if kind != "ns":
        return field
    stem = field.removesuffix("_ns")
    return stem if stem.endswith("time") else f"{stem}_time"


def ddl(table: str, fact: type, extra_columns: Sequence[str] = ()) -> str:
    """Return the CREATE TABLE statement of a type of fact, with extra columns at the end."""
    lines = [f'"{column.name}" {column.sql}' for column in columns(fact)]
    return f"CREATE TABLE {table} ({', '.join((*lines, *extra_columns))})"


def to_record_batch(fact: type, facts: Iterable[Struct]) -> Any:
    """Return facts of one type as a pyarrow.RecordBatch."""
    table = columns(fact)
    read = attrgetter(*(column.field for column in table))
    fields = list(zip(*map(read, facts), strict=True)) or [()] * len(table)
    arrays = [
        pa.array(field if column.value is as_is else map(column.value, field), column.arrow)
        for column, field in zip(table, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in table])


def bars_to_record_batch(partition: str, bars: Bars, instruments: Sequence[str]) -> Any:
    """Return bars of a partition as a pyarrow.RecordBatch; `instruments` are the ids by number."""
    table = columns(Bar)
    arrays_by_field: dict[str, Any] = dict(zip(bars.column_names(), bars.arrays(), strict=True))
    venues = [name.partition(".")[2] for name in instruments]
    arrays_by_field["instrument"] = pa.DictionaryArray.from_arrays(bars.instrument, [*instruments])
    arrays_by_field["venue"] = pa.DictionaryArray.from_arrays(bars.instrument, venues)
    arrays_by_field["partition"] = pa.DictionaryArray.from_arrays(
        np.zeros(len(bars), np.int8), [partition]
    )
    for column in table:
        if not isinstance(arrays_by_field[column.field], pa.Array):
            arrays_by_field[column.field] = pa.array(arrays_by_field[column.field], column.arrow)
    arrays = [arrays_by_field[column.field] for column in table]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in table])
