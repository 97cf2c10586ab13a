"""How many frames lie in one Kafka record, both ways: the one place that knows.

    offset    0       1       2                3       4
    record    plain   plain   pack="1 2 500"   plain   pack="1 503 480"
    frames    0       1       2 ... 501        502     503 ... 982

pack    = header pack="<version> <number of the first frame> <frames>" | timestamp and header ns,
          as of a plain record: the log time of the last frame | value
value   = an Arrow stream of one batch of columns log_ns and frame, compressed by Arrow
numbers = frames of the partition before this one; a plain record is one frame and does not say it

The log time is that of the last frame: so retention deletes no frame too early, and a search by
time finds the record that holds the first frame from then on.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from tapeflow.connectors.kafka.frames import (
    NS_HEADER,
    NS_PER_MS,
    KafkaPartition,
    Record,
    check_times,
    log_times,
)
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError

PACK_HEADER = "pack"
VERSION = 1
PACK_HEADER_RE = re.compile(rb"1 (\d{1,18}) ([1-9]\d{0,8})")
SCHEMA = pa.schema([("log_ns", pa.int64()), ("frame", pa.binary())])
PACK_BYTES = 1_000_000  # of frames, before compression: a stock broker takes 1,048,588 as they are
FRAME_BYTES = 12  # beside the frame itself: its log time and where it ends
READ = pa.ipc.IpcReadOptions(use_threads=False)
WRITE = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)

RecordGroup = tuple[list[Message], list[Any]]  # records and their headers: plain ones, or one pack


class PackHeader(NamedTuple):
    """Which frames of its partition a pack says it holds."""

    first: int
    frames: int


class Pack(NamedTuple):
    """Some frames, one after the other."""

    log_ns: Ints
    offsets: Ints  # where each begins, and the last one ends
    frames: Any  # their bytes: a buffer


def group_records(messages: list[Message]) -> Iterator[RecordGroup]:
    """Cut records, in their order, into packs and runs of plain ones."""
    headers: list[Any] = list(map(Message.headers, messages))
    begin = 0
    if PACK_HEADER in dict(chain.from_iterable(filter(None, headers))):
        for number, pairs in enumerate(headers):
            if PACK_HEADER in dict(pairs or ()):
                if begin < number:
                    yield messages[begin:number], headers[begin:number]
                begin = number + 1
                yield messages[number:begin], headers[number:begin]
    if begin < len(messages):
        yield messages[begin:], headers[begin:]


def parse_pack_header(place: KafkaPartition, message: Message, headers: Any) -> PackHeader | None:
    """Read which frames a record holds by its own word; None: it is a plain one."""
    said = dict(headers or ())
    if PACK_HEADER not in said:
        return None
    match = PACK_HEADER_RE.fullmatch(said[PACK_HEADER] or b"")
    if match is None:
        raise TapeflowError(
            f"{place}: the record at offset {message.offset()} has header "
            f"pack={said[PACK_HEADER]!r}; it should be '{VERSION} <first frame> <frames>'"
        )
    return PackHeader(int(match[1]), int(match[2]))


def unpacked(place: KafkaPartition, message: Message, headers: Any, said: PackHeader) -> Pack:
    """Read a pack, or say what is wrong with it."""
    written = int(log_times(place, [message], [headers])[0])
    try:
        log_ns, offsets, frames = columns(message.value() or b"")
        if len(log_ns) != said.frames:
            raise ValueError(f"it holds {len(log_ns)} frames, but its header says {said.frames}")
        if log_ns[0] < 0 or (np.diff(log_ns) < 0).any():
            raise ValueError("log time goes back in it, or begins below zero")
        if log_ns[-1] != written:
            raise ValueError(
                f"its last frame has log time {log_ns[-1]}, but the record has {written}: is the "
                "topic set to message.timestamp.type=LogAppendTime? It must be CreateTime"
            )
    except (ValueError, OSError, pa.ArrowException) as error:
        line = str(error).partition("\n")[0]
        raise TapeflowError(
            f"{place}: the pack at offset {message.offset()} is damaged: {line}"
        ) from None
    return Pack(log_ns, offsets, frames)


def page_of_packs(partition: str, first: int, packs: Sequence[Pack]) -> Page:
    """Lay packs that follow each other out as one page, from frame number `first` on."""
    data = np.frombuffer(b"".join((*(pack.frames for pack in packs), bytes(PADDING))), np.uint8)
    begins = np.cumsum([0, *(pack.offsets[-1] for pack in packs)])
    offsets = [pack.offsets + begin for pack, begin in zip(packs, begins[:-1], strict=True)]
    return Page(
        partition,
        first,
        np.concatenate([pack.log_ns for pack in packs]),
        np.concatenate([each[:-1] for each in offsets]),
        np.concatenate([each[1:] for each in offsets]),
        data,
    )


def columns(value: bytes) -> Pack:
    """Log times, where each frame begins and the last one ends, and the bytes of all."""
    with pa.ipc.open_stream(value, options=READ) as stream:
        if (stream.schema.names, stream.schema.types) != (SCHEMA.names, SCHEMA.types):
            found = ", ".join(f"{field.name} {field.type}" for field in stream.schema)
            raise ValueError(f"its columns are {found}, not log_ns int64 and frame binary")
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
    frames = b"" if text is None else memoryview(text)[offsets[0] : offsets[-1]]
    return Pack(times, offsets - offsets[0], frames)


class Packer:
    """Gathers the frames of one partition until they fill a pack."""

    def __init__(self, first: int) -> None:
        """Begin with frame number `first`."""
        self.first = self.next = first  # of the newest pack; of the frame to come
        self.log_ns: list[Ints] = []
        self.lengths: list[Ints] = []
        self.frames: list[bytes] = []
        self.room = PACK_BYTES

    def add(self, page: Page) -> Iterator[Record]:
        """Take the frames of a page, and give the packs that are full.

        A frame that alone is more than a pack gets one of its own.
        """
        if not len(page.log_ns):
            return
        check_times(page)
        lengths = page.ends - page.starts
        reach = np.cumsum(lengths + FRAME_BYTES)
        begin = 0
        while begin < len(lengths):
            before = int(reach[begin - 1]) if begin else 0
            end = int(np.searchsorted(reach, before + self.room, "right"))
            if end <= begin and self.log_ns:
                yield from self.finish()
                continue
            end = max(end, begin + 1)
            self.log_ns.append(page.log_ns[begin:end])
            self.lengths.append(lengths[begin:end])
            self.frames.append(frame_bytes(page, begin, end))
            self.room -= int(reach[end - 1]) - before
            begin = end

    def finish(self) -> Iterator[Record]:
        """Give what was gathered as a pack."""
        if self.log_ns:
            log_ns, lengths = np.concatenate(self.log_ns), np.concatenate(self.lengths)
            self.first, self.next = self.next, self.next + len(log_ns)
            yield encode_pack(self.first, log_ns, lengths, b"".join(self.frames))
        self.log_ns, self.lengths, self.frames, self.room = [], [], [], PACK_BYTES


def frame_bytes(page: Page, begin: int, end: int) -> bytes:
    """Join some frames of a page; between them may lie what is none."""
    base = int(page.starts[begin])
    data = page.data[base : int(page.ends[end - 1])].tobytes()
    bounds = (page.starts[begin:end] - base).tolist(), (page.ends[begin:end] - base).tolist()
    return b"".join(map(data.__getitem__, map(slice, *bounds)))


def encode_pack(first: int, log_ns: Ints, lengths: Ints, frames: bytes) -> Record:
    """Give the frames from number `first` on as Kafka is to hold them."""
    assert (np.diff(log_ns) >= 0).all(), "a log never goes back"
    count = len(log_ns)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(frames)]
    arrays = [pa.array(log_ns), pa.Array.from_buffers(pa.binary(), count, buffers)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=WRITE) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    time_ms, rest = divmod(int(log_ns[-1]), NS_PER_MS)
    headers = [(PACK_HEADER, b"%d %d %d" % (VERSION, first, count))]
    if rest:
        headers.append((NS_HEADER, b"%d" % rest))
    return sink.getvalue().to_pybytes(), time_ms, headers
