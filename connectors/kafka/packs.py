"""The format of a pack, a Kafka record that holds many frames: writing and reading.

    offset    0       1       2                3       4
    record    plain   plain   pack="1 2 500"   plain   pack="1 503 480"
    frames    0       1       2 ... 501        502     503 ... 982

pack    = header pack="<version> <number of the first frame> <frames>" | timestamp and header ns
          as in a plain record: the log time of the last frame | value
value   = an Arrow stream of one batch with columns log_ns and frame, compressed by Arrow
numbers = count of the partition's frames before this one; a plain record holds one frame and does
          not carry its number

The log time is that of the last frame, so that retention deletes no frame too early, and a search
by time finds the record that holds the first frame at or after that time.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from tapeflow.connectors.kafka.frames import (
    NS_HEADER,
    KafkaPartition,
    Record,
    check_times,
    log_times,
)
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, NS_PER_MS

PACK_HEADER = "pack"
VERSION = 1
PACK_HEADER_RE = re.compile(rb"1 (\d{1,18}) ([1-9]\d{0,8})")
SCHEMA = pa.schema([("log_ns", pa.int64()), ("frame", pa.binary())])
PACK_BYTES = 1_000_000  # before compression: a broker takes 1,048,588 by default, uncompressed
FRAME_BYTES = 12  # of a frame in addition to its own: its log time and where it ends
READ_OPTIONS = pa.ipc.IpcReadOptions(use_threads=False)
WRITE_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)


class PackHeader(NamedTuple):
    """The header of a pack: which frames of its partition it holds."""

    first: int  # number of the first one
    frames: int  # how many


class Pack(NamedTuple):
    """The frames of a pack, one after the other."""

    log_ns: Ints  # (frames,) log times
    offsets: Ints  # (frames + 1,) where each begins in `data`, and the last one ends
    data: Any  # buffer of their bytes


def parse_pack_header(
    partition: KafkaPartition, message: Message, headers: Any
) -> PackHeader | None:
    """Return which frames a pack holds; None for a plain record.

    Raises TapeflowError for a malformed header.
    """
    values = dict(headers or ())
    if PACK_HEADER not in values:
        return None
    match = PACK_HEADER_RE.fullmatch(values[PACK_HEADER] or b"")
    if match is None:
        raise TapeflowError(
            f"{partition}: the record at offset {message.offset()} has header "
            f"pack={values[PACK_HEADER]!r}; it should be '{VERSION} <first frame> <frames>'"
        )
    return PackHeader(int(match[1]), int(match[2]))


def read_pack(
    partition: KafkaPartition, message: Message, headers: Any, header: PackHeader
) -> Pack:
    """Read the frames of a pack.

    Raises TapeflowError, with the reason, where the pack is damaged or not as its header says.
    """
    record_ns = int(log_times(partition, [message], [headers])[0])
    try:
        pack = decode_pack(message.value() or b"")
        log_ns = pack.log_ns
        if len(log_ns) != header.frames:
            raise ValueError(f"it holds {len(log_ns)} frames, but its header says {header.frames}")
        if log_ns.min() < LOG_MIN_NS or log_ns.max() >= LOG_MAX_NS:
            raise ValueError("it has a log time that is not from 2000 to 2199")
        if log_ns[-1] != record_ns:
            raise ValueError(
                f"its last frame has log time {log_ns[-1]}, but the record has {record_ns}: is the "
                "topic set to message.timestamp.type=LogAppendTime? It must be CreateTime"
            )
    except (ValueError, OSError, pa.ArrowException) as error:
        line = str(error).partition("\n")[0]
        raise TapeflowError(
            f"{partition}: the pack at offset {message.offset()} is damaged: {line}"
        ) from None
    return pack


def page_of_packs(partition: str, first: int, packs: Sequence[Pack]) -> Page:
    """Lay packs that follow each other out as one page that begins with frame `first`."""
    data = np.frombuffer(b"".join((*(pack.data for pack in packs), bytes(PADDING))), np.uint8)
    begins = np.cumsum([0, *(pack.offsets[-1] for pack in packs)])
    offsets = [pack.offsets + begin for pack, begin in zip(packs, begins[:-1], strict=True)]
    return Page(
        partition,
        first,
        np.concatenate([pack.log_ns for pack in packs]),
        np.concatenate([bounds[:-1] for bounds in offsets]),
        np.concatenate([bounds[1:] for bounds in offsets]),
        data,
    )


def decode_pack(value: bytes) -> Pack:
    """Decode a record's value; ValueError or an Arrow error where it has another form."""
    with pa.ipc.open_stream(value, options=READ_OPTIONS) as stream:
        if (stream.schema.names, stream.schema.types) != (SCHEMA.names, SCHEMA.types):
            columns = ", ".join(f"{field.name} {field.type}" for field in stream.schema)
            raise ValueError(f"its columns are {columns}, not log_ns int64 and frame binary")
        batches = list(stream)
    if len(batches) != 1:
        raise ValueError(f"it holds {len(batches)} batches, not one")
    batch = batches[0]
    batch.validate(full=True)
    log_ns, frame = batch.columns
    for name, column in zip(SCHEMA.names, batch.columns, strict=True):
        if column.null_count:
            raise ValueError(f"a {name} is null")
    count = len(batch)
    _, ends, text = frame.buffers()
    times = np.frombuffer(log_ns.buffers()[1], np.int64, count).copy()
    offsets = np.frombuffer(ends, np.int32, count + 1).astype(np.int64)
    data = b"" if text is None else memoryview(text)[offsets[0] : offsets[-1]]
    return Pack(times, offsets - offsets[0], data)


