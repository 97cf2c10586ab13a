"""Raw Kafka topics as a log: one partition of a topic, read forward by absolute offsets.

    broker --records--> KafkaReader --Page--> partition of the source
                        offset 0 1 2 3 4 ...: the next one, or an error

No consumer group: offsets live in the recovery store, beside the state they belong to. What is
gone is never skipped.
"""

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from connectors.board import START
from connectors.kafka_link import HEALING, NO_SETTINGS, Link, Say, Settings, new_consumer
from connectors.kafka_records import Place, log_times, page_from
from schemas.errors import MisuseError
from schemas.pages import Page, cut

Watermarks = tuple[int, int]  # the first offset kept, and the one after the last

ANSWER_S = 5.0  # for the words of an error
JITTER_NS = 60 * 1_000_000_000  # clocks of foreign producers may differ by so much
PROBE_S = 0.1  # may block the worker, but is asked only while nothing comes
GONE = (KafkaError._AUTO_OFFSET_RESET, KafkaError._PARTITION_EOF)
DELETED = (
    "older records were deleted, by retention or because the embedded broker keeps 5 MiB of each "
    "partition: load the records again into a fresh topic, with retention.ms=-1"
)
EMPTIED = "the broker was emptied or the topic made anew: start with a fresh state"
HOLES = "records in between are gone: a raw topic bears no compaction and no transactions"


class KafkaReader:
    """Reads one partition of a topic, a page at a time; never blocks."""

    def __init__(
        self,
        place: Place,
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
        given: tuple[int, int] = position or (0, START)
        self.offset, self.log_ns = given
        self.ended = self.offset == end
        self.held: Page | None = None  # read and not yet given
        self.link = Link(place.bootstrap, on_message, f"{place.partition}: ")
        self.consumer = new_consumer(self.link, place.client)
        if end is not None and self.offset > end:
            self.consumer.close()
            raise MisuseError(f"{place}: offset {self.offset} is beyond the end, {end}: {EMPTIED}")
        self.proof = self.log_ns > START  # to be done: is the record before still ours?
        self._assign(self.offset - self.proof)

    def read(self) -> Page | None:
        """Give the next records, or None if there are none now."""
        if self.held is None:
            self.held = self._fetch()
        if self.held is None:
            return None
        page, self.held = cut(self.held, self.span_ns)
        self.offset, self.log_ns = page.hi, int(page.log_ns[-1])
        self.ended = self.offset == self.end
        return page

    def position(self) -> Any:
        """Tell the next offset, and the log time reached."""
        return self.offset, self.log_ns

    def close(self) -> None:
        """Hang up."""
        self.consumer.close()

    def _fetch(self) -> Page | None:
        if self.ended:
            return None
        wanted = self.records if self.end is None else min(self.records, self.end - self.offset)
        messages = self.consumer.consume(wanted + self.proof, 0)
        if any(map(Message.error, messages)):
            messages = [message for message in messages if self._is_record(message)]
        if not messages:
            self._wait()
            return None
        self.link.back()
        if self.proof:
            self._prove(messages.pop(0))
            if not messages:
                return None
        first, last = messages[0].offset(), messages[-1].offset()
        if first != self.offset or last != self.offset + len(messages) - 1:
            raise self._lost()
        return page_from(self.place, self.offset, self.log_ns, messages)

    def _assign(self, offset: int) -> None:
        self.consumer.assign([TopicPartition(self.place.topic, self.place.number, offset)])

    def _prove(self, before: Message) -> None:
        """Compare the record before our position with what we remember: is this the same log?"""
        self.proof = False
        if before.offset() != self.offset - 1:
            raise self._lost()
        written = int(log_times(self.place, self.offset - 1, [before])[0])
        if not self.log_ns - JITTER_NS <= written <= self.log_ns:
            raise MisuseError(
                f"{self.place}: the record before offset {self.offset} has log time {written}, but "
                f"we have read {self.log_ns} there: {EMPTIED}"
            )

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF and (message.offset() or 0) >= self.offset:
            return False
        if error.code() == KafkaError._AUTO_OFFSET_RESET and self.proof:
            self.proof = False  # if just what we have read is deleted, the rest can be read
            self._assign(self.offset)
            return False
        if error.code() in GONE:
            raise self._lost()
        if error.code() not in HEALING:
            raise MisuseError(f"{self.place}, at offset {self.offset}: {error.str()}")
        self.link.complain(error)
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

    def _watermarks(self, timeout_s: float) -> Watermarks:
        partition = TopicPartition(self.place.topic, self.place.number)
        return self.consumer.get_watermark_offsets(partition, timeout=timeout_s)

    def _lost(self) -> MisuseError:
        wanted = self.offset
        should = f"{self.place}: offset {wanted} should come next"
        try:
            low, high = self._watermarks(ANSWER_S)
        except KafkaException as raised:
            return MisuseError(f"{should}, but is gone (and then: {raised.args[0].str()})")
        why = DELETED if wanted < low else EMPTIED if wanted > high else HOLES
        return MisuseError(f"{should}, but there are {low} up to {high} (excluded): {why}")


def watermarks(
    bootstrap: str,
    topics: Sequence[str],
    wait_s: float,
    on_message: Say,
    client: Settings = NO_SETTINGS,
) -> dict[str, list[Watermarks]]:
    """Ask where each partition of `topics` begins and ends; wait for the broker if need be."""
    link = Link(bootstrap, on_message)
    consumer = new_consumer(link, client)

    def of(topic: str, number: int) -> Callable[[float], Watermarks]:
        place = TopicPartition(topic, number)
        return lambda timeout_s: consumer.get_watermark_offsets(place, timeout=timeout_s)

    try:
        there = link.ask(lambda timeout_s: consumer.list_topics(timeout=timeout_s), wait_s).topics
        for topic in topics:
            if topic not in there:
                names = ", ".join(sorted(name for name in there if name[:2] != "__")) or "none"
                raise MisuseError(f"no topic {topic} at {bootstrap}; the topics there: {names}")
        marks = {
            topic: [link.ask(of(topic, n), wait_s) for n in sorted(there[topic].partitions)]
            for topic in topics
        }
        link.back()
        return marks
    finally:
        consumer.close()
