"""Messages that librdkafka has handed over: kept by address, given back, made objects of."""

import ctypes
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, Message

from tapeflow.connectors.kafka.librdkafka import Library, MessageStruct
from tapeflow.schemas.columns import Ints

HELD_MAX = 1 << 16  # messages taken over at a time


class Held:
    """Addresses of messages that are not given back yet; 0 of one that is.

    So nothing is given back twice, wherever an interrupt comes.
    """

    def __init__(self, rd: Library) -> None:
        self.rd = rd
        self.addresses = np.zeros(HELD_MAX, np.int64)
        self.at = self.end = 0

    def __len__(self) -> int:
        return self.end - self.at

    def refill(self, queue: int, count: int, wait_ms: int) -> None:
        """Take up to `count` messages of a queue; wait `wait_ms` at most where it is empty."""
        to = self.addresses.ctypes.data
        taken = self.rd.consume_batch_queue(queue, wait_ms, to, min(count, HELD_MAX))
        self.at, self.end = 0, max(taken, 0)

    def give_back(self) -> None:
        """Give all of them back."""
        _destroy(self.rd, self.addresses[self.at : self.end])
        self.at = self.end = 0


def take_messages(rd: Library, messages: Ints) -> list[Message]:
    """Return messages as confluent_kafka would, and give them back."""
    try:
        return [_message(rd, address) for address in messages.tolist()]
    finally:
        _destroy(rd, messages)


def _destroy(rd: Library, messages: Ints) -> None:
    for row, address in enumerate(messages.tolist()):
        messages[row] = 0
        if address:
            rd.message_destroy(address)


def _message(rd: Library, address: int) -> Message:
    raw = MessageStruct.from_address(address)
    if raw.err:
        text = None if raw.err == KafkaError._PARTITION_EOF else rd.message_errstr(address)
        error = KafkaError(raw.err, text.decode(errors="replace") if text else None)
        return Message(offset=raw.offset, partition=raw.partition, error=error)
    kind = ctypes.c_int32(TIMESTAMP_NOT_AVAILABLE)
    time_ms = rd.message_timestamp(address, ctypes.byref(kind))
    return Message(
        offset=raw.offset,
        partition=raw.partition,
        value=None if raw.payload is None else ctypes.string_at(raw.payload, raw.len),
        headers=_headers(rd, address),
        timestamp=(kind.value, time_ms),
    )


def _headers(rd: Library, address: int) -> Any:
    """Return pairs of name and value, None without any."""
    listed = ctypes.c_void_p()
    if rd.message_headers(address, ctypes.byref(listed)):
        return None
    name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
    into = ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
    pairs: list[tuple[str, bytes | None]] = []
    while not rd.header_get_all(listed, len(pairs), *into):
        content = None if value.value is None else ctypes.string_at(value.value, size.value)
        pairs.append(((name.value or b"").decode(errors="replace"), content))
    return pairs
