"""DuckDB tables, derived from the types of the facts. As Arrow, facts are in arrow.py.

open_ns: Ns    ->  open_time TIMESTAMP_NS      side: Side  ->  side VARCHAR, BUY or SELL
time_ns: Ns    ->  time TIMESTAMP_NS           price: Decimal -> price DECIMAL(38,12)
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Struct

from tapeflow.schemas.decimals import SCALE
from tapeflow.schemas.sides import side_name


class Column(Struct, frozen=True):
    """One column of a table."""

    name: str
    field: str  # of the fact
    kind: Any  # of the field: a key in KINDS
    sql: str
    value: Callable[[Any], Any]  # converts the field to what is stored


def as_is(value: Any) -> Any:
    """Return the value as it is."""
    return value


KINDS: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    "ns": ("TIMESTAMP_NS", as_is),
    "side": ("VARCHAR", side_name),
    int: ("BIGINT", as_is),
    float: ("DOUBLE", as_is),
    bool: ("BOOLEAN", as_is),
    str: ("VARCHAR", as_is),
    bytes: ("BLOB", as_is),
    Decimal: (f"DECIMAL(38,{SCALE})", as_is),
}


@cache
def columns(fact: type) -> tuple[Column, ...]:
    """Return the columns of the table of a type of fact."""
    return tuple(
        Column(column_name(field, kind), field, kind, *KINDS[kind])
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
        return field.removesuffix("_")  # of what is a word of Python: return_
    stem = field.removesuffix("_ns")
    return stem if stem.endswith("time") else f"{stem}_time"


def ddl(table: str, fact: type, extra_columns: Sequence[str] = ()) -> str:
    """Return the CREATE TABLE statement of a type of fact, with extra columns at the end."""
    lines = [f'"{column.name}" {column.sql}' for column in columns(fact)]
    return f"CREATE TABLE {table} ({', '.join((*lines, *extra_columns))})"
