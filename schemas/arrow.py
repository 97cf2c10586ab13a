"""Facts as Arrow: record batches with the columns of their tables (tables.py)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Struct

from tapeflow.schemas.bar import Bar, OtherBar
from tapeflow.schemas.decimals import SCALE
from tapeflow.schemas.market import Bars
from tapeflow.schemas.tables import as_is, columns

ARROW = {  # pyarrow.DataType by the kind of a column
    "ns": pa.timestamp("ns"),
    "side": pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    str: pa.string(),
    bytes: pa.binary(),
    Decimal: pa.decimal128(38, SCALE),
}

ARROW_OF = {  # by the dtype of an array
    np.dtype(np.int64): pa.int64(),
    np.dtype(np.float64): pa.float64(),
    np.dtype(np.uint8): pa.uint8(),
    np.dtype(np.bool_): pa.bool_(),
}


def to_array(values: npt.NDArray[Any], arrow: Any = None) -> Any:
    """Return an array as a pyarrow.Array of its type, or of another of equal size: not copied.

    pyarrow.array asks numpy.ma and pandas about each array, and imports what is there of them.
    """
    kind = ARROW_OF[values.dtype]
    is_bits = kind == pa.bool_()
    whole = np.packbits(values, bitorder="little") if is_bits else np.ascontiguousarray(values)
    return pa.Array.from_buffers(arrow or kind, len(values), [None, pa.py_buffer(whole)])


def to_record_batch(fact: type, facts: Iterable[Struct]) -> Any:
    """Return facts of one type as a pyarrow.RecordBatch."""
    table = columns(fact)
    read = attrgetter(*(column.field for column in table))
    fields = list(zip(*map(read, facts), strict=True)) or [()] * len(table)
    arrays = [
        pa.array(field if column.value is as_is else map(column.value, field), ARROW[column.kind])
        for column, field in zip(table, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in table])


def bars_to_record_batch(
    partition: str, bars: Bars, instruments: Sequence[str], kind: str = ""
) -> Any:
    """Return bars of a partition as a pyarrow.RecordBatch; `instruments` are the ids by number.

    Those of another kind than the job's width are of `OtherBar`.
    """
    table = columns(OtherBar if kind else Bar)
    arrays_by_field: dict[str, Any] = dict(zip(bars.column_names(), bars.arrays(), strict=True))
    venues = [name.partition(".")[2] for name in instruments]
    numbers = to_array(bars.instrument)
    arrays_by_field["instrument"] = pa.DictionaryArray.from_arrays(numbers, [*instruments])
    arrays_by_field["venue"] = pa.DictionaryArray.from_arrays(numbers, venues)
    only = to_array(np.zeros(len(bars), np.uint8))
    arrays_by_field["partition"] = pa.DictionaryArray.from_arrays(only, [partition])
    arrays_by_field["kind"] = pa.DictionaryArray.from_arrays(only, [kind])
    quoted = bars.quote_values() if kind else {}
    arrays_by_field |= {name: pa.array(values, pa.float64()) for name, values in quoted.items()}
    for column in table:
        values = arrays_by_field[column.field]
        if not isinstance(values, pa.Array):
            arrays_by_field[column.field] = to_array(values, ARROW[column.kind])
    arrays = [arrays_by_field[column.field] for column in table]
    return pa.RecordBatch.from_arrays(arrays, [column.name for column in table])
