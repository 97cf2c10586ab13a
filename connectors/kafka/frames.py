"""The format of a plain Kafka record, which holds one frame: writing and reading.

record  = offset | timestamp (ms) | header ns="123456" (if not 0) | value
log_ns  = timestamp * 1,000,000 + ns, as written: a log clock makes it the log time
frame   = the value, byte for byte; an empty or null one is a heartbeat
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from tapeflow.connectors.kafka.client import NO_SETTINGS, Settings
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, NS_PER_MS

NS_HEADER = "ns"  # log time beyond its whole milliseconds
NS_DIGITS = 6
TIMESTAMP_MIN_MS, TIMESTAMP_MAX_MS = LOG_MIN_NS // NS_PER_MS, LOG_MAX_NS // NS_PER_MS

Record = tuple[bytes, int, list[tuple[str, bytes]] | None]  # value, timestamp in ms, headers


class KafkaPartition(NamedTuple):
    """The topic and partition number of one partition of the log."""

    bootstrap: str
    topic: str
    number: int  # of the partition in its topic
    name: str  # of the partition in the log, as a tape of it would be named
    client: Settings = NO_SETTINGS

    def __str__(self) -> str:
        return f"{self.topic} partition {self.number}"


def page_from_messages(
    partition: KafkaPartition,
    first_frame: int,
    messages: list[Message],
    headers: list[Any],
) -> Page:
    """Lay plain records out as a page.

    `first_frame` is the number of the first one's frame in the log; `headers` are those of
    `messages`. Log times are as they were written.
    """
    frames: list[Any] = list(map(Message.value, messages))
    if None in frames:
        frames = [frame or b"" for frame in frames]
    lengths = np.fromiter(map(len, frames), np.int64, len(frames))
    ends = np.cumsum(lengths)
    data = np.frombuffer(b"".join((*frames, bytes(PADDING))), np.uint8)
    times = log_times(partition, messages, headers)
    return Page(partition.name, first_frame, times, ends - lengths, ends, data)


def log_times(partition: KafkaPartition, messages: list[Message], headers: list[Any]) -> Ints:
    """Return the log time of each record as it was written: (len(messages),) int64, ns.

    Raises TapeflowError for a record without a timestamp, or with one of another unit, and for a
    malformed header.
    """
    count, offset = len(messages), messages[0].offset() or 0
    stamps = chain.from_iterable(map(Message.timestamp, messages))  # kind, ms, kind, ms, ...
    kinds, times = np.fromiter(stamps, np.int64, 2 * count).reshape(count, 2).T
    bad = (times < TIMESTAMP_MIN_MS) | (times >= TIMESTAMP_MAX_MS)
    bad |= kinds == TIMESTAMP_NOT_AVAILABLE
    if bad.any():
        number = int(bad.argmax())
        raise TapeflowError(
            f"{partition}: the record at offset {offset + number} has no timestamp of 2000 to 2199 "
            f"in milliseconds (but {times[number]}); a log needs one, its log time"
        )
    log_ns = times * NS_PER_MS
    if headers.count(None) != count:
        log_ns += sub_millisecond_ns(partition, offset, headers)
    return log_ns


def sub_millisecond_ns(partition: KafkaPartition, offset: int, headers: list[Any]) -> Ints:
    """Return the nanoseconds in each record's header: (len(headers),) int64, 0 to 999999.

    `offset` is that of the first record. All are parsed at once if each has only that header.
    """
    try:
        names, values = zip(*[pair for (pair,) in headers], strict=True)
        if set(names) == {NS_HEADER} and all(map(bytes.isdigit, values)):
            parsed = np.fromiter(map(int, values), np.int64, len(values))
            if parsed.max() < NS_PER_MS:
                return parsed
    except (TypeError, ValueError):  # not one header per record, or a header without a value
        pass
    return np.array(
        [_read_ns_header(partition, offset + row, pairs) for row, pairs in enumerate(headers)],
        np.int64,
    )


def _read_ns_header(partition: KafkaPartition, offset: int, headers: Any) -> int:
    for name, value in headers or ():
        if name == NS_HEADER:
            if value and value.isdigit() and len(value) <= NS_DIGITS:
                return int(value)
            raise TapeflowError(
                f"{partition}: the record at offset {offset} has header ns={value!r}; it should be "
                "the nanoseconds beyond the timestamp's millisecond, 0 to 999999"
            )
    return 0


def check_times(page: Page) -> None:
    """Raise TapeflowError for log times that no reader would take: Kafka replaces zero by now."""
    wrong = (page.stamps < LOG_MIN_NS) | (page.stamps >= LOG_MAX_NS)
    if wrong.any():
        row = int(wrong.argmax())
        raise TapeflowError(
            f"{page.partition}: record {page.first_offset + row} has log time {page.stamps[row]} "
            "ns, not from 2000 to 2199"
        )


def to_records(page: Page) -> Iterator[Record]:
    """Yield each frame of a page as a plain record."""
    if not len(page.log_ns):
        return
    check_times(page)
    base = page.starts[0]
    data = page.data[base : page.ends[-1]].tobytes()
    starts, ends = (page.starts - base).tolist(), (page.ends - base).tolist()
    times_ms, rests_ns = (column.tolist() for column in np.divmod(page.stamps, NS_PER_MS))
    for start, end, time_ms, rest_ns in zip(starts, ends, times_ms, rests_ns, strict=True):
        yield data[start:end], time_ms, [(NS_HEADER, b"%d" % rest_ns)] if rest_ns else None
