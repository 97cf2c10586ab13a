"""A raw Kafka topic as a log: one partition of it, read forward in pages.

    broker --records--> RecordFetcher --> KafkaReader --Page--> partition of the source
           offset   0 1 2 3 4 ...                     frame numbers 0 1 2 3 ...

A record is one frame, or a pack of many (packs.py). Pages number frames, not records: a log has the
same numbers however it is packed. Where no record is a pack they equal Kafka's offsets.
"""

from collections import deque
from typing import Any

from confluent_kafka import Message

from tapeflow.connectors.kafka.fetcher import WHY_RECREATED, RecordFetcher
from tapeflow.connectors.kafka.frames import KafkaPartition, log_times, page_from_messages
from tapeflow.connectors.kafka.packs import (
    Pack,
    PackHeader,
    RecordGroup,
    group_records,
    page_of_packs,
    parse_pack_header,
    read_pack,
)
from tapeflow.schemas.batches import Page, slice_page, split_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MIN_NS

PACKS_PER_FETCH = 8  # records fetched at a time where they are packs
UNKNOWN = -1  # frames before a record, for a reader that begins in mid-log: a pack has it


class KafkaReader:
    """Reads one partition of a topic, a page at a time; never blocks."""

    def __init__(
        self,
        partition: KafkaPartition,
        records: int,
        end: int | None,
        position: Any,
        notify: Notify,
    ) -> None:
        """Read from `position`, or from the beginning, up to offset `end`, or without end.

        Pages hold at most `records` frames, with log times as written. Raises TapeflowError for a
        position beyond the end.
        """
        self.partition, self.records, self.end = partition, records, end
        self.offset: int  # of the next record; in mid-pack of the pack
        self.frames: int  # of the partition, before the next frame
        self.log_ns: int  # of the last frame
        self.frames_delivered: int  # of the last record
        self.frames_in_pack: int  # of the last record; 1 where it is plain
        self.offset, self.frames, self.log_ns, self.frames_delivered, self.frames_in_pack = (
            position or (0, 0, MIN_NS, 0, 0)
        )
        self.ended = self.offset == end
        self.fetched: deque[RecordGroup] = deque()  # records that are not laid out yet
        self.buffered: Page | None = None  # laid out, and not delivered yet
        self.is_packed = False  # whether `buffered` comes from packs
        self.pack_frames: deque[int] = deque()  # of each pack in `buffered` that is not begun yet
        log_end_min = self.offset + self.is_mid_pack
        if end is not None and log_end_min > end:
            raise TapeflowError(
                f"{partition}: offset {self.offset} is beyond the end, {end}: {WHY_RECREATED}"
            )
        # Is the record before the position still the one we read? In mid-pack the pack shows it.
        verify = None if self.log_ns == MIN_NS or self.is_mid_pack else self._verify_previous
        self.fetcher = RecordFetcher(partition, self.offset, log_end_min, verify, notify)

    @property
    def is_mid_pack(self) -> bool:
        """Whether some frames of the last pack are delivered, and others not."""
        return self.frames_delivered < self.frames_in_pack

    def __str__(self) -> str:
        return str(self.partition)

    def read(self) -> Page | None:
        """Return the next frames, or None if there are none now.

        Raises TapeflowError where records are gone, damaged, or not those of this log.
        """
        if self.buffered is None:
            self.buffered = self._next()
        if self.buffered is None:
            return None
        page, self.buffered = split_page(self.buffered, self.records)
        self.frames, self.log_ns = page.next_offset, int(page.log_ns[-1])
        if self.is_packed:
            self._advance_packs(len(page.log_ns))
        else:
            self.offset += len(page.log_ns)
        self.ended = self.offset == self.end
        return page

    def _advance_packs(self, frames: int) -> None:
        """Advance the position by this many frames of the buffered packs."""
        while frames:
            if not self.is_mid_pack:
                self.frames_delivered, self.frames_in_pack = 0, self.pack_frames.popleft()
            step = min(frames, self.frames_in_pack - self.frames_delivered)
            self.frames_delivered += step
            self.offset += not self.is_mid_pack
            frames -= step

    def position(self) -> Any:
        """Return where to resume: next offset (in mid-pack the pack's), frames before it, log time.

        The last log time in ns; then the frames delivered of the last record, and all in it.
        """
        return self.offset, self.frames, self.log_ns, self.frames_delivered, self.frames_in_pack

    def extent(self) -> tuple[int, int]:
        """Return how many Kafka records are read, and how many there are; (0, 0) with no end."""
        return (0, 0) if self.end is None else (self.offset, self.end)

    def close(self) -> None:
        """Close the connection."""
        self.fetcher.close()

    def _next(self) -> Page | None:
        """Lay out the next of the records fetched: packs, or the plain records before them."""
        if not self.fetched:
            self.fetched.extend(group_records(self._fetch()))
        if not self.fetched:
            return None
        messages, headers = self.fetched.popleft()
        header = parse_pack_header(self.partition, messages[0], headers[0])
        if self.is_mid_pack:
            self._check_is_pack(header)
        self.is_packed = header is not None
        if header is not None:
            return self._merge_packs(messages[0], headers[0], header)
        self.frames_delivered = self.frames_in_pack = 1
        return page_from_messages(self.partition, self.frames, messages, headers)

    def _fetch(self) -> list[Message]:
        if self.ended:
            return []
        records = PACKS_PER_FETCH if self.is_packed else self.records
        most = records if self.end is None else min(records, self.end - self.offset)
        return self.fetcher.fetch(most)

    def _merge_packs(self, message: Message, headers: Any, header: PackHeader) -> Page:
        """Lay out a pack, and those behind it that a page has room for.

        Of a pack in which a restart has resumed only the frames that were not delivered.
        """
        first, end = header.first, header.first + header.frames
        if not self.is_mid_pack and self.frames not in (first, UNKNOWN):
            raise TapeflowError(
                f"{self.partition}: the pack at offset {self.offset} should begin with frame "
                f"{self.frames}, but says {first}: did someone else write while it was "
                "loaded? Load the frames again into a fresh topic"
            )
        packs = [read_pack(self.partition, message, headers, header)]
        if not self.is_mid_pack:
            self.pack_frames.append(header.frames)
        while self.fetched and (pack := self._next_pack_if_fits(end, self.records - (end - first))):
            packs.append(pack)
            self.pack_frames.append(len(pack.log_ns))
            self.fetched.popleft()
            end += len(pack.log_ns)
        page = page_of_packs(self.partition.name, first, packs)
        if self.is_mid_pack:
            self._check_log_time(int(page.log_ns[self.frames_delivered - 1]))
            page = slice_page(page, slice(self.frames_delivered, None))
        return page

    def _next_pack_if_fits(self, first: int, frames_max: int) -> Pack | None:
        """Read the next record if it is a whole pack from frame `first` on, of few enough frames.

        None for a damaged one: the frames before it are delivered first.
        """
        messages, headers = self.fetched[0]
        try:
            header = parse_pack_header(self.partition, messages[0], headers[0])
            if header is None or header.first != first or header.frames > frames_max:
                return None
            return read_pack(self.partition, messages[0], headers[0], header)
        except TapeflowError:
            return None

    # --- is this the log that was read before a restart? ---

    def _verify_previous(self, message: Message) -> None:
        """Compare the record before the position with what was read there."""
        headers = message.headers()
        self._check_log_time(int(log_times(self.partition, [message], [headers])[0]))
        header = parse_pack_header(self.partition, message, headers)
        if header is None:
            is_same = self.frames_in_pack == 1
        else:
            is_same = header == (self.frames - self.frames_in_pack, self.frames_in_pack)
        if not is_same:
            raise TapeflowError(
                f"{self.partition}: the record before offset {self.offset} holds other frames than "
                f"the {self.frames_in_pack} we have read there: {WHY_RECREATED}"
            )

    def _check_is_pack(self, header: PackHeader | None) -> None:
        """Compare the header of the next record with the pack that was delivered in part."""
        if header != (self.frames - self.frames_delivered, self.frames_in_pack):
            raise TapeflowError(
                f"{self.partition}: the record at offset {self.offset} is not the pack of "
                f"{self.frames_in_pack} frames of which we have read {self.frames_delivered}: "
                f"{WHY_RECREATED}"
            )

    def _check_log_time(self, log_ns: int) -> None:
        """Compare the written log time of the last frame with what was read."""
        if log_ns != self.log_ns:
            raise TapeflowError(
                f"{self.partition}: the record before offset {self.offset} has log time {log_ns}, "
                f"but we have read {self.log_ns} there: {WHY_RECREATED}"
            )
