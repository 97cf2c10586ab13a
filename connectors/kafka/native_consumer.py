"""A consumer that reads plain records through librdkafka's C interface, as columns.

    librdkafka's threads ──queue──▶ addresses of messages ──message_kernel.py──▶ RecordColumns
                                └─▶ errors ──▶ BrokerStatus

confluent_kafka makes an object of each record, which takes three times as long. NativeConsumer has
the members of confluent_kafka's Consumer that are used here, and returns Messages where a record is
not plain, or an error came in its place. librdkafka calls back only for errors of the broker, and
only inside the call that takes messages, on our thread: they are noted there and reported after it.
"""

import ctypes
import weakref
from functools import cache, partial
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tapeflow.connectors.kafka.client import (
    BrokerStatus,
    Settings,
    consumer_settings,
    settings_error,
)
from tapeflow.connectors.kafka.librdkafka import (
    CONSUMER_TYPE,
    ERROR_BYTES,
    ErrorCallback,
    Library,
    MessageStruct,
)
from tapeflow.connectors.kafka.message_kernel import ENDS, lay_out
from tapeflow.connectors.kafka.native_messages import HeldMessages, take_messages
from tapeflow.connectors.kafka.records import RecordColumns
from tapeflow.schemas.batches import PADDING
from tapeflow.schemas.columns import Bytes, Ints

RECORD_BYTES = 512  # expected of a record at first
SPARE_BYTES = 1 << 12  # of a block beyond what is expected
BLOCK_BYTES = 1 << 23  # at most, but for a record that alone is larger
CALLED = ("message_timestamp", "message_headers", "header_get_all", "message_destroy")


@cache
def library() -> Library:
    """Return librdkafka's functions; only where `why_no_library` has no reason."""
    return Library()


class NativeConsumer:
    """Consumes one partition, with the methods of a Consumer that RecordFetcher calls."""

    def __init__(self, status: BrokerStatus, client: Settings) -> None:
        """Connect; TapeflowError for settings that librdkafka refuses."""
        self.status, self.rd = status, library()
        self.errors: list[KafkaError] = []
        note = ErrorCallback(partial(_note_error, self.rd, self.errors))
        self.client = _new_client(self.rd, consumer_settings(status, client), note)
        self.rd.poll_set_consumer(self.client)  # errors come through the same queue
        self.queue = self.rd.queue_get_consumer(self.client)
        self.held = HeldMessages(self.rd)
        self.functions = np.array([self.rd.address(name) for name in CALLED], np.int64)
        self.scratch = np.zeros(5, np.int64)
        self.record_bytes = RECORD_BYTES  # of the records of the last call, on average
        self.close = weakref.finalize(
            self, _close, self.rd, self.client, self.queue, self.held, note
        )
        self.close.atexit = False  # a thread may still consume when the process ends

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Begin to read these partitions, each at its offset."""
        self._check_open()
        self.held.give_back()
        listed = self.rd.topic_partition_list_new(len(partitions))
        for each in partitions:
            place = listed, each.topic.encode(), each.partition
            self.rd.topic_partition_list_add(*place)
            self.rd.topic_partition_list_set_offset(*place, each.offset)
        code = self.rd.assign(self.client, listed)
        self.rd.topic_partition_list_destroy(listed)
        _raise_for(code)

    def consume(self, records: int, timeout_s: float) -> RecordColumns | list[Message]:
        """Return the next plain records; where the first one is not plain, the next others.

        At most `records`; waits `timeout_s` at most where none have come.
        """
        self._check_open()
        held = self.held
        if not len(held):
            held.refill(self.queue, records, int(1000 * timeout_s))
            while self.errors:
                self.status.on_error(self.errors.pop(0))
        if not len(held):
            return []
        messages = held.addresses[held.at : min(held.end, held.at + records)]
        data, columns, taken = self._lay_out(messages)
        if taken < 0:
            held.at -= taken
            return take_messages(self.rd, messages[:-taken])
        held.at += taken
        offsets, log_ns, starts, ends = columns[:, :taken]
        return RecordColumns(offsets, log_ns, starts, ends, data)

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        """Return the first offset there is, and the one after the last.

        Raises KafkaException where the broker does not say so within `timeout` seconds.
        """
        self._check_open()
        low, high = ctypes.c_int64(), ctypes.c_int64()
        _raise_for(
            self.rd.query_watermark_offsets(
                self.client, partition.topic.encode(), partition.partition,
                ctypes.byref(low), ctypes.byref(high), int(1000 * timeout),
            )
        )  # fmt: skip
        return low.value, high.value

    def _check_open(self) -> None:
        if not self.close.alive:
            raise RuntimeError("Consumer closed")  # as confluent_kafka says it

    def _lay_out(self, messages: Ints) -> tuple[Bytes, Ints, int]:
        """Lay the first messages out; return block, columns (4, n) and the kernel's result."""
        first_bytes = MessageStruct.from_address(int(messages[0])).len
        expected_bytes = len(messages) * self.record_bytes + SPARE_BYTES
        room = max(first_bytes, min(expected_bytes, BLOCK_BYTES))
        data, columns = np.empty(room + PADDING, np.uint8), np.empty((4, len(messages)), np.int64)
        taken: int = lay_out(messages, self.functions, self.scratch, data, room, columns)
        filled = int(columns[ENDS, taken - 1]) if taken > 0 else 0
        if filled:
            self.record_bytes = filled // taken + filled // taken // 8
        data[filled : filled + PADDING] = 0
        data = data[: filled + PADDING]
        data.flags.writeable = False  # like the pages of other readers
        return data, columns, taken


def _note_error(
    rd: Library, errors: list[KafkaError], client: int, code: int, text: bytes | None, _: None
) -> None:
    """Note an error, as `error_cb` of confluent_kafka gets it."""
    is_fatal = code == KafkaError._FATAL
    if is_fatal:
        reason = ctypes.create_string_buffer(ERROR_BYTES)
        code, text = rd.fatal_error(client, reason, ERROR_BYTES), reason.value
    errors.append(KafkaError(code, (text or b"").decode(errors="replace"), is_fatal))


def _new_client(rd: Library, settings: Settings, note: Any) -> int:
    """Return a client that calls `note` for errors; TapeflowError for a setting it refuses."""
    conf, text = rd.conf_new(), ctypes.create_string_buffer(ERROR_BYTES)
    rd.conf_set_error_cb(conf, note)
    for name, value in settings.items():
        content = None if value is None else str(value).encode()
        if rd.conf_set(conf, name.encode(), content, text, ERROR_BYTES):
            rd.conf_destroy(conf)
            raise settings_error(text.value.decode(errors="replace"))
    client = rd.new(CONSUMER_TYPE, conf, text, ERROR_BYTES)
    if not client:
        rd.conf_destroy(conf)
        reason = text.value.decode(errors="replace")
        raise settings_error(f"Failed to create consumer: {reason}")
    return int(client)


def _close(rd: Library, client: int, queue: int, held: HeldMessages, _note: Any) -> None:
    """Give back all that belongs to a client; as an argument `_note` lives until then."""
    held.give_back()
    rd.consumer_close(client)
    rd.queue_destroy(queue)
    rd.destroy(client)


def _raise_for(code: int) -> None:
    if code:
        raise KafkaException(KafkaError(code))
