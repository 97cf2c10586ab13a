"""The records of one fetch, by offset: as objects, or plain ones as columns.

    Messages       [Message, Message, ...]                    of confluent_kafka
    RecordColumns  offsets | log_ns | starts | ends | data    of native_consumer.py

A page is made of a group of them: one pack, or a run of plain records without a hole in offsets.
"""

from collections.abc import Iterator

import numpy as np
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message
from msgspec import Struct

from tapeflow.connectors.kafka.frames import NS_HEADER, KafkaPartition
from tapeflow.connectors.kafka.groups import RecordGroup, group_records, offsets_of, runs_of
from tapeflow.connectors.kafka.packs import PackHeader
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Bytes, Ints
from tapeflow.schemas.time import NS_PER_MS


class Messages:
    """Records as objects of confluent_kafka."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def first(self) -> int:
        """The offset of the first record."""
        return self.messages[0].offset() or 0

    @property
    def last(self) -> int:
        """The offset of the last record."""
        return self.messages[-1].offset() or 0

    @property
    def offsets(self) -> Ints:
        """The offset of each record."""
        return offsets_of(self.messages)

    def message(self, row: int) -> Message:
        """Return a record."""
        return self.messages[row]

    def after_first(self) -> "Messages":
        """Return the records without the first one."""
        return Messages(self.messages[1:])

    def below(self, end: int) -> "Messages":
        """Return the records of offsets below `end`."""
        return Messages([message for message in self.messages if (message.offset() or 0) < end])

    def groups(self) -> Iterator[RecordGroup]:
        """Yield the records in groups: single packs, and runs of plain records."""
        return group_records(self.messages)


class RecordColumns(Struct, frozen=True, eq=False):
    """Plain records; also a group of them, where their offsets have no hole."""

    offsets: Ints
    log_ns: Ints  # as written
    starts: Ints  # frame i is data[starts[i]:ends[i]]
    ends: Ints
    data: Bytes  # ends in PADDING zero bytes

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def first(self) -> int:
        """The offset of the first record."""
        return int(self.offsets[0])

    @property
    def last(self) -> int:
        """The offset of the last record."""
        return int(self.offsets[-1])

    def message(self, row: int) -> Message:
        """Return a record as an object, without other headers than `ns`."""
        time_ms, rest_ns = divmod(int(self.log_ns[row]), NS_PER_MS)
        return Message(
            offset=int(self.offsets[row]),
            value=self.data[self.starts[row] : self.ends[row]].tobytes(),
            timestamp=(TIMESTAMP_CREATE_TIME, time_ms),
            headers=[(NS_HEADER, b"%d" % rest_ns)] if rest_ns else None,
        )

    def after_first(self) -> "RecordColumns":
        """Return the records without the first one."""
        return self._rows(1, len(self))

    def below(self, end: int) -> "RecordColumns":
        """Return the records of offsets below `end`."""
        return self._rows(0, int(np.searchsorted(self.offsets, end)))

    def groups(self) -> Iterator["RecordColumns"]:
        """Yield runs without a hole in their offsets."""
        for begin, end in runs_of(self.offsets):
            yield self._rows(begin, end)

    def pack_header(self, _partition: KafkaPartition) -> PackHeader | None:
        """Return None: no packs are among them."""
        return None

    def page(self, partition: KafkaPartition, first_frame: int) -> Page:
        """Return a run as a page; `first_frame` is the number of its first frame in the log."""
        return Page(partition.name, first_frame, self.log_ns, self.starts, self.ends, self.data)

    def _rows(self, begin: int, end: int) -> "RecordColumns":
        if (begin, end) == (0, len(self)):
            return self
        rows = slice(begin, end)
        columns = self.offsets[rows], self.log_ns[rows], self.starts[rows], self.ends[rows]
        return RecordColumns(*columns, self.data)


Records = Messages | RecordColumns
