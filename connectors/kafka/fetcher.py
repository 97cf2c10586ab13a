"""Records of one Kafka partition in order of their offsets: the next ones, or an error.

    assign at 7     consume -> 7 8 9     next_offset = 10
                    consume -> 12        10 and 11 never were records, or the log begins behind 10:
                                         then it is an error

No consumer group: offsets live in the recovery store, with the state they belong to. A record that
was deleted is never skipped; offsets that hold no record, as the markers of transactions and what
compaction has removed, are. Nothing here blocks, but for PROBE_S now and then during an outage.
"""

import time
from collections.abc import Callable

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tapeflow.connectors.kafka.client import RETRIABLE_ERRORS, BrokerStatus
from tapeflow.connectors.kafka.consumers import open_consumer
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.offsets import OffsetBounds
from tapeflow.connectors.kafka.records import Messages, RecordColumns, Records
from tapeflow.schemas.errors import RecordsDeletedError, TapeflowError
from tapeflow.schemas.notify import Notify

ERROR_DETAILS_S = 5.0  # timeout of the request for what an error line reports
PROBE_S = 0.1  # blocks the worker, but only while nothing comes
OUT_OF_RANGE = (KafkaError._AUTO_OFFSET_RESET, KafkaError._PARTITION_EOF)
WHY_DELETED = (
    "older records were deleted, by retention or because the embedded broker keeps 5 MiB of each "
    "partition: load the records again into a fresh topic, with retention.ms=-1"
)
WHY_RECREATED = "the broker was emptied or the topic created again: start with a fresh --state"
WHY_GONE = "records in between are gone"
HOLE_CHECK_S = 10.0  # between two checks that a hole is none of deleted records


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
        self.log_end = 0  # offset at which the log was last seen to end
        self.hole_checked_at: float | None = None  # monotonic time, s
        self.status = BrokerStatus(partition.bootstrap, notify, f"{partition.name}: ")
        self.consumer = open_consumer(self.status, partition.client)
        self._assign(offset - (verify_previous is not None))

    def fetch(self, records: int) -> Records:
        """Return up to `records` next records; none if none have come.

        Raises TapeflowError where the next record is gone, or the broker refuses to send it.
        """
        fetched = self._consume(records + (self.verify_previous is not None))
        if not len(fetched):
            self._note_silence()
            return fetched
        self.status.mark_available()
        if self.verify_previous is not None:
            verify, self.verify_previous = self.verify_previous, None
            if fetched.first < self.next_offset:  # else compaction has removed it
                verify(fetched.message(0))
                fetched = fetched.after_first()
            if not len(fetched):
                return fetched
        if fetched.first < self.next_offset:
            raise self._lost()
        if fetched.last != self.next_offset + len(fetched) - 1:
            self._check_hole(fetched)
        self.next_offset = fetched.last + 1
        self.log_end_min = max(self.log_end_min, self.next_offset)
        return fetched

    def _consume(self, records: int) -> Records:
        """Return the records that have come, without what comes in place of a record."""
        fetched: RecordColumns | list[Message] = self.consumer.consume(records, 0)
        if isinstance(fetched, RecordColumns):
            return fetched
        if any(map(Message.error, fetched)):
            fetched = [message for message in fetched if self._is_record(message)]
        return Messages(fetched)

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
            self.log_end = message.offset() or 0
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

    def _check_hole(self, records: Records) -> None:
        """Raise TapeflowError if the records in a hole were deleted; notify of the first hole."""
        now = time.monotonic()
        if self.hole_checked_at is not None and now - self.hole_checked_at < HOLE_CHECK_S:
            return
        try:
            low, _ = self._offset_bounds(ERROR_DETAILS_S)
        except KafkaException:
            return  # an outage: the next hole is checked
        if low > self.next_offset:
            raise self._lost()
        if self.hole_checked_at is None:
            expected = np.arange(self.next_offset, self.next_offset + len(records))
            hole = expected[np.argmax(records.offsets != expected)]
            self.status.notify(
                f"{self.partition}: offsets such as {hole} hold no record, as markers of "
                "transactions or after compaction: they are passed over"
            )
        self.hole_checked_at = now

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
        bounds: OffsetBounds = self.consumer.get_watermark_offsets(partition, timeout=timeout_s)
        return bounds

    def _lost(self) -> TapeflowError:
        """Return the error of a next record that is not there, with the likely reason."""
        expected = f"{self.partition}: offset {self.next_offset} should come next"
        try:
            low, high = self._offset_bounds(ERROR_DETAILS_S)
        except KafkaException as raised:
            return TapeflowError(f"{expected}, but is gone (and then: {raised.args[0].str()})")
        if self.next_offset < low:
            return RecordsDeletedError(
                f"{expected}, but there are {low} up to {high} (excluded): {WHY_DELETED}"
            )
        why = WHY_RECREATED if self.log_end_min > high else WHY_GONE
        return TapeflowError(f"{expected}, but there are {low} up to {high} (excluded): {why}")
