"""Topics of the Kafka tests: create, load, read."""

import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.schemas.batches import Page

TIMEOUT_S = 20.0
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
TOPIC_NUMBERS = count()


def new_topic(broker: Any, partitions: int = 1, venue: str = "test") -> str:
    """Create a topic whose name no other test uses, and return the name."""
    name = f"raw.{venue}-{next(TOPIC_NUMBERS)}"
    broker.create_topic(name, partitions)
    return name


def load(
    broker: Any,
    topic: str,
    times: list[int],
    frames: list[bytes],
    number: int = 0,
    pack: bool = False,
) -> int:
    """Append frames to a partition, as plain records or as packs; return how many."""
    fast = {"enable.idempotence": False, "linger.ms": 0}  # an idempotent start takes 0.5 s
    partitions = {"p-0": (topic, number)}
    loader = Loader(broker.bootstrap, partitions, print, append=True, client=fast, pack=pack)
    loader.write(Page.from_frames("p-0", 0, times, frames))
    return loader.finish()


def open_reader(
    broker: Any, topic: str, end: int | None = None, position: Any = None, **options: Any
) -> KafkaReader:
    """Open partition 0 of a topic, or the one of options["number"]."""
    number = options.get("number", 0)
    partition = KafkaPartition(broker.bootstrap, topic, number, "p-0", EMBEDDED_CONSUMER)
    records = options.get("records", 1000)
    return KafkaReader(partition, records, end, position, options.get("notify", print))


def drain(reader: KafkaReader, records: int | None = None) -> list[Page]:
    """Read until the end, or until so many frames came."""
    pages: list[Page] = []
    deadline = time.monotonic() + TIMEOUT_S
    while not reader.ended and (records is None or count_frames(pages) < records):
        assert time.monotonic() < deadline, f"only {count_frames(pages)} frames came"
        page = reader.read()
        if page is None:
            time.sleep(0.001)
        else:
            pages.append(page)
    return pages


def read_all(
    broker: Any, topic: str, end: int | None = None, position: Any = None, **options: Any
) -> list[Page]:
    """Open, read until the end, and close."""
    reader = open_reader(broker, topic, end, position, **options)
    try:
        return drain(reader)
    finally:
        reader.close()


def count_frames(pages: Iterable[Page]) -> int:
    return sum(len(page.log_ns) for page in pages)


def rows(pages: Iterable[Page]) -> list[tuple[int, int, bytes]]:
    """Return number, log time and frame of each frame."""
    return [
        (page.first_offset + row, int(log_ns), page.frame(row))
        for page in pages
        for row, log_ns in enumerate(page.log_ns)
    ]


def wait_until(condition: Callable[[], Any], why: str) -> None:
    """Wait until a condition holds; fail with `why` after TIMEOUT_S."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.005)


def read_records(
    broker: Any, topic: str, number: int = 0
) -> list[tuple[bytes | None, bytes | None]]:
    """Return key and value of each record, read with a plain client."""
    low, high = offset_bounds(broker.bootstrap, [topic], TIMEOUT_S, print)[topic][number]
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
    )
    records: list[tuple[bytes | None, bytes | None]] = []
    try:
        consumer.assign([TopicPartition(topic, number, low)])
        deadline = time.monotonic() + TIMEOUT_S
        while len(records) < high - low and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.05):
                assert message.error() is None, message.error()
                records.append((message.key(), message.value()))
    finally:
        consumer.close()
    assert len(records) == high - low
    return records
