"""A partition in memory, and a consumer of it: laws about reading need thousands of logs."""

from collections.abc import Iterable
from itertools import chain, cycle
from typing import Any
from unittest.mock import patch

from confluent_kafka import Message as KafkaMessage

from tapeflow.connectors.kafka import reader as kafka_log
from tapeflow.connectors.kafka.frames import KafkaPartition, Record, to_records
from tapeflow.connectors.kafka.packs import Packer
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.schemas.batches import Page
from tests.kafka.play import SECOND

PLACE = KafkaPartition("nowhere", "raw.test", 3, "p-3")


def messages(records: Iterable[Record], lo: int = 0) -> list[Any]:
    """Give records as Kafka does, the first at offset `lo`."""
    return [
        KafkaMessage(offset=lo + number, value=value, timestamp=(1, time_ms), headers=headers)
        for number, (value, time_ms, headers) in enumerate(records)
    ]


def packed(times: list[int], frames: list[bytes], first: int = 0) -> list[Record]:
    """Pack frames, of which the first has this number."""
    packer = Packer(first)
    return [*packer.add(Page.from_frames("p-3", 0, times, frames)), *packer.finish()]


def plain(times: list[int], frames: list[bytes]) -> list[Record]:
    """Make a record of each frame."""
    return list(to_records(Page.from_frames("p-3", 0, times, frames)))


class MemoryConsumer:
    """Gives the messages of a log in answers of these sizes."""

    def __init__(self, log: list[Any], sizes: Iterable[int]) -> None:
        self.log, self.sizes = log, iter(sizes)
        self.at = 0

    def assign(self, places: list[Any]) -> None:
        self.at = places[0].offset

    def consume(self, count: int, _timeout: float) -> list[Any]:
        size = min(count, next(self.sizes))
        self.at += size
        return self.log[self.at - size : self.at]

    def get_watermark_offsets(self, _place: Any, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return 0, len(self.log)

    def close(self) -> None:
        pass


def reader(
    log: list[Any], position: Any = None, sizes: Iterable[int] = (1000,), **how: Any
) -> KafkaReader:
    """Open the log of these messages."""
    consumer = MemoryConsumer(log, cycle(chain(sizes)))
    with patch.object(kafka_log, "new_consumer", lambda *_: consumer):
        records, span_ns = how.get("records", 1000), how.get("span_ns", 3600 * SECOND)
        return KafkaReader(PLACE, records, span_ns, how.get("end", len(log)), position, print)
