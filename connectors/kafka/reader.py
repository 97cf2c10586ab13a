"""Raw Kafka topics as a log: one partition of a topic, read forward by absolute offsets.

    broker --records--> KafkaReader --Page--> partition of the source
                        offset 0 1 2 3 4 ...: the next one, or an error

A record is one frame, or a pack of many (kafka_packs.py). Pages count frames: a log has the same
numbers however it is packed, and those of Kafka where no record is a pack.

No consumer group: offsets live in the recovery store, beside the state they belong to. What is
gone is never skipped.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from msgspec import structs

from tapeflow.connectors.kafka.client import (
    NO_SETTINGS,
    RETRIABLE_ERRORS,
    BrokerStatus,
    Say,
    Settings,
    new_consumer,
)
from tapeflow.connectors.kafka.frames import KafkaPartition, log_times, page_from_messages
from tapeflow.connectors.kafka.packs import (
    Pack,
    PackHeader,
    RecordGroup,
    group_records,
    page_of_packs,
    parse_pack_header,
    unpacked,
)
from tapeflow.connectors.source.progress import START
from tapeflow.schemas.batches import Page, slice_page, split_page
from tapeflow.schemas.errors import TapeflowError

OffsetBounds = tuple[int, int]  # the first offset kept, and the one after the last

ANSWER_S = 5.0  # for the words of an error
CLOCK_SKEW_MAX_NS = 60 * 1_000_000_000  # clocks of foreign producers may differ by so much
PACKS = 8  # records asked for at a time where packs come
PROBE_S = 0.1  # may block the worker, but is asked only while nothing comes
OUT_OF_RANGE = (KafkaError._AUTO_OFFSET_RESET, KafkaError._PARTITION_EOF)
WHY_DELETED = (
    "older records were deleted, by retention or because the embedded broker keeps 5 MiB of each "
    "partition: load the records again into a fresh topic, with retention.ms=-1"
)
WHY_RECREATED = "the broker was emptied or the topic made anew: start with a fresh state"
UNKNOWN = -1  # frames before a record, to who begins in mid-log: a pack says it
WHY_GAPS = "records in between are gone: a raw topic bears no compaction and no transactions"


class KafkaReader:
    """Reads one partition of a topic, a page at a time; never blocks."""

    def __init__(
        self,
        place: KafkaPartition,
        records: int,
        span_ns: int,
        end: int | None,
        position: Any,
        on_message: Say,
    ) -> None:
        """Go on at `position`, or from the beginning; up to offset `end`, or for ever.

        Pages hold at most `records`, and `span_ns` of log time.
        """
        self.place, self.records, self.span_ns, self.end = place, records, span_ns, end
        given: tuple[int, int, int, int, int] = position or (0, 0, START, 0, 0)
        self.offset, self.frames, self.log_ns, self.taken, self.count = given
        self.ended = self.offset == end
        self.came: deque[RecordGroup] = deque()  # records that are no page yet
        self.held: Page | None = None  # read and not yet given
        self.packs: deque[int] = deque()  # frames of the packs in it that are not begun yet
        self.packed = False  # what is held
        self.link = BrokerStatus(place.bootstrap, on_message, f"{place.partition}: ")
        self.consumer = new_consumer(self.link, place.client)
        if end is not None and self.offset + self.inside > end:
            self.consumer.close()
            raise TapeflowError(
                f"{place}: offset {self.offset} is beyond the end, {end}: {WHY_RECREATED}"
            )
        # To be done: is the record before still ours? In mid-pack we see that by the pack itself.
        self.proof = self.log_ns > START and not self.inside
        self._assign(self.offset - self.proof)

    @property
    def inside(self) -> bool:
        """Are some frames of a pack given, and others not?"""
        return self.taken < self.count

    def read(self) -> Page | None:
        """Give the next frames, or None if there are none now."""
        if self.held is None:
            self.held = self._next()
        if self.held is None:
            return None
        page, self.held = split_page(self.held, self.records, self.span_ns)
        self.frames, self.log_ns = page.next_offset, int(page.log_ns[-1])
        if self.packed:
            self._take(len(page.log_ns))
        else:
            self.offset += len(page.log_ns)
        self.ended = self.offset == self.end
        return page

    def _take(self, frames: int) -> None:
        """Step over so many frames of packs."""
        while frames:
            if not self.inside:
                self.taken, self.count = 0, self.packs.popleft()
            step = min(frames, self.count - self.taken)
            self.taken += step
            self.offset += self.taken == self.count
            frames -= step

    def position(self) -> Any:
        """Tell the next offset, the frames before, log time; how much of the last record is given.

        In mid-pack the next offset is that of the pack. A plain record is given as 1 of 1.
        """
        return self.offset, self.frames, self.log_ns, self.taken, self.count

    def close(self) -> None:
        """Hang up."""
        self.consumer.close()

    def _next(self) -> Page | None:
        """Lay out the next of what came: packs, or the plain records before them."""
        if not self.came:
            self.came.extend(group_records(self._fetch()))
        if not self.came:
            return None
        messages, headers = self.came.popleft()
        said = parse_pack_header(self.place, messages[0], headers[0])
        if self.inside and said != (self.frames - self.taken, self.count):
            raise TapeflowError(
                f"{self.place}: the record at offset {self.offset} is not the pack of "
                f"{self.count} frames of which we have read {self.taken}: {WHY_RECREATED}"
            )
        self.packed = said is not None
        if said is not None:
            return self._joined(messages[0], headers[0], said)
        self.taken = self.count = 1
        return page_from_messages(self.place, self.frames, self.log_ns, messages, headers)

    def _joined(self, message: Message, headers: Any, said: PackHeader) -> Page:
        """Lay out a pack and those behind it that a page has room for.

        Of a pack read before a restart only what was not given.
        """
        if not self.inside and self.frames not in (said.first, UNKNOWN):
            raise TapeflowError(
                f"{self.place}: the pack at offset {self.offset} should begin with frame "
                f"{self.frames}, but says {said.first}: did someone else write while it was "
                "loaded? Load the frames again into a fresh topic"
            )
        packs, end = [unpacked(self.place, message, headers, said)], said.first + said.frames
        if not self.inside:
            self.packs.append(said.frames)
        while self.came and (more := self._fitting(end, self.records - (end - said.first))):
            packs.append(more)
            self.packs.append(len(more.log_ns))
            self.came.popleft()
            end += len(more.log_ns)
        page = page_of_packs(self.place.partition, said.first, packs)
        if self.inside:
            self._check_time(int(page.log_ns[self.taken - 1]))
            page = slice_page(page, slice(self.taken, None))
        times = np.maximum(np.maximum.accumulate(page.log_ns), self.log_ns)  # as of plain records
        return structs.replace(page, log_ns=times)

    def _fitting(self, first: int, room: int) -> Pack | None:
        """Read what came next, if it is a whole pack from this frame on that there is room for."""
        messages, headers = self.came[0]
        try:
            said = parse_pack_header(self.place, messages[0], headers[0])
            if said is None or said.first != first or said.frames > room:
                return None
            return unpacked(self.place, messages[0], headers[0], said)
        except TapeflowError:
            return None  # first what is before it

    def _fetch(self) -> list[Message]:
        if self.ended:
            return []
        wanted = PACKS if self.packed else self.records
        if self.end is not None:
            wanted = min(wanted, self.end - self.offset)
        messages = self.consumer.consume(wanted + self.proof, 0)
        if any(map(Message.error, messages)):
            messages = [message for message in messages if self._is_record(message)]
        if not messages:
            self._wait()
            return []
        self.link.mark_available()
        if self.proof:
            self._prove(messages.pop(0))
            if not messages:
                return []
        first, last = messages[0].offset(), messages[-1].offset()
        if first != self.offset or last != self.offset + len(messages) - 1:
            raise self._lost()
        return messages

    def _assign(self, offset: int) -> None:
        self.consumer.assign([TopicPartition(self.place.topic, self.place.number, offset)])

    def _prove(self, before: Message) -> None:
        """Compare the record before our position with what we remember: is this the same log?"""
        self.proof = False
        if before.offset() != self.offset - 1:
            raise self._lost()
        headers = before.headers()
        self._check_time(int(log_times(self.place, [before], [headers])[0]))
        said = parse_pack_header(self.place, before, headers)
        ours = said == (self.frames - self.count, self.count) if said else self.count == 1
        if not ours:
            raise TapeflowError(
                f"{self.place}: the record before offset {self.offset} holds other frames than the "
                f"{self.count} we have read there: {WHY_RECREATED}"
            )

    def _check_time(self, written: int) -> None:
        if not self.log_ns - CLOCK_SKEW_MAX_NS <= written <= self.log_ns:
            raise TapeflowError(
                f"{self.place}: the record before offset {self.offset} has log time {written}, but "
                f"we have read {self.log_ns} there: {WHY_RECREATED}"
            )

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if (
            error.code() == KafkaError._PARTITION_EOF
            and (message.offset() or 0) >= self.offset + self.inside
        ):
            return False
        if error.code() == KafkaError._AUTO_OFFSET_RESET and self.proof:
            self.proof = False  # if just what we have read is deleted, the rest can be read
            self._assign(self.offset)
            return False
        if error.code() in OUT_OF_RANGE:
            raise self._lost()
        if error.code() not in RETRIABLE_ERRORS:
            raise TapeflowError(f"{self.place}, at offset {self.offset}: {error.str()}")
        self.link.on_error(error)
        return False

    def _wait(self) -> None:
        if self.link.trouble:
            self.link.check()
            self.link.wait(self._answers)

    def _answers(self) -> bool:
        try:
            self._watermarks(PROBE_S)
        except KafkaException:
            return False
        return True

    def _watermarks(self, timeout_s: float) -> OffsetBounds:
        partition = TopicPartition(self.place.topic, self.place.number)
        return self.consumer.get_watermark_offsets(partition, timeout=timeout_s)

    def _lost(self) -> TapeflowError:
        wanted = self.offset
        should = f"{self.place}: offset {wanted} should come next"
        try:
            low, high = self._watermarks(ANSWER_S)
        except KafkaException as raised:
            return TapeflowError(f"{should}, but is gone (and then: {raised.args[0].str()})")
        why = (
            WHY_DELETED
            if wanted < low
            else WHY_RECREATED
            if wanted + self.inside > high
            else WHY_GAPS
        )
        return TapeflowError(f"{should}, but there are {low} up to {high} (excluded): {why}")


def offset_bounds(
    bootstrap: str,
    topics: Sequence[str],
    wait_s: float,
    on_message: Say,
    client: Settings = NO_SETTINGS,
) -> dict[str, list[OffsetBounds]]:
    """Ask where each partition of `topics` begins and ends; wait for the broker if need be."""
    link = BrokerStatus(bootstrap, on_message)
    consumer = new_consumer(link, client)

    def of(topic: str, number: int) -> Callable[[float], OffsetBounds]:
        place = TopicPartition(topic, number)
        return lambda timeout_s: consumer.get_watermark_offsets(place, timeout=timeout_s)

    try:
        there = link.ask(lambda timeout_s: consumer.list_topics(timeout=timeout_s), wait_s).topics
        for topic in topics:
            if topic not in there:
                names = ", ".join(sorted(name for name in there if name[:2] != "__")) or "none"
                raise TapeflowError(f"no topic {topic} at {bootstrap}; the topics there: {names}")
        marks = {
            topic: [link.ask(of(topic, n), wait_s) for n in sorted(there[topic].partitions)]
            for topic in topics
        }
        link.mark_available()
        return marks
    finally:
        consumer.close()
