"""Finds the trades on both sides of a gap, and whether the ids between them are missing.

first_id 7, last_id 9        .. 5 6 | 10 11 ..        frames of 6 and 10; none of 7, 8, 9
numbered anew from 7 to 1    .. 6 7 | 1 2 ..          frames of 7 and 1
"""

from typing import Any

import numpy as np

from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import DUPLICATE


class GapTrades:
    """The records with the trades on both sides of a gap."""

    kinds = ()

    def __init__(self, node: Node, table: InstrumentTable, begin: int, _: int | None) -> None:
        """Want the records from `begin` on."""
        self.node, row = node, node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["last_offset"]
        self.time_ns = None
        self.number = table.number[row["instrument"]]
        self.sides: dict[int, Frame] = {}  # by trade id: at most one of each side
        self.between: set[int] = set()
        is_anew = not row["missing"]
        self.before, self.after = (
            (row["first_id"], row["last_id"])
            if is_anew
            else (row["first_id"] - 1, row["last_id"] + 1)
        )

    def take(self, page: Page, batch: Batch) -> None:
        """Take what is on both sides, and count what is between."""
        t: Any = batch.market.trades
        first_id, last_id = self.node.row["first_id"], self.node.row["last_id"]
        of_it = (t.instrument == self.number) & (t.verdict != DUPLICATE)
        for n in np.flatnonzero(of_it).tolist():
            trade_id = int(t.trade_id[n])
            if trade_id in (self.before, self.after) and trade_id not in self.sides:
                place = int(t.offset[n]) - page.first_offset
                frame = Frame(int(t.offset[n]), int(page.log_ns[place]), page.frame(place))
                self.sides[trade_id] = frame
            elif first_id <= trade_id <= last_id:
                self.between.add(trade_id)

    def may_agree(self) -> bool:
        """Return False: more of the log before it changes nothing."""
        return False

    def finish(self) -> None:
        """Write what was found into the node."""
        row = self.node.row
        ids = row["last_id"] - row["first_id"] + 1
        absent = ids - len(self.between) if row["missing"] else 0
        self.node.frames = sorted(self.sides.values(), key=lambda each: each.offset)
        row |= {
            "records": len(self.node.frames), "absent": absent,
            "whole": absent == row["missing"] and len(self.sides) == 2,
        }  # fmt: skip
