"""What a poll of a partition gives, and what the steps make of it: one item each.

Page --decode--> Batch --dedupe, bars, ...--> Batch, each step filling its own fields
"""

from typing import Any

import numpy as np
from msgspec import Struct, structs

from tapeflow.schemas.columns import Bytes, Floats, Ints
from tapeflow.schemas.market import Bars, Quotes, Trades
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.signals import Intent, Signal

NO_BARS, NO_SCORES = Bars.empty(), np.empty(0)
PADDING = 64  # zero bytes behind the frames: a scanner may read past a frame's end


class Page(Struct, frozen=True, eq=False):
    """Some records of one partition, raw, in their order."""

    partition: str
    lo: int  # offset of the first record; the next page begins at lo + len(log_ns)
    log_ns: Ints  # of each record, never decreasing
    starts: Ints  # frame i is data[starts[i]:ends[i]]; an empty one is a heartbeat
    ends: Ints
    data: Bytes  # ends in PADDING zero bytes
    end: bool = False  # the last page of a finite log: no record comes after it

    @property
    def hi(self) -> int:
        """Offset of the record after the last one."""
        return self.lo + len(self.log_ns)

    def frame(self, number: int) -> bytes:
        """The frame of one record."""
        return self.data[self.starts[number] : self.ends[number]].tobytes()


class Batch(Struct, frozen=True, eq=False):
    """A page's records, decoded and judged as far as the steps so far have come."""

    partition: str
    lo: int
    log_ns: Ints  # of each record
    status: Ints  # of each record's frame: DECODED, HEARTBEAT, IGNORED, ...
    owner: Ints  # of each record: the instrument it first speaks of, -1 if none
    end: bool
    trades: Trades
    quotes: Quotes
    dead: tuple[DeadLetter, ...] = ()
    bars: Bars = NO_BARS  # closed by these records, in order
    scores: Floats = NO_SCORES  # one for each bar, NaN where there is none
    signals: tuple[Signal, ...] = ()
    intents: tuple[Intent, ...] = ()

    @property
    def hi(self) -> int:
        """Offset of the record after the last one."""
        return self.lo + len(self.log_ns)

    def replace(self, **fields: Any) -> "Batch":
        """The same with some fields changed."""
        return structs.replace(self, **fields)


class AccountBatch(Struct, frozen=True, eq=False):
    """What a desk is told of a batch: progress, judged ticks, and the wishes for its account."""

    account: str
    partition: str
    lo: int
    hi: int
    log_ns: int  # of the last record so far
    end: bool
    trades: Trades
    quotes: Quotes
    intents: tuple[Intent, ...]


class BarBlock(Struct, frozen=True, eq=False):
    """Bars among the facts: columns still, as a table takes them."""

    partition: str
    bars: Bars


Facts = tuple[Struct, ...]  # what a page made certain, in order; bars in blocks


def page_from_frames(
    partition: str, lo: int, log_ns: list[int], frames: list[bytes], end: bool = False
) -> Page:
    """Lay frames out as a page."""
    lengths = np.fromiter(map(len, frames), np.int64, len(frames))
    ends = np.cumsum(lengths)
    data = np.frombuffer(b"".join((*frames, bytes(PADDING))), np.uint8)
    return Page(partition, lo, np.array(log_ns, np.int64), ends - lengths, ends, data, end)


def cut(page: Page, records: int, span_ns: int) -> tuple[Page, Page | None]:
    """The first records of a page, so many at most and so much log time, and the others."""
    span_end = min(int(page.log_ns[0]) + span_ns, 2**63 - 1)
    count = int(np.searchsorted(page.log_ns[:records], span_end, "right"))
    if count == len(page.log_ns):
        return page, None
    return part(page, slice(None, count)), part(page, slice(count, None))


def part(page: Page, chosen: slice) -> Page:
    """Some records of a page that follow each other, over the same bytes."""
    lo = page.lo + (chosen.start or 0)
    columns = (page.log_ns[chosen], page.starts[chosen], page.ends[chosen])
    return Page(page.partition, lo, *columns, page.data)
