"""Loading of tapes into raw topics: each frame with its log time, bit for bit.

    TapeReader --Page--> Loader --records--> raw.<venue>, partition n --> KafkaReader --Page-->

Each frame becomes a record, or many become a pack. In a fresh topic the frames have the numbers
that they have in the tape, so a replay of either gives the same answer.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tapeflow.connectors.kafka.client import NO_SETTINGS, Settings
from tapeflow.connectors.kafka.frames import KafkaPartition, Record, to_records
from tapeflow.connectors.kafka.offsets import OffsetBounds, offset_bounds
from tapeflow.connectors.kafka.packs import Packer
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.resume import position_at
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.log_times import JITTER_NS, UNKNOWN_NS, set_log_times
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MAX_NS, MIN_NS, format_time

BULK_PRODUCER: Settings = {  # big batches compress well, and fit the embedded broker's 5 MiB
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 10_000,
}
PACK_PRODUCER: Settings = {  # packs are compressed already, and a few of them fill the queue
    **BULK_PRODUCER,
    "compression.type": "none",
    "queue.buffering.max.kbytes": 65_536,
}
POLL_S = 0.002
PAGE_FRAMES = 5000
TAIL_RECORDS = 3  # at the end of a topic: enough to know the log time that it has reached


class Loader:
    """Writes pages into raw topics; they are loaded once `finish` has returned."""

    def __init__(
        self,
        bootstrap: str,
        partitions: Mapping[str, tuple[str, int]],
        notify: Notify,
        wait_s: float = 10.0,
        append: bool = False,
        client: Settings = NO_SETTINGS,
        pack: bool = False,
    ) -> None:
        """Load each partition of the log into its (topic, number) in existing topics.

        `wait_s`: for a broker that does not answer. `append`: also into topics that hold records.
        `pack`: put many frames into a record. Raises TapeflowError for a topic that does not exist,
        has too few partitions, or holds records.
        """
        self.bootstrap, self.partitions, self.client = bootstrap, partitions, client
        self.notify, self.wait_s = notify, wait_s
        self.frames = dict.fromkeys(partitions, 0)  # written, of each partition
        self.records = dict.fromkeys(partitions, 0)  # sent, of each partition
        self.last_frames: dict[str, tuple[int, bytes]] = {}  # log time and frame, by partition
        self.bounds_before = self._offset_bounds()
        if not append:
            self._check_empty()
        self.packers = (
            {name: Packer(self._count_frames(name)) for name in partitions} if pack else {}
        )
        self.producer = ReliableProducer(
            bootstrap, {**(PACK_PRODUCER if pack else BULK_PRODUCER), **client}
        )

    def check_follows(self, page: Page, step_ns: int) -> None:
        """Check that a partition's first page follows what is there, by the rule of log times.

        Raises TapeflowError where it begins so far back that no reader would take it.
        """
        low, high = self.bounds_before[page.partition]
        if low == high or not len(page.log_ns):
            return
        reader = self._open(page.partition, position_at(max(low, high - TAIL_RECORDS)), high)
        tail = np.concatenate([each.stamps for each in self._pages(reader)])
        both = np.concatenate([tail, page.stamps])
        log_ns = np.full_like(both, MIN_NS)
        decided, _ = set_log_times(both, UNKNOWN_NS, MIN_NS, step_ns or MAX_NS, log_ns)
        if decided < len(both) - 1:
            reached, begins = (
                format_time(int(log_ns[decided - 1])),
                format_time(int(both[decided])),
            )
            raise TapeflowError(
                f"{reader} has reached {reached}, and {page.partition} would go on at {begins}: a "
                f"log goes back by at most {JITTER_NS // 10**9} s. Nothing is loaded: load older "
                "records first, into a fresh topic"
            )

    def write(self, page: Page) -> None:
        """Queue the frames of a page; raise the first failure so far."""
        name = page.partition
        self._send(name, self.packers[name].add(page) if self.packers else to_records(page))
        self.frames[name] += len(page.log_ns)
        if len(page.log_ns):
            self.last_frames[name] = int(page.stamps[-1]), page.frame(-1)
        self.producer.check()

    def _send(self, name: str, records: Iterable[Record]) -> None:
        topic, number = self.partitions[name]
        send, sent = self.producer.send, 0
        for value, time_ms, headers in records:
            if headers is None:
                send(topic, value, None, number, timestamp=time_ms)
            else:
                send(topic, value, None, number, timestamp=time_ms, headers=headers)
            sent += 1
        self.records[name] += sent

    def finish(self) -> int:
        """Wait for Kafka to acknowledge every record, and return how many frames were written.

        Raises TapeflowError where the topics do not hold exactly these records afterwards.
        """
        for name, packer in self.packers.items():
            self._send(name, packer.finish())
        self.producer.flush()
        for name, (low, high) in self._offset_bounds().items():
            low_before, end_before = self.bounds_before[name]
            topic, number = self.partitions[name]
            if high != end_before + self.records[name]:
                raise TapeflowError(
                    f"{topic} partition {number}: {self.records[name]} records were sent to offset "
                    f"{end_before}, but it ends at {high}: does someone else write there?"
                )
            if low > low_before:
                raise TapeflowError(
                    f"{topic} partition {number}: the broker has already deleted the records "
                    f"before offset {low}: by its retention, or the embedded broker by its limit "
                    "of 5 MiB a partition; load less, or into a broker with retention.ms=-1"
                )
            if self.records[name]:
                self._check_last(name, high)
        return sum(self.frames.values())

    def _check_last(self, name: str, high: int) -> None:
        """Compare a partition's last record with what was sent: a topic may replace timestamps."""
        reader, page = self._read(name, position_at(high - 1), high)
        sent_ns, frame = self.last_frames[name]
        if (int(page.log_ns[-1]), page.frame(-1)) != (sent_ns, frame):
            raise TapeflowError(
                f"{reader.partition}: record {high - 1} was sent with log time {sent_ns} and has "
                f"{page.log_ns[-1]}: is the topic set to "
                "message.timestamp.type=LogAppendTime? It must be CreateTime"
            )

    def _count_frames(self, name: str) -> int:
        """Count a partition's frames: by its last record if that is a pack, else by reading."""
        low, high = self.bounds_before[name]
        if low < high:
            reader, _ = self._read(name, position_at(high - 1), high)
            if reader.is_packed:
                return reader.frames
        return self._read(name, None, high)[0].frames if high else 0

    def _read(self, name: str, position: Any, end: int) -> tuple[KafkaReader, Page]:
        """Read from a position to offset `end`; return the reader, and the last page."""
        reader = self._open(name, position, end)
        return reader, deque(self._pages(reader), maxlen=1)[0]

    def _open(self, name: str, position: Any, end: int) -> KafkaReader:
        topic, number = self.partitions[name]
        partition = KafkaPartition(self.bootstrap, topic, number, name, self.client)
        return KafkaReader(partition, PAGE_FRAMES, end, position, self.notify)

    def _pages(self, reader: KafkaReader) -> Iterator[Page]:
        """Yield the pages of a reader up to its end, and close it."""
        deadline = time.monotonic() + self.wait_s
        try:
            while not reader.ended:
                if (page := reader.read()) is not None:
                    deadline = time.monotonic() + self.wait_s
                    yield page
                elif time.monotonic() > deadline:
                    raise TapeflowError(f"{reader}: record {reader.offset} cannot be read back")
                else:
                    time.sleep(POLL_S)
        finally:
            reader.close()

    def _offset_bounds(self) -> dict[str, OffsetBounds]:
        topics = sorted({topic for topic, _ in self.partitions.values()})
        bounds = offset_bounds(self.bootstrap, topics, self.wait_s, self.notify, self.client)
        for name, (topic, number) in self.partitions.items():
            if number >= len(bounds[topic]):
                raise TapeflowError(
                    f"topic {topic} has {len(bounds[topic])} partitions, but {name} goes to "
                    f"partition {number}: create it with at least {number + 1}"
                )
        return {name: bounds[topic][number] for name, (topic, number) in self.partitions.items()}

    def _check_empty(self) -> None:
        for name, (_low, high) in self.bounds_before.items():
            if high:
                topic, number = self.partitions[name]
                raise TapeflowError(
                    f"topic {topic} has already {high} records in partition {number}: load into a "
                    "fresh topic, or append to it (--append)"
                )
