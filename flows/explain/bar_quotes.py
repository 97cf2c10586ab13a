"""Makes a bar of quotes again from the log, and finds the frames of its quotes.

    quotes from before the bar on ─OtherBars─▶ bar of the same instrument and time == the row

A bar begins with the quote that is in force before it: where values differ, the log is read from
further back.
"""

import math
from collections import deque
from typing import Any

import numpy as np

from tapeflow.flows.explain.compared import COMPARED
from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import Bars

CLOSE = 1e-12


class BarQuotes:
    """The records of a bar of quotes."""

    def __init__(self, node: Node, table: InstrumentTable, begin: int, keep: int | None) -> None:
        """Want the records from `begin` on; of the frames `keep` first and last ones stay."""
        self.node, self.keep, row = node, keep, node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["offset"]
        self.time_ns, self.kinds = None, (row["kind"],)
        self.number = table.number[row["instrument"]]
        self.first: list[Frame] = []
        self.last: deque[Frame] = deque(maxlen=keep)
        self.records = 0
        self.made: dict[str, Any] | None = None  # the bar, made again

    def take(self, page: Page, batch: Batch) -> None:
        """Take the frames of a page with quotes of the bar, and the bar where it is closed."""
        row, quotes = self.node.row, batch.market.quotes
        of_bar = (quotes.instrument == self.number) & (quotes.offset >= row["first_offset"])
        of_bar &= quotes.offset <= row["last_offset"]
        for offset in dict.fromkeys(quotes.offset[of_bar].tolist()):
            place = offset - page.first_offset
            self.records += 1
            frame = Frame(offset, int(page.log_ns[place]), page.frame(place))
            if self.keep is None or len(self.first) < self.keep:
                self.first.append(frame)
            else:
                self.last.append(frame)
        self.find_bar(batch.other_bars.get(row["kind"]))

    def find_bar(self, bars: Bars | None) -> None:
        """Take the bar, if it is among those that were closed."""
        if bars is None:
            return
        row = self.node.row
        is_it = (bars.instrument == self.number) & (bars.open_ns == row["open_ns"])
        for place in np.flatnonzero(is_it & (bars.close_ns == row["close_ns"])).tolist():
            self.made = {name: getattr(bars, name)[place].item() for name in COMPARED}

    def differences(self) -> list[str]:
        """Return the names of the values that differ from those of the bar."""
        if self.made is None:  # the end of the log closes a bar that is not complete
            return list(COMPARED) if self.node.row["complete"] else []
        return [name for name in COMPARED if not is_equal(self.made[name], self.node.row[name])]

    def may_agree(self) -> bool:
        """Return whether more of the log before the bar may explain what differs."""
        return bool(self.differences()) and not self.node.faults

    def finish(self) -> None:
        """Write what was found into the node."""
        self.node.frames = [*self.first, *self.last]
        different = self.differences()
        self.node.row |= {
            "records": self.records, "made_again": self.made, "different": different,
            "whole": not different,
        }  # fmt: skip


def is_equal(made: float, stored: float | None) -> bool:
    """Return whether a value is that of the row, NULL for NaN."""
    if stored is None or math.isnan(stored):
        return math.isnan(made)
    return math.isclose(made, stored, rel_tol=CLOSE, abs_tol=1e-15)
