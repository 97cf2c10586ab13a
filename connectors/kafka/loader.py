"""Tapes into raw topics: every frame with its log time, bit for bit, at a partition of its own.

    TapeReader --Page--> Loader --records--> raw.<venue>, partition n --> KafkaReader --Page-->

A record for each frame, or packs of many frames. A fresh topic counts its frames as the tape does,
so a replay of either gives the same answer.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tapeflow.connectors.kafka.client import NO_SETTINGS, SHARED, Say, Settings
from tapeflow.connectors.kafka.frames import KafkaPartition, Record, to_records
from tapeflow.connectors.kafka.packs import Packer
from tapeflow.connectors.kafka.reader import UNKNOWN, KafkaReader, OffsetBounds, offset_bounds
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.progress import END, START
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError

BULK_PRODUCER: Settings = {  # big batches compress well, and fit the embedded broker's 5 MiB
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 10_000,
}
PACK_PRODUCER: Settings = {  # packs are compressed already, and few fill much memory
    **BULK_PRODUCER,
    "compression.type": "none",
    "queue.buffering.max.kbytes": 65_536,
}
CREATE_S = 20.0
LOOK_S = 0.002
PAGE = 5000  # frames
TOPIC: Mapping[str, str] = {
    "message.timestamp.type": "CreateTime",  # log time is the recorder's, not the broker's
    "retention.ms": "-1",  # or an old tape would be deleted as soon as it is loaded
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": "8388608",
}


def create_topics(
    bootstrap: str, partitions: Mapping[str, int], replicas: int = 1, client: Settings = NO_SETTINGS
) -> tuple[str, ...]:
    """Create those raw topics that are not there yet, and name them.

    Needs a real broker: the embedded one has no admin interface, but a method.
    """
    admin = AdminClient({**SHARED, "bootstrap.servers": bootstrap, **client})
    topics = [
        NewTopic(name, count, replicas, config=dict(TOPIC)) for name, count in partitions.items()
    ]
    created = []
    for name, answer in admin.create_topics(topics, request_timeout=CREATE_S).items():
        try:
            answer.result()
            created.append(name)
        except KafkaException as raised:
            if raised.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TapeflowError(
                    f"topic {name} cannot be created at {bootstrap}: {raised.args[0].str()}"
                ) from None
    wait_for_metadata(admin, set(created))
    return tuple(created)


def wait_for_metadata(admin: AdminClient, topics: set[str]) -> None:
    """Wait until brokers know of topics: the controller answers before it has told them."""
    deadline = time.monotonic() + CREATE_S
    while topics - admin.list_topics(timeout=CREATE_S).topics.keys():
        if time.monotonic() > deadline:
            raise TapeflowError(
                f"topics {', '.join(sorted(topics))} were created, but are not there after "
                f"{CREATE_S:g} s"
            )
        time.sleep(LOOK_S)


def position_of_last(high: int) -> Any:
    """Give the position before the last record of a partition that ends at `high`."""
    return high - 1, UNKNOWN, START, 0, 0


class Loader:
    """Writes pages into raw topics; nothing is loaded before `finish` says so."""

    def __init__(
        self,
        bootstrap: str,
        places: Mapping[str, tuple[str, int]],
        on_message: Say,
        wait_s: float = 10.0,
        append: bool = False,
        client: Settings = NO_SETTINGS,
        pack: bool = False,
    ) -> None:
        """Load the partitions named in `places` to (topic, number); the topics exist.

        Topics that hold records are refused, unless told to `append`. `pack` puts many frames into
        a record.
        """
        self.bootstrap, self.places, self.client = bootstrap, places, client
        self.say, self.wait_s = on_message, wait_s
        self.frames = dict.fromkeys(places, 0)  # taken, of each partition
        self.records = dict.fromkeys(places, 0)  # sent
        self.last: dict[str, tuple[int, bytes]] = {}  # log time and frame, of each partition
        self.before = self._watermarks()
        if not append:
            self._check_empty()
        self.packers = {name: Packer(self._count(name)) for name in places} if pack else {}
        self.sender = ReliableProducer(
            bootstrap, {**(PACK_PRODUCER if pack else BULK_PRODUCER), **client}
        )

    def write(self, page: Page) -> None:
        """Queue the frames of a page."""
        name = page.partition
        self._send(name, self.packers[name].add(page) if self.packers else to_records(page))
        self.frames[name] += len(page.log_ns)
        if len(page.log_ns):
            self.last[name] = int(page.log_ns[-1]), page.frame(-1)
        self.sender.check()

    def _send(self, name: str, records: Iterable[Record]) -> None:
        topic, number = self.places[name]
        send, sent = self.sender.send, 0
        for value, time_ms, headers in records:
            if headers is None:
                send(topic, value, None, number, timestamp=time_ms)
            else:
                send(topic, value, None, number, timestamp=time_ms, headers=headers)
            sent += 1
        self.records[name] += sent

    def finish(self) -> int:
        """Wait until Kafka has taken every record, look whether it kept them, and count frames."""
        for name, packer in self.packers.items():
            self._send(name, packer.finish())
        self.sender.flush()
        after = self._watermarks()
        for name, (low, high) in after.items():
            kept_from, end = self.before[name]
            topic, number = self.places[name]
            if high != end + self.records[name]:
                raise TapeflowError(
                    f"{topic} partition {number}: {self.records[name]} records were sent to offset "
                    f"{end}, but it ends at {high}: does someone else write there?"
                )
            if low > kept_from:
                raise TapeflowError(
                    f"{topic} partition {number}: the broker has already deleted the records "
                    f"before offset {low}: by its retention, or the embedded broker by its limit "
                    "of 5 MiB a partition; load less, or into a broker with retention.ms=-1"
                )
            if self.records[name]:
                self._check_last(name, high)
        return sum(self.frames.values())

    def _check_last(self, name: str, high: int) -> None:
        """Read a partition's last record: a topic may be set to replace timestamps."""
        reader, page = self._read(name, position_of_last(high), high)
        if (int(page.log_ns[-1]), page.frame(-1)) != self.last[name]:
            raise TapeflowError(
                f"{reader.place}: record {high - 1} was sent with log time {self.last[name][0]} "
                f"and has {page.log_ns[-1]}: is the topic set to "
                "message.timestamp.type=LogAppendTime? It must be CreateTime"
            )

    def _count(self, name: str) -> int:
        """Count the frames of a partition: its last record says it if it is a pack, else read."""
        low, high = self.before[name]
        if low < high:
            reader, _ = self._read(name, position_of_last(high), high)
            if reader.packed:
                return reader.frames
        return self._read(name, None, high)[0].frames if high else 0

    def _read(self, name: str, position: Any, end: int) -> tuple[KafkaReader, Page]:
        """Read a partition to an end; the reader there, and the last page."""
        topic, number = self.places[name]
        place = KafkaPartition(self.bootstrap, topic, number, name, self.client)
        reader = KafkaReader(place, PAGE, END, end, position, self.say)
        deadline = time.monotonic() + self.wait_s
        try:
            while not reader.ended:
                if (page := reader.read()) is not None:
                    deadline, last = time.monotonic() + self.wait_s, page
                elif time.monotonic() > deadline:
                    raise TapeflowError(f"{place}: record {reader.offset} cannot be read back")
                else:
                    time.sleep(LOOK_S)
        finally:
            reader.close()
        return reader, last

    def _watermarks(self) -> dict[str, OffsetBounds]:
        topics = sorted({topic for topic, _ in self.places.values()})
        there = offset_bounds(self.bootstrap, topics, self.wait_s, self.say, self.client)
        for name, (topic, number) in self.places.items():
            if number >= len(there[topic]):
                raise TapeflowError(
                    f"topic {topic} has {len(there[topic])} partitions, but {name} goes to "
                    f"partition {number}: create it with at least {number + 1}"
                )
        return {name: there[topic][number] for name, (topic, number) in self.places.items()}

    def _check_empty(self) -> None:
        for name, (_low, high) in self.before.items():
            if high:
                topic, number = self.places[name]
                raise TapeflowError(
                    f"topic {topic} has already {high} records in partition {number}: load into a "
                    "fresh topic, or say that these records go behind them (append)"
                )
