"""Finds the frames of mark prices that a payment of funding follows from.

mark prices   m1  m2 (mark, rate, due 08:00)  | m3 (due 16:00): 08:00 is over
payment       -quantity * value at the mark of m2 * its rate, at the log time of m3
"""

from decimal import Decimal

import numpy as np

from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.decimals import to_table_decimal
from tapeflow.schemas.instruments import InstrumentTable

BEFORE, TELLS = range(2)


class MarkFrames:
    """The records with the mark price before a payment, and with the one that tells of it."""

    kinds = ()

    def __init__(self, node: Node, table: InstrumentTable, begin: int, _: int | None) -> None:
        """Want the records from `begin` on."""
        self.node, row = node, node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["last_offset"]
        self.time_ns = None
        self.number = table.number[row["instrument"]]
        self.rows: list[tuple[Frame, float, float]] = []  # frame, mark, rate
        self.ended = False

    def take(self, page: Page, batch: Batch) -> None:
        """Take the last mark price before the payment, and the first at its log time."""
        marks, time_ns = batch.market.mark_prices, self.node.row["time_ns"]
        for n in np.flatnonzero(marks.instrument == self.number).tolist():
            if self.ended or marks.log_ns[n] > time_ns:
                return
            place = int(marks.offset[n]) - page.first_offset
            frame = Frame(int(marks.offset[n]), int(page.log_ns[place]), page.frame(place))
            self.rows = [
                *self.rows[-1:],
                (frame, float(marks.mark[n]), float(marks.funding_rate[n])),
            ]
            self.ended = int(marks.log_ns[n]) == time_ns and self.tells(int(marks.funding_ns[n]))

    def tells(self, funding_ns: int) -> bool:
        """Return whether a mark price says that the payment is over."""
        return funding_ns >= int(self.node.row["next_ns"])

    def may_agree(self) -> bool:
        """Return whether the mark price before it may lie further back."""
        return not self.node.row["whole"] and not self.node.faults

    def finish(self) -> None:
        """Write what was found into the node."""
        row, is_pair = self.node.row, self.ended and len(self.rows) == 2
        agrees = is_pair and all(
            is_same(found, row[name])
            for name, found in zip(("mark", "rate"), self.rows[BEFORE][1:], strict=True)
        )
        self.node.frames = [each[0] for each in self.rows] if self.ended else []
        row |= {"records": len(self.node.frames), "whole": agrees}


def is_same(found: float, stored: str | None) -> bool:
    """Return whether a number of a frame is that of the row, NULL for none."""
    if stored is None:
        return bool(np.isnan(found))
    return not np.isnan(found) and to_table_decimal(found) == Decimal(stored)