class Packer:
    """Collects the frames of one partition until they fill a pack."""

    def __init__(self, first: int) -> None:
        """Begin with frame number `first`."""
        self.next_frame = first  # number of the first frame that is in no pack yet
        self.log_ns: list[Ints] = []
        self.lengths: list[Ints] = []
        self.frames: list[bytes] = []
        self.free_bytes = PACK_BYTES

    def add(self, page: Page) -> Iterator[Record]:
        """Add the frames of a page; yield the packs that became full.

        A frame that alone exceeds PACK_BYTES gets a pack of its own.
        """
        if not len(page.log_ns):
            return
        check_times(page)
        lengths = page.ends - page.starts
        total_bytes = np.cumsum(lengths + FRAME_BYTES)
        begin = 0
        while begin < len(lengths):
            before = int(total_bytes[begin - 1]) if begin else 0
            end = int(np.searchsorted(total_bytes, before + self.free_bytes, "right"))
            if end <= begin and self.log_ns:
                yield from self.finish()
                continue
            end = max(end, begin + 1)
            self.log_ns.append(page.stamps[begin:end])
            self.lengths.append(lengths[begin:end])
            self.frames.append(frame_bytes(page, begin, end))
            self.free_bytes -= int(total_bytes[end - 1]) - before
            begin = end

    def finish(self) -> Iterator[Record]:
        """Yield the frames collected so far as one pack, if there are any."""
        if self.log_ns:
            log_ns, lengths = np.concatenate(self.log_ns), np.concatenate(self.lengths)
            first, self.next_frame = self.next_frame, self.next_frame + len(log_ns)
            yield encode_pack(first, log_ns, lengths, b"".join(self.frames))
        self.log_ns, self.lengths, self.frames, self.free_bytes = [], [], [], PACK_BYTES


def frame_bytes(page: Page, begin: int, end: int) -> bytes:
    """Return frames [begin, end) of a page without the bytes that may lie between them."""
    base = int(page.starts[begin])
    data = page.data[base : int(page.ends[end - 1])].tobytes()
    bounds = (page.starts[begin:end] - base).tolist(), (page.ends[begin:end] - base).tolist()
    return b"".join(map(data.__getitem__, map(slice, *bounds)))


def encode_pack(first: int, log_ns: Ints, lengths: Ints, frames: bytes) -> Record:
    """Encode frames, of which the first has number `first`, as one record."""
    count = len(log_ns)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(frames)]
    arrays = [pa.array(log_ns), pa.Array.from_buffers(pa.binary(), count, buffers)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=WRITE_OPTIONS) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    time_ms, rest_ns = divmod(int(log_ns[-1]), NS_PER_MS)
    headers = [(PACK_HEADER, b"%d %d %d" % (VERSION, first, count))]
    if rest_ns:
        headers.append((NS_HEADER, b"%d" % rest_ns))
    return sink.getvalue().to_pybytes(), time_ms, headers
