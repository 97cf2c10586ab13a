"""A Kafka partition in memory, and a consumer of it: laws about reading need thousands of logs."""

from collections.abc import Iterable
from itertools import chain, cycle
from typing import Any
from unittest.mock import patch

from confluent_kafka import Message as KafkaMessage

from tapeflow.connectors.kafka import fetcher
from tapeflow.connectors.kafka.frames import KafkaPartition, Record, page_from_messages, to_records
from tapeflow.connectors.kafka.groups import offsets_of
from tapeflow.connectors.kafka.packs import PACK_HEADER, Packer
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.records import RecordColumns
from tapeflow.schemas.batches import Page

PARTITION = KafkaPartition("nowhere", "raw.test", 3, "p-3")


def messages(records: Iterable[Record], first_offset: int = 0) -> list[Any]:
    """Return records as Kafka's messages."""
    return [
        KafkaMessage(offset=offset, value=value, timestamp=(1, time_ms), headers=headers)
        for offset, (value, time_ms, headers) in enumerate(records, first_offset)
    ]


def packed(times: list[int], frames: list[bytes], first: int = 0) -> list[Record]:
    """Return frames, of which the first has number `first`, as packs."""
    packer = Packer(first)
    return [*packer.add(Page.from_frames("p-3", 0, times, frames)), *packer.finish()]


def plain(times: list[int], frames: list[bytes]) -> list[Record]:
    """Return each frame as a plain record."""
    return list(to_records(Page.from_frames("p-3", 0, times, frames)))


class MemoryConsumer:
    """Returns the messages of a log in answers of these sizes."""

    def __init__(self, log: list[Any], sizes: Iterable[int]) -> None:
        self.log, self.sizes = log, iter(sizes)
        self.offset = 0

    def assign(self, partitions: list[Any]) -> None:
        self.offset = partitions[0].offset

    def consume(self, count: int, _timeout: float) -> list[Any]:
        size = min(count, next(self.sizes))
        self.offset += size
        return self.log[self.offset - size : self.offset]

    def get_watermark_offsets(self, _partition: Any, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return 0, len(self.log)

    def close(self) -> None:
        pass


class ColumnConsumer(MemoryConsumer):
    """Returns plain records as columns, as NativeConsumer does: those in front, then the others."""

    def consume(self, count: int, timeout_s: float) -> Any:
        came = super().consume(count, timeout_s)
        are_plain = [PACK_HEADER not in dict(message.headers() or ()) for message in came]
        front = next((row for row, each in enumerate(are_plain) if each != are_plain[0]), len(came))
        self.offset -= len(came) - front
        if not came or not are_plain[0]:
            return came[:front]
        headers = [message.headers() for message in came[:front]]
        page = page_from_messages(PARTITION, 0, came[:front], headers)
        return RecordColumns(
            offsets_of(came[:front]), page.log_ns, page.starts, page.ends, page.data
        )


CONSUMERS = {"columns": ColumnConsumer, "objects": MemoryConsumer}
IN_USE = ["objects"]  # the one that readers of a log get; changed by the fixture `each_form`


def open_log(
    log: list[Any], position: Any = None, sizes: Iterable[int] = (1000,), **options: Any
) -> KafkaReader:
    """Open a reader of these messages."""
    consumer = CONSUMERS[IN_USE[0]](log, cycle(chain(sizes)))
    with patch.object(fetcher, "open_consumer", lambda *_: consumer):
        records = options.get("records", 1000)
        end = options.get("end", len(log))
        return KafkaReader(PARTITION, records, end, position, print)
