"""A raw Kafka topic as a log: one partition of it, read forward in pages.

    broker --records--> RecordFetcher --> KafkaReader --Page--> partition of the source
           offset   0 1 2 3 4 ...                     frame numbers 0 1 2 3 ...

A record is one frame, or a pack of many (packs.py). Pages number frames, not records: a log has the
same numbers however it is packed. Where no record is a pack they equal Kafka's offsets.
"""

from collections import deque
from functools import partial
from typing import Any

from tapeflow.connectors.kafka.fetcher import WHY_RECREATED, RecordFetcher
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.groups import RecordGroup
from tapeflow.connectors.kafka.packs import Pack, PackHeader, page_of_packs, read_pack
from tapeflow.connectors.kafka.records import RecordColumns, Records
from tapeflow.connectors.kafka.resume import (
    UNKNOWN,
    check_is_pack,
    check_log_time,
    check_previous,
    least_end,
)
from tapeflow.schemas.batches import Page, slice_page, split_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MAX_NS, MIN_NS

PACKS_PER_FETCH = 8  # records fetched at a time where they are packs


class KafkaReader:
    """Reads one partition of a topic, a page at a time; never blocks."""

    def __init__(
        self,
        partition: KafkaPartition,
        records: int,
        end: int | None,
        position: Any,
        notify: Notify,
        reached: Any = None,
    ) -> None:
        """Read from `position`, or from the beginning, up to offset `end`, or without end.

        Pages hold at most `records` frames, with log times as written. Raises TapeflowError for a
        position beyond the end, as `reached` may be, up to which the log was read before.
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
        self.fetched: deque[RecordGroup | RecordColumns] = deque()  # not laid out yet
        self.buffered: Page | None = None  # laid out, and not delivered yet
        self.is_packed = False  # whether `buffered` comes from packs
        self.pack_frames: deque[int] = deque()  # of each pack in `buffered` that is not begun yet
        log_end_min = least_end(reached or self.position())
        if end is not None and log_end_min > end:
            beyond = f"{partition}: offset {log_end_min} is beyond the end, {end}"
            raise TapeflowError(f"{beyond}: {WHY_RECREATED}")
        # Is the record before the position still the one we read? In mid-pack the pack shows it.
        proof = partial(check_previous, partition, self.position())
        verify = None if self.log_ns == MIN_NS or self.is_mid_pack else proof
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
            self.ended |= self.end is not None and self.fetcher.log_end >= self.end
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
        """Return how many records are read, and how many there are; (0, 0) with no end."""
        return (0, 0) if self.end is None else (self.offset, self.end)

    def close(self) -> None:
        """Close the connection."""
        self.fetcher.close()

    def _next(self) -> Page | None:
        """Lay out the next of the records fetched: packs, or the plain records before them."""
        if not self.fetched and not self.ended:
            self.fetched.extend(self._fetch().groups())
        if not self.fetched:
            return None
        group = self.fetched.popleft()
        header = group.pack_header(self.partition)
        if self.is_mid_pack:
            check_is_pack(self.partition, self.position(), header)
        else:
            self._pass_hole(group.first, is_pack=header is not None)
        self.is_packed = header is not None
        if isinstance(group, RecordGroup) and header is not None:
            return self._merge_packs(group, header)
        self.frames_delivered = self.frames_in_pack = 1
        return group.page(self.partition, self.frames)

    def _fetch(self) -> Records:
        count = PACKS_PER_FETCH if self.is_packed else self.records
        end = MAX_NS if self.end is None else self.end
        records = self.fetcher.fetch(min(count, end - self.offset))
        within = records.below(end)
        if len(within) < len(records):  # the last offsets before the end hold no record
            self.fetcher.log_end = end
        return within

    def _pass_hole(self, offset: int, *, is_pack: bool) -> None:
        """Go on at an offset, behind others that hold no record; a pack says its own number."""
        if is_pack:
            self.frames = self.frames if offset == self.offset else UNKNOWN
        else:
            self.frames = offset if self.frames == UNKNOWN else self.frames + offset - self.offset
        self.offset = offset

    def _merge_packs(self, group: RecordGroup, header: PackHeader) -> Page:
        """Lay out a pack, and those behind it that a page has room for.

        Of a pack in which a restart has resumed only the frames that were not delivered.
        """
        first, end = header.first, header.first + header.frames
        if not self.is_mid_pack and self.frames not in (first, UNKNOWN):
            raise TapeflowError(
                f"{self.partition}: the pack at offset {self.offset} should begin with frame "
                f"{self.frames}, but says {first}: did someone else write? Load into a fresh topic"
            )
        packs = [read_pack(self.partition, group.messages[0], group.headers[0], header)]
        if not self.is_mid_pack:
            self.pack_frames.append(header.frames)
        while self.fetched and (
            pack := self._next_pack_if_fits(end, len(packs), self.records - (end - first))
        ):
            packs.append(pack)
            self.pack_frames.append(len(pack.log_ns))
            self.fetched.popleft()
            end += len(pack.log_ns)
        page = page_of_packs(self.partition.name, first, packs)
        if self.is_mid_pack:
            found_ns = int(page.log_ns[self.frames_delivered - 1])
            check_log_time(self.partition, self.position(), found_ns)
            page = slice_page(page, slice(self.frames_delivered, None))
        return page

    def _next_pack_if_fits(self, first: int, ahead: int, frames_max: int) -> Pack | None:
        """Read the record `ahead`, if it is a whole pack of few enough frames, from `first` on.

        None for a damaged one: the frames before it are delivered first.
        """
        group = self.fetched[0]
        try:
            header = group.pack_header(self.partition)
            if header is None or header.first != first or header.frames > frames_max:
                return None
            if isinstance(group, RecordColumns) or group.first != self.offset + ahead:
                return None
            return read_pack(self.partition, group.messages[0], group.headers[0], header)
        except TapeflowError:
            return None
