"""The columns of a snapshot: ticks that are not released yet, as Arrow IPC; rows by instrument."""

from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from tapeflow.engine.renumbering import GONE, move_rows
from tapeflow.operators.desk.merge import Pending
from tapeflow.schemas.arrow import to_array
from tapeflow.schemas.columns import Columns, Floats, Ints


def to_ipc(kind: type[Columns], pending: Pending) -> bytes:
    """Return the pending rows of a table as one Arrow IPC stream; empty where there are none."""
    if not pending.chunks:
        return b""
    whole = kind.concat(list(pending.chunks)).take(slice(pending.begin, None))
    arrays = [to_array(column) for column in whole.arrays()]
    batch = pa.RecordBatch.from_arrays(arrays, [*kind.column_names()])
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def from_ipc(kind: type[Columns], ipc: bytes, numbers: Ints) -> list[Any]:
    """Return the columns of an Arrow IPC stream as one chunk, or none.

    `numbers` are those of the instruments now, by the number that each had: see renumbering.py.
    """
    if not ipc:
        return []
    table = pa.ipc.open_stream(ipc).read_all()
    ticks: Any = kind(*(column.to_numpy() for column in table.columns))
    ticks = replace(ticks, instrument=numbers[ticks.instrument])
    here = ticks.take(ticks.instrument != GONE)
    return [here] if len(here) else []


def restore_column(column: Ints | Floats, encoded: bytes, numbers: Ints) -> None:
    """Write the rows of a snapshot to a column of as many rows as there are instruments now."""
    rows = np.frombuffer(encoded, column.dtype)
    move_rows(rows.reshape(len(numbers), *column.shape[1:]), numbers, column)
