"""The log time of each record, made of the times that were written: it never goes back.

    written   10:00  10:01  10:00  10:02  2027   10:03   next day, 10:00  10:01
    log time  10:00  10:01  10:01  10:02  10:02  10:03   next day, 10:00  10:01
                            held          held: the next record does not confirm it

The rule is in log_times.py. It looks one record ahead, so this reader may hold one back.
"""

from typing import Any, NamedTuple

import numpy as np
from msgspec import structs

from tapeflow.connectors.source.log_times import END_NS, JITTER_NS, UNKNOWN_NS, set_log_times
from tapeflow.connectors.source.reader import Reader, ReaderFactory, extent_of
from tapeflow.schemas.batches import Page, slice_page, split_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import MAX_NS, MIN_NS, format_seconds, format_time

OVERLAP_NS = 1_000_000_000  # a file may begin so far before the end of the one before it


class Fetched(NamedTuple):
    """A page of the reader, and where it was."""

    page: Page
    before: Any  # the reader's position before it
    skipped: int  # records between that position and the page
    after: Any  # the reader's position after it
    place: str  # the file or topic it came from


class LogClock:
    """A reader that gives the pages of another one their log times."""

    def __init__(
        self,
        open_reader: ReaderFactory,
        records: int,
        span_ns: int,
        step_ns: int,
        position: Any,
        notify: Notify,
    ) -> None:
        """Open the reader at `position`; pages hold at most `records`, over at most `span_ns`.

        `step_ns`: how far ahead a record may be without being confirmed; 0: as far as it likes.
        """
        begin: tuple[Any, int, int, int] = position or (None, 0, MIN_NS, MIN_NS)
        origin, skipped, self.log_ns, self.stamp_ns = begin
        self.reader: Reader = open_reader(origin)
        self.records, self.span_ns, self.notify = records, span_ns, notify
        self.step_ns = min(step_ns, MAX_NS) or MAX_NS
        self.origin = (origin, skipped) if skipped else (self.reader.position(), 0)
        self.to_skip = skipped  # records that were delivered before a restart
        self.place = str(self.reader)
        self.current: Fetched | None = None
        self.following: Fetched | None = None
        self.delivered = 0  # of the current page
        self.ready: Page | None = None  # the records of it that have their log times
        self.notified: set[str] = set()  # which corrections were notified

    def __str__(self) -> str:
        return self.place

    @property
    def ended(self) -> bool:
        """Whether no record will ever come after those read."""
        return self.reader.ended and self.current is None and self.following is None

    def read(self) -> Page | None:
        """Return the next records, or None if there are none now.

        Raises TapeflowError where the log goes back and stays there.
        """
        if self.ready is None:
            if self.current is None and not self._advance():
                return None
            self.ready = self._decide()
            if self.ready is None:
                return None
        page, self.ready = split_page(self.ready, self.records, self.span_ns)
        self.log_ns, self.stamp_ns = int(page.log_ns[-1]), int(page.stamps[-1])
        self.delivered += len(page.log_ns)
        assert self.current is not None
        begin = self.current
        if self.delivered < len(begin.page.log_ns):
            self.origin = begin.before, begin.skipped + self.delivered
        else:
            self.origin, self.current = (begin.after, 0), None
        return self._notify_corrections(page)

    def position(self) -> Any:
        """Return where to resume: the reader's position, records to pass over, last log times."""
        return *self.origin, self.log_ns, self.stamp_ns

    def extent(self) -> tuple[int, int]:
        """Return how much of the partition the reader has read, and how much there is."""
        return extent_of(self.reader)

    def close(self) -> None:
        """Close the reader."""
        self.reader.close()

    def _advance(self) -> bool:
        """Go on to the next page; False if there is none now."""
        self.current, self.following = self.following or self._fetch(), None
        if self.current is None:
            return False
        self.delivered = 0
        place, begin_ns = self.current.place, int(self.current.page.log_ns[0])
        if place != self.place and begin_ns < self.log_ns - OVERLAP_NS:
            raise TapeflowError(
                f"{place} begins at {format_time(begin_ns)}, before the end of {self.place}, "
                f"{format_time(self.log_ns)}: the files of a partition must follow each other"
            )
        self.place = place
        return True

    def _fetch(self) -> Fetched | None:
        """Read the next page without the records that were delivered before a restart."""
        before, skipped = self.origin if self.to_skip else (self.reader.position(), 0)
        while (page := self.reader.read()) is not None:
            skip = min(self.to_skip, len(page.log_ns))
            self.to_skip -= skip
            if skip and not self.to_skip and int(page.log_ns[skip - 1]) != self.stamp_ns:
                raise TapeflowError(
                    f"{self.reader}: record {page.first_offset + skip - 1} has another log time "
                    "than when it was read: start with a fresh --state"
                )
            if skip < len(page.log_ns):
                page = slice_page(page, slice(skip, None)) if skip else page
                return Fetched(page, before, skipped, self.reader.position(), str(self.reader))
        return None

    def _decide(self) -> Page | None:
        """Give log times to the records of the current page; None if the first one must wait.

        The last one may need the record after it, which the next page has.
        """
        assert self.current is not None
        page = slice_page(self.current.page, slice(self.delivered, None))
        log_ns = np.empty_like(page.log_ns)
        while True:
            after_ns = self._stamp_after()
            decided, corrected = set_log_times(
                page.log_ns, after_ns, self.log_ns, self.step_ns, log_ns
            )
            if decided:
                some = slice_page(page, slice(None, decided))
                written_ns = some.log_ns if corrected else None
                return structs.replace(some, log_ns=log_ns[:decided], written_ns=written_ns)
            if after_ns != UNKNOWN_NS or len(page.log_ns) > 1:
                raise self._goes_back(page)
            self.following = self._fetch()
            if self.following is None and not self.reader.ended:
                return None

    def _stamp_after(self) -> int:
        """Return what the record after the current page has as its time, as far as is known."""
        if self.following is not None:
            return int(self.following.page.log_ns[0])
        return END_NS if self.reader.ended else UNKNOWN_NS

    def _goes_back(self, page: Page) -> TapeflowError:
        """Return the error of a first record that goes back, and is confirmed by the next one."""
        return TapeflowError(
            f"{self.place}: record {page.first_offset} was written at "
            f"{format_time(int(page.log_ns[0]))}, {(self.log_ns - page.log_ns[0]) / 1e9:,.3f} s "
            f"before the log time reached, and so were those after it: a log goes back by at most "
            f"{JITTER_NS // 10**9} s. Do its files overlap, or have two recorders written it? "
            "A topic can be read from behind it with --from"
        )

    def _notify_corrections(self, page: Page) -> Page:
        """Notify of the first corrections of each kind; drop the written times where none is."""
        if page.written_ns is None:
            return page
        ahead_ns = page.written_ns - page.log_ns
        if not ahead_ns.any():
            return structs.replace(page, written_ns=None)
        kinds = (
            ("stepped_back", ahead_ns < 0, "before the log time reached"),
            ("stepped_ahead", ahead_ns > 0, "ahead, and the next record does not confirm it"),
        )
        for kind, found, where in kinds:
            if kind not in self.notified and found.any():
                self.notified.add(kind)
                row = int(found.argmax())
                self.notify(
                    f"{self.place}: record {page.first_offset + row} was written at "
                    f"{format_time(int(page.written_ns[row]))}, "
                    f"{format_seconds(abs(int(ahead_ns[row])))} s {where}: it is held at "
                    f"{format_time(int(page.log_ns[row]))}. Such records are counted in "
                    f"data_quality_minutes as {kind}"
                )
        return page
