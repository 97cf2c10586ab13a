"""The items that travel between steps: one for each poll of a partition.

Page --decode--> Batch --dedupe, bars, ...--> Batch --to_desk--> DeskBatch
frames           columns; each step fills its own fields         what the desk uses of it
"""

from typing import Any

import numpy as np
from msgspec import Struct, structs

from tapeflow.schemas.columns import Bytes, Columns, Floats, Ints
from tapeflow.schemas.control import SignedCommand
from tapeflow.schemas.desk_market import DeskMarket
from tapeflow.schemas.gaps import Breaks, Gaps
from tapeflow.schemas.market import Bars, Market
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.signals import AnyIntent, Signal
from tapeflow.schemas.time import MAX_NS


class IgnoredFrames(Columns, frozen=True, eq=False):
    """Frames that were recognised and of which nothing is stored, in log order."""

    offset: Ints
    channel: Ints  # its number in the dialect of the venue


NO_BARS, NO_SCORES, NONE_IGNORED = Bars.empty(), np.empty(0), IgnoredFrames.empty()
NO_BREAKS, NO_GAPS = Breaks.empty(), Gaps.empty()
PADDING = 64  # zero bytes after the frames: a scanner may read past a frame's end


class Page(Struct, frozen=True, eq=False):
    """Consecutive records of one partition, not decoded."""

    partition: str
    first_offset: int
    log_ns: Ints  # of each record, never decreasing
    starts: Ints  # frame i is data[starts[i]:ends[i]]; an empty one is a heartbeat
    ends: Ints
    data: Bytes  # ends in PADDING zero bytes
    end_of_log: bool = False  # the last page of a finite log: no record comes after it
    written_ns: Ints | None = None  # log times as they were written, where some were corrected

    @classmethod
    def from_frames(
        cls,
        partition: str,
        first_offset: int,
        log_ns: list[int],
        frames: list[bytes],
        *,
        end_of_log: bool = False,
    ) -> "Page":
        """Lay frames out as a page; `log_ns` has the log time of each."""
        lengths = np.fromiter(map(len, frames), np.int64, len(frames))
        ends = np.cumsum(lengths)
        data = np.frombuffer(b"".join((*frames, bytes(PADDING))), np.uint8)
        times = np.array(log_ns, np.int64)
        return cls(partition, first_offset, times, ends - lengths, ends, data, end_of_log)

    @property
    def next_offset(self) -> int:
        """The offset of the record after the last one."""
        return self.first_offset + len(self.log_ns)

    @property
    def stamps(self) -> Ints:
        """The log time of each record as it was written, ns."""
        return self.log_ns if self.written_ns is None else self.written_ns

    def frame(self, number: int) -> bytes:
        """Return the frame of record `number` of the page."""
        return self.data[self.starts[number] : self.ends[number]].tobytes()


class UnlistedRecords(Struct, frozen=True):
    """The records of one minute that hold a symbol which the job does not list."""

    symbol: str  # as the venue writes it
    minute: int  # of log time
    records: int
    first_offset: int
    first_log_ns: int
    last_log_ns: int

    def merge(self, later: "UnlistedRecords") -> "UnlistedRecords":
        """Return the records of both, of which `later` begins later or in the same page."""
        first = min(self, later, key=lambda each: each.first_offset)
        return structs.replace(
            first,
            records=self.records + later.records,
            last_log_ns=max(self.last_log_ns, later.last_log_ns),
        )


class Batch(Struct, frozen=True, eq=False):
    """The decoded records of a page, and what the steps up to here have added."""

    partition: str
    first_offset: int
    log_ns: Ints  # of each record
    status: Ints  # of each record's frame: DECODED, HEARTBEAT, IGNORED, ...
    record_instrument: Ints  # of each record: its first listed instrument, -1 if none
    end_of_log: bool
    market: Market
    dead_letters: tuple[DeadLetter, ...] = ()
    ignored: IgnoredFrames = NONE_IGNORED
    breaks: Breaks = NO_BREAKS  # in ids and log times of these records, in order
    unlisted: tuple[UnlistedRecords, ...] = ()  # by minute and symbol
    bars: Bars = NO_BARS  # closed by these records, in order
    last_offset: int | None = None  # of the record before these, -1 where there was none
    gaps: Gaps = NO_GAPS  # that these records have made facts, in order
    scores: Floats = NO_SCORES  # one for each bar, NaN where there is none
    other_bars: dict[str, Bars] = {}  # closed by these records, by kind: kinds that have some
    features: dict[str, Floats] = {}  # by need: at each bar, NaN before warm-up; of kinds with bars
    signals: tuple[Signal, ...] = ()
    intents: tuple[AnyIntent, ...] = ()
    written_ns: Ints | None = None  # as of the page
    controls: tuple[SignedCommand, ...] = ()  # of a control partition

    @property
    def next_offset(self) -> int:
        """The offset of the record after the last one."""
        return self.first_offset + len(self.log_ns)

    def replace(self, **fields: Any) -> "Batch":
        """Return the batch with some fields changed."""
        return structs.replace(self, **fields)

    def with_verdict(self, verdict: Ints) -> "Batch":
        """Return the batch with another verdict on each trade."""
        trades = self.market.trades.with_verdict(verdict)
        return structs.replace(self, market=structs.replace(self.market, trades=trades))


class DeskBatch(Struct, frozen=True, eq=False):
    """One batch as the desk receives it: progress of the partition, ticks, intents."""

    partition: str
    first_offset: int
    next_offset: int
    log_ns: int  # of the last record; 0 where the batch has none
    end_of_log: bool
    instruments: Ints  # that have a tick in the batch, whatever became of it
    market: DeskMarket
    intents: tuple[AnyIntent, ...]
    bars: Bars = NO_BARS  # where strategies, or orders in slices, follow them
    other_bars: dict[str, Bars] = {}  # by kind
    features: dict[str, Floats] = {}  # by need: one for each bar of its kind
    first_log_ns: int = 0  # of the first record; 0 where the batch has none
    minutes: dict[int, int] = {}  # of its records, and their signals: where strategies are called
    controls: tuple[SignedCommand, ...] = ()


class BarBlock(Struct, frozen=True, eq=False):
    """Bars among the facts, still as columns: tables are written by column."""

    partition: str
    bars: Bars
    kind: str = ""  # "": of the job's width


Facts = tuple[Struct, ...]  # output rows of one batch, in order; bars as blocks


def split_page(page: Page, records: int, span_ns: int = MAX_NS) -> tuple[Page, Page | None]:
    """Split off the first records of a page: at most `records`, over at most `span_ns` of log time.

    Returns them as one page and the remaining records as another, None if none remain.
    """
    count = min(records, len(page.log_ns))
    if span_ns < MAX_NS:
        span_end = min(int(page.log_ns[0]) + span_ns, MAX_NS)
        count = int(np.searchsorted(page.log_ns[:records], span_end, "right"))
    if count == len(page.log_ns):
        return page, None
    return slice_page(page, slice(None, count)), slice_page(page, slice(count, None))


def slice_page(page: Page, rows: slice) -> Page:
    """Return consecutive records of a page, over the same bytes."""
    first_offset = page.first_offset + (rows.start or 0)
    columns = (page.log_ns[rows], page.starts[rows], page.ends[rows])
    written_ns = None if page.written_ns is None else page.written_ns[rows]
    return Page(page.partition, first_offset, *columns, page.data, written_ns=written_ns)
