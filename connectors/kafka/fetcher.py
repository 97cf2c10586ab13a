"""Records of one Kafka partition in order of their offsets: the next ones, or an error.

    assign at 7     consume -> 7 8 9     next_offset = 10
                    consume -> 12        error: offset 10 should come next

No consumer group: offsets live in the recovery store, with the state they belong to. A record that
is gone is never skipped. Nothing here blocks, but for PROBE_S now and then during an outage.
"""

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tapeflow.connectors.kafka.client import (
    RETRIABLE_ERRORS,
    BrokerStatus,
    new_consumer,
)
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.offsets import OffsetBounds
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

ERROR_DETAILS_S = 5.0  # timeout of the request for what an error line reports
PROBE_S = 0.1  # blocks the worker, but only while nothing comes
OUT_OF_RANGE = (KafkaError._AUTO_OFFSET_RESET, KafkaError._PARTITION_EOF)
WHY_DELETED = (
    "older records were deleted, by retention or because the embedded broker keeps 5 MiB of each "
    "partition: load the records again into a fresh topic, with retention.ms=-1"
)
WHY_RECREATED = "the broker was emptied or the topic created again: start with a fresh --state"
WHY_GAPS = "records in between are gone: a raw topic must have neither compaction nor transactions"


class RecordFetcher:
    """Fetches the records of one partition from an offset on."""

    def __init__(
        self,
        partition: KafkaPartition,
        offset: int,
        log_end_min: int,
        verify_previous: Callable[[Message], None] | None,
        notify: Notify,
    ) -> None:
        """Fetch from `offset` on, from a log that holds at least the offsets below `log_end_min`.

        `verify_previous` is called once with the record before `offset`, unless that was deleted,
        and raises if the log is not the one that was read up to there.
        """
        self.partition, self.next_offset, self.log_end_min = partition, offset, log_end_min
        self.verify_previous = verify_previous
        self.status = BrokerStatus(partition.bootstrap, notify, f"{partition.name}: ")
        self.consumer = new_consumer(self.status, partition.client)
        self._assign(offset - (verify_previous is not None))

    def fetch(self, records: int) -> list[Message]:
        """Return up to `records` next records; none if none have come.

        Raises TapeflowError where the next record is gone, or the broker refuses to send it.
        """
        messages = self.consumer.consume(records + (self.verify_previous is not None), 0)
        if any(map(Message.error, messages)):
            messages = [message for message in messages if self._is_record(message)]
        if not messages:
            self._note_silence()
            return []
        self.status.mark_available()
        if self.verify_previous is not None:
            verify, self.verify_previous = self.verify_previous, None
            previous = messages.pop(0)
            if previous.offset() != self.next_offset - 1:
                raise self._lost()
            verify(previous)
            if not messages:
                return []
        first, last = messages[0].offset(), messages[-1].offset()
        if first != self.next_offset or last != self.next_offset + len(messages) - 1:
            raise self._lost()
        self.next_offset += len(messages)
        self.log_end_min = self.next_offset
        return messages

    def close(self) -> None:
        """Close the connection."""
        self.consumer.close()

    def _assign(self, offset: int) -> None:
        partition = TopicPartition(self.partition.topic, self.partition.number, offset)
        self.consumer.assign([partition])

    def _is_record(self, message: Message) -> bool:
        """Return whether a message is a record and no error; raise an error that is final."""
        error = message.error()
        if error is None:
            return True
        at_log_end = error.code() == KafkaError._PARTITION_EOF
        if at_log_end and (message.offset() or 0) >= self.log_end_min:
            return False
        if error.code() == KafkaError._AUTO_OFFSET_RESET and self.verify_previous is not None:
            self.verify_previous = None  # only records that were read before are deleted
            self._assign(self.next_offset)
            return False
        if error.code() in OUT_OF_RANGE:
            raise self._lost()
        if error.code() not in RETRIABLE_ERRORS:
            raise TapeflowError(f"{self.partition}, at offset {self.next_offset}: {error.str()}")
        self.status.on_error(error)
        return False

    def _note_silence(self) -> None:
        if self.status.last_error:
            self.status.check()
            self.status.note_silence(self._is_available)

    def _is_available(self) -> bool:
        try:
            self._offset_bounds(PROBE_S)
        except KafkaException:
            return False
        return True

    def _offset_bounds(self, timeout_s: float) -> OffsetBounds:
        partition = TopicPartition(self.partition.topic, self.partition.number)
        return self.consumer.get_watermark_offsets(partition, timeout=timeout_s)

    def _lost(self) -> TapeflowError:
        """Return the error of a next record that is not there, with the likely reason."""
        expected = f"{self.partition}: offset {self.next_offset} should come next"
        try:
            low, high = self._offset_bounds(ERROR_DETAILS_S)
        except KafkaException as raised:
            return TapeflowError(f"{expected}, but is gone (and then: {raised.args[0].str()})")
        if self.next_offset < low:
            why = WHY_DELETED
        elif self.log_end_min > high:
            why = WHY_RECREATED
        else:
            why = WHY_GAPS
        return TapeflowError(f"{expected}, but there are {low} up to {high} (excluded): {why}")
