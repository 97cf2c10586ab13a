"""What the Kafka tests do again and again: load, read, wait."""

import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.kafka.reader import KafkaReader, offset_bounds
from tapeflow.schemas.batches import Page

PATIENCE_S = 20.0
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
NAMES = count()


def new_topic(broker: Any, partitions: int = 1, venue: str = "test") -> str:
    """Create a topic of a name no other test uses."""
    name = f"raw.{venue}-{next(NAMES)}"
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
    """Load records, or packs, behind those that are there."""
    quick = {"enable.idempotence": False, "linger.ms": 0}  # an idempotent start takes 0.5 s
    places = {"p-0": (topic, number)}
    loader = Loader(broker.bootstrap, places, print, append=True, client=quick, pack=pack)
    loader.write(Page.from_frames("p-0", 0, times, frames))
    return loader.finish()


def reader(
    broker: Any, topic: str, end: int | None = None, position: Any = None, **how: Any
) -> KafkaReader:
    """Open partition 0 of a topic, or another."""
    place = KafkaPartition(broker.bootstrap, topic, how.get("number", 0), "p-0", EMBEDDED_CONSUMER)
    records, span_ns = how.get("records", 1000), how.get("span_ns", 3600 * SECOND)
    return KafkaReader(place, records, span_ns, end, position, how.get("say", print))


def drain(opened: KafkaReader, records: int | None = None) -> list[Page]:
    """Read until the end, or until so many records came."""
    pages: list[Page] = []
    deadline = time.monotonic() + PATIENCE_S
    while not opened.ended and (records is None or pages_hold(pages) < records):
        assert time.monotonic() < deadline, f"only {pages_hold(pages)} records came"
        page = opened.read()
        if page is None:
            time.sleep(0.001)
        else:
            pages.append(page)
    return pages


def read_all(
    broker: Any, topic: str, end: int | None = None, position: Any = None, **how: Any
) -> list[Page]:
    """Open, read until the end, and close."""
    opened = reader(broker, topic, end, position, **how)
    try:
        return drain(opened)
    finally:
        opened.close()


def pages_hold(pages: Iterable[Page]) -> int:
    return sum(len(page.log_ns) for page in pages)


def rows(pages: Iterable[Page]) -> list[tuple[int, int, bytes]]:
    """List offset, log time and frame of each record."""
    return [
        (page.first_offset + number, int(log_ns), page.frame(number))
        for page in pages
        for number, log_ns in enumerate(page.log_ns)
    ]


def until(happened: Callable[[], Any], why: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, why
        time.sleep(0.005)


def records_in(broker: Any, topic: str, number: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    """Read key and value of each record with a plain client."""
    low, high = offset_bounds(broker.bootstrap, [topic], PATIENCE_S, print)[topic][number]
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
    )
    found: list[tuple[bytes | None, bytes | None]] = []
    try:
        consumer.assign([TopicPartition(topic, number, low)])
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < high - low and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.05):
                assert message.error() is None, message.error()
                found.append((message.key(), message.value()))
    finally:
        consumer.close()
    assert len(found) == high - low
    return found
