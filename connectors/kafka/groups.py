"""Records in groups that are read at once: single packs, and runs of plain records.

offset    0       1       2       5       6
record    plain   plain   pack    plain   plain      no record has offset 3 or 4
groups    |--- run ---|   |--|    |--- run ---|
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import Message

from tapeflow.connectors.kafka.frames import KafkaPartition, page_from_messages
from tapeflow.connectors.kafka.packs import PACK_HEADER, PackHeader, parse_pack_header
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Ints


class RecordGroup(NamedTuple):
    """Plain records without a hole in their offsets, or one pack."""

    messages: list[Message]
    headers: list[Any]  # of each

    @property
    def first(self) -> int:
        """The offset of the first record."""
        return self.messages[0].offset() or 0

    def pack_header(self, partition: KafkaPartition) -> PackHeader | None:
        """Return the header of a pack, None of plain records; TapeflowError for a malformed one."""
        return parse_pack_header(partition, self.messages[0], self.headers[0])

    def page(self, partition: KafkaPartition, first_frame: int) -> Page:
        """Return plain records as a page, as `page_from_messages` does."""
        return page_from_messages(partition, first_frame, self.messages, self.headers)


def group_records(messages: list[Message]) -> Iterator[RecordGroup]:
    """Split records, in their order, into single packs and runs of plain records.

    A run has no hole in its offsets.
    """
    if messages and (messages[-1].offset() or 0) - (messages[0].offset() or 0) >= len(messages):
        for begin, end in runs_of(offsets_of(messages)):
            yield from group_records(messages[begin:end])
        return
    headers: list[Any] = list(map(Message.headers, messages))
    begin = 0
    if PACK_HEADER in dict(chain.from_iterable(filter(None, headers))):
        for row, pairs in enumerate(headers):
            if PACK_HEADER in dict(pairs or ()):
                if begin < row:
                    yield RecordGroup(messages[begin:row], headers[begin:row])
                begin = row + 1
                yield RecordGroup(messages[row:begin], headers[row:begin])
    if begin < len(messages):
        yield RecordGroup(messages[begin:], headers[begin:])


def offsets_of(messages: list[Message]) -> Ints:
    """Return the offset of each record."""
    return np.array([message.offset() for message in messages], np.int64)


def runs_of(offsets: Ints) -> Iterator[tuple[int, int]]:
    """Yield (first row, end row) of each run of records without a hole in their offsets."""
    begin = 0
    for end in (*(np.flatnonzero(np.diff(offsets) != 1) + 1).tolist(), len(offsets)):
        if begin < end:
            yield begin, end
        begin = end
