"""How a frame lies in a plain Kafka record, both ways: the one place that knows.

record  = offset | timestamp (ms) | header ns="123456" (if not 0) | value
log_ns  = timestamp * 1,000,000 + ns, at least that of the record before
frame   = the value as it came; an empty or null one is a heartbeat
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from tapeflow.connectors.kafka.client import NO_SETTINGS, Settings
from tapeflow.connectors.source.progress import END
from tapeflow.schemas.batches import PADDING, Page
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError

NS_PER_MS = 1_000_000
NS_HEADER = "ns"  # log time beyond its whole milliseconds
NS_DIGITS = 6
LATEST_MS = END // NS_PER_MS

Record = tuple[bytes, int, list[tuple[str, bytes]] | None]  # value, timestamp in ms, headers


class KafkaPartition(NamedTuple):
    """Where a partition of the log is."""

    bootstrap: str
    topic: str
    number: int  # of the partition in its topic
    partition: str  # its name in our words: that of the tape it could be
    client: Settings = NO_SETTINGS

    def __str__(self) -> str:
        return f"{self.topic} partition {self.number}"


def page_from_messages(
    place: KafkaPartition, lo: int, log_ns: int, messages: list[Message], headers: list[Any]
) -> Page:
    """Lay records out as a page; `lo` frames are before them, `log_ns` was reached before."""
    frames: list[Any] = list(map(Message.value, messages))
    if None in frames:
        frames = [frame or b"" for frame in frames]
    lengths = np.fromiter(map(len, frames), np.int64, len(frames))
    ends = np.cumsum(lengths)
    data = np.frombuffer(b"".join((*frames, bytes(PADDING))), np.uint8)
    times = log_times(place, messages, headers)
    times[0] = max(int(times[0]), log_ns)
    np.maximum.accumulate(times, out=times)  # clocks of foreign producers may jitter
    return Page(place.partition, lo, times, ends - lengths, ends, data)


def log_times(place: KafkaPartition, messages: list[Message], headers: list[Any]) -> Ints:
    """Read the log time of each record, as written."""
    count, offset = len(messages), messages[0].offset() or 0
    stamps = chain.from_iterable(map(Message.timestamp, messages))  # kind, ms, kind, ms, ...
    kinds, times = np.fromiter(stamps, np.int64, 2 * count).reshape(count, 2).T
    bad = (kinds == TIMESTAMP_NOT_AVAILABLE) | (times < 0) | (times > LATEST_MS)
    if bad.any():
        number = int(bad.argmax())
        raise TapeflowError(
            f"{place}: the record at offset {offset + number} has no timestamp in milliseconds "
            f"(but {times[number]}); a log needs one, its log time"
        )
    log_ns = times * NS_PER_MS
    if headers.count(None) != count:
        log_ns += sub_millisecond_ns(place, offset, headers)
    return log_ns


def sub_millisecond_ns(place: KafkaPartition, offset: int, headers: list[Any]) -> Ints:
    """Read what records carry beyond their milliseconds; all at once if all carry just that."""
    try:
        names, values = zip(*[pair for (pair,) in headers], strict=True)
        if set(names) == {NS_HEADER} and all(map(bytes.isdigit, values)):
            found = np.fromiter(map(int, values), np.int64, len(values))
            if found.max() < NS_PER_MS:
                return found
    except (TypeError, ValueError):  # not one header each, or without a value
        pass
    each = [_remainder(place, offset + number, pairs) for number, pairs in enumerate(headers)]
    return np.array(each, np.int64)


def _remainder(place: KafkaPartition, offset: int, headers: Any) -> int:
    for name, value in headers or ():
        if name == NS_HEADER:
            if value and value.isdigit() and len(value) <= NS_DIGITS:
                return int(value)
            raise TapeflowError(
                f"{place}: the record at offset {offset} has header ns={value!r}; it should be the "
                "nanoseconds beyond the timestamp's millisecond, 0 to 999999"
            )
    return 0


def check_times(page: Page) -> None:
    """Refuse log times that Kafka would replace."""
    if page.log_ns[0] < NS_PER_MS:
        raise TapeflowError(
            f"{page.partition}: record {page.first_offset} is at {page.log_ns[0]} ns, "
            "before the first millisecond of 1970: a record with timestamp 0 gets the time of sending"
        )


def to_records(page: Page) -> Iterator[Record]:
    """Give each record of a page as Kafka is to hold it."""
    if not len(page.log_ns):
        return
    check_times(page)
    base = page.starts[0]
    data = page.data[base : page.ends[-1]].tobytes()
    starts, ends = (page.starts - base).tolist(), (page.ends - base).tolist()
    times, rests = (column.tolist() for column in np.divmod(page.log_ns, NS_PER_MS))
    for start, end, time_ms, rest in zip(starts, ends, times, rests, strict=True):
        yield data[start:end], time_ms, [(NS_HEADER, b"%d" % rest)] if rest else None
