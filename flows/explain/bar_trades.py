"""Finds the trades that a bar was made of, and compares their sum with it.

    trades that are accepted, of the bar's instrument and time, not late

A bar of so many trades, of volume or money begins where the one before is full: trades of its first
and its last record may be in its neighbours, in part or whole.
"""

import math
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.sides import side_name

CLOSE = 1e-12  # by which sums of float64 may differ


class BarTrades:
    """The records of a bar, wanted for its trades."""

    kinds = ()

    def __init__(self, node: Node, table: InstrumentTable, begin: int, keep: int | None) -> None:
        """Want the records from `begin` on; of the frames `keep` first and last ones stay."""
        self.node, self.keep = node, keep
        row = node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["last_offset"]
        self.time_ns = row["open_ns"] if begin == row["first_offset"] else None
        self.number = table.number[row["instrument"]]
        self.late = {(offset, trade_id) for offset, trade_id in row["late"]}
        self.first: list[Frame] = []
        self.last: deque[Frame] = deque(maxlen=keep)
        self.records = self.trades = 0
        self.volume = self.inner = Decimal(0)

    def take(self, page: Page, batch: Batch) -> None:
        """Take the trades of a page."""
        for frame in self.frames_of(page, batch.market.trades):
            self.records += 1
            if self.keep is None or len(self.first) < self.keep:
                self.first.append(frame)
            else:
                self.last.append(frame)

    def frames_of(self, page: Page, t: Any) -> Iterator[Frame]:
        """Yield the frames with trades of the bar, and count those."""
        row = self.node.row
        begin, end = np.searchsorted(t.offset, (row["first_offset"], row["last_offset"] + 1))
        of_bar = (t.verdict[begin:end] == ACCEPTED) & (t.instrument[begin:end] == self.number)
        if row["by_time"]:
            event_ns = t.event_ns[begin:end]
            of_bar &= (event_ns >= row["open_ns"]) & (event_ns < row["close_ns"])
        frame = None
        for n in (np.flatnonzero(of_bar) + begin).tolist():
            offset, trade_id = int(t.offset[n]), int(t.trade_id[n])
            if (offset, trade_id) in self.late:
                continue
            self.trades += int(t.count[n])
            size = Decimal(repr(float(t.size[n])))
            self.add_size(offset, size)
            if frame is None or frame.offset != offset:
                if frame is not None:
                    yield frame
                place = offset - page.first_offset
                frame = Frame(offset, int(page.log_ns[place]), page.frame(place))
            frame.trades.append({
                "trade_id": trade_id, "side": side_name(int(t.aggressor[n])),
                "price": float(t.price[n]), "size": float(size), "event_ns": int(t.event_ns[n]),
            })  # fmt: skip
        if frame is not None:
            yield frame

    def add_size(self, offset: int, size: Decimal) -> None:
        """Add a size to the sum, and to that of the records between the first and the last."""
        self.volume += size
        if offset not in {self.node.row["first_offset"], self.node.row["last_offset"]}:
            self.inner += size

    def agrees(self) -> bool:
        """Return whether number and sizes of the trades are those of the bar."""
        row = self.node.row
        is_sum = math.isclose(float(self.volume), row["volume"], rel_tol=CLOSE, abs_tol=0)
        return is_sum and self.trades == row["count"]

    def is_within(self) -> bool:
        """Return whether its volume is that of its trades but for parts of the outer ones."""
        volume = float(self.node.row["volume"])
        slack = row_slack(volume)
        return float(self.inner) - slack <= volume <= float(self.volume) + slack

    def may_agree(self) -> bool:
        """Return whether more of the log before the bar may explain what differs."""
        return not self.agrees() and self.node.row["by_time"] and not self.node.faults

    def finish(self) -> None:
        """Write what was found into the node."""
        row = self.node.row
        self.node.frames = [*self.first, *self.last]
        row |= {
            "records": self.records, "trades": self.trades, "sum": f"{self.volume.normalize():f}",
            "exact": self.agrees(),
        }  # fmt: skip
        row["whole"] = row["exact"] or (not row["by_time"] and self.is_within())


def row_slack(volume: float) -> float:
    """Return by how much a volume may differ from the sum of its sizes."""
    return CLOSE * abs(volume)
