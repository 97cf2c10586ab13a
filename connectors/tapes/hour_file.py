"""The records of an hour in a file: Arrow streams while it is open, Parquet once it is closed.

    column   type     meaning
    log_ns   int64    log time of the record as it was written, ns since 1970
    offset   int64    number of the record in its partition, one more from row to row
    frame    binary   the record's bytes as they came; empty: a heartbeat

An open hour is a sequence of small Arrow streams, so a snapshot of it is its length in bytes. A
closed file depends on its records alone, not on the pages in which they came: row groups are cut by
number of rows and bytes of frames, from the hour's first record on.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tapeflow.connectors.fsync import sync
from tapeflow.connectors.tapes.archive_layout import unfinished_path
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError

SCHEMA = pa.schema([("log_ns", pa.int64()), ("offset", pa.int64()), ("frame", pa.binary())])
GROUP_ROWS, GROUP_BYTES = 131_072, 32 << 20  # of a row group: rows, and bytes of frames, at most
WRITE_OPEN = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)
WRITE_CLOSED = {
    "compression": "zstd",
    "use_dictionary": False,
    "column_encoding": {"log_ns": "DELTA_BINARY_PACKED", "offset": "DELTA_BINARY_PACKED"},
    "write_statistics": ["log_ns", "offset"],  # of frames they would be copies of frames
}


class Record(NamedTuple):
    """One record of a partition."""

    offset: int
    log_ns: int
    frame: bytes


@contextmanager
def translate_errors(path: Path, verb: str) -> Iterator[None]:
    """Raise errors of a file as a TapeflowError: <path>: cannot be <verb>: <reason>."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise TapeflowError(f"{path}: cannot be {verb}: {reason}") from None


def page_rows(page: Page, begin: int, end: int) -> Any:
    """Return records `begin` to `end` of a page as a RecordBatch of SCHEMA."""
    starts, ends = page.starts[begin:end], page.ends[begin:end]
    offsets = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(ends - starts, out=offsets[1:])
    base = int(starts[0])
    frames = page.data[base : int(ends[-1])].tobytes()
    if len(frames) != offsets[-1]:  # other bytes lie between them, as in a text tape
        bounds = zip((starts - base).tolist(), (ends - base).tolist(), strict=True)
        frames = b"".join(frames[lo:hi] for lo, hi in bounds)
    count = len(starts)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(frames)]
    columns = [
        pa.array(page.stamps[begin:end]),
        pa.array(np.arange(page.first_offset + begin, page.first_offset + end)),
        pa.Array.from_buffers(pa.binary(), count, buffers),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def to_stream(batches: Iterable[Any]) -> memoryview:
    """Return batches of SCHEMA as one Arrow stream, compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=WRITE_OPEN) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return memoryview(sink.getvalue())


def read_open(path: Path) -> Iterator[Any]:
    """Read the batches of an open hour."""
    with pa.OSFile(str(path)) as file:
        while file.tell() < file.size():
            with pa.ipc.open_stream(file) as stream:
                yield from stream


def read_closed(path: Path) -> Iterator[Any]:
    """Read the batches of a closed hour."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_batches()


def last_record(path: Path) -> Record:
    """Read the last record of a closed hour."""
    with translate_errors(path, "read"), pq.ParquetFile(path) as file:
        group = file.read_row_group(file.num_row_groups - 1)
        row = group.slice(len(group) - 1).to_pylist()[0]
    return Record(row["offset"], row["log_ns"], row["frame"])


def row_groups(batches: Iterable[Any]) -> Iterator[Any]:
    """Regroup batches into tables of at most GROUP_ROWS rows and GROUP_BYTES of frames.

    Where they are cut depends on the rows alone. A frame larger than a group gets its own.
    """
    group: list[Any] = []
    rows, room = 0, GROUP_BYTES
    for batch in batches:
        lengths = pc.binary_length(batch.column("frame")).to_numpy()
        reach = np.cumsum(lengths, dtype=np.int64)  # bytes of frames, up to the end of each
        begin = 0
        while begin < len(batch):
            before = int(reach[begin - 1]) if begin else 0
            fits = int(np.searchsorted(reach, before + room, "right"))
            end = min(fits, begin + GROUP_ROWS - rows)
            if end <= begin and rows:
                yield pa.Table.from_batches(group, SCHEMA).combine_chunks()
                group, rows, room = [], 0, GROUP_BYTES
                continue
            end = max(end, begin + 1)
            group.append(batch.slice(begin, end - begin))
            rows, room = rows + end - begin, room - (int(reach[end - 1]) - before)
            begin = end
    if group:
        yield pa.Table.from_batches(group, SCHEMA).combine_chunks()


def write_closed(path: Path, batches: Iterable[Any]) -> None:
    """Write a closed hour under another name, sync and rename it: a reader never finds a part."""
    unfinished = unfinished_path(path)
    with pq.ParquetWriter(unfinished, SCHEMA, **WRITE_CLOSED) as writer:
        for group in row_groups(batches):
            writer.write_table(group, row_group_size=len(group))
    sync(unfinished)
    os.replace(unfinished, path)
    sync(path.parent)
