"""Fetches the frames of an explanation, and finds the trades that a bar was made of.

    frames ─decode, dedupe, judge─▶ trades of the bar's instrument and time, not late

Steps that begin in mid-log may not know a duplicate from before it. So the sums of the trades are
compared with the bar; where they differ, the steps begin earlier.
"""

import math
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from tapeflow.flows.explain.log import read_wanted
from tapeflow.flows.explain.node import Frame, Node
from tapeflow.flows.explain.pages import Wanted
from tapeflow.flows.job import bar_steps, wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log
from tapeflow.operators.decode import step as decode_step
from tapeflow.schemas.batches import Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.sides import side_name
from tapeflow.schemas.time import NS_PER_MS, format_time
from tapeflow.schemas.venues import venue_of

WITH_FRAMES = {"record", "dead letter", "trades"}  # kinds of nodes
CLOSE = 1e-12  # by which sums of float64 may differ


class RecordFrame:
    """One record, wanted for its frame."""

    def __init__(self, node: Node) -> None:
        self.node, self.partition = node, node.row["partition"]
        self.begin = self.end = node.row["offset"]
        time = node.row.get("log_time")
        self.time_ns = None if time is None else int(np.datetime64(time, "ns").astype(np.int64))
        self.is_exact = time is not None

    def take(self, page: Page) -> None:
        """Take the record."""
        frame = Frame(page.first_offset, int(page.log_ns[0]), page.frame(0))
        self.node.frames = [frame]
        if self.time_ns is not None and abs(frame.log_ns - self.time_ns) > NS_PER_MS:
            self.node.notes.append(
                f"this log has it written {format_time(frame.log_ns)}, the results have log time "
                f"{format_time(self.time_ns)}: held there by the log clock, or another log"
            )


class BarTrades:
    """The records of a bar, wanted for its trades."""

    def __init__(
        self, node: Node, job: Job, table: InstrumentTable, decoder: decode_step.Decoder,
        begin: int, keep: int | None,
    ) -> None:  # fmt: skip
        """Want the records from `begin` on; of the frames `keep` first and last ones stay."""
        self.node, self.decoder, self.keep = node, decoder, keep
        row = node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["last_offset"]
        self.time_ns = row["open_ns"] if begin == row["first_offset"] else None
        self.is_exact = False
        self.number = table.ids.index(row["instrument"])
        self.late = {(offset, trade_id) for offset, trade_id in row["late"]}
        self.steps: list[Any] = [bar_steps.dedupe(job, table), bar_steps.judge_trades(job, table)]
        self.states = [step.initial() for step in self.steps]
        self.first: list[Frame] = []
        self.last: deque[Frame] = deque(maxlen=keep)
        self.records = self.trades = 0
        self.volume = Decimal(0)

    def take(self, page: Page) -> None:
        """Take some of the records."""
        batch = decode_step.step(page, decoder=self.decoder)
        for number, step in enumerate(self.steps):
            self.states[number], (batch,) = step.step(self.states[number], batch)
        for frame in self.frames_of(page, batch.market.trades):
            self.records += 1
            if self.keep is None or len(self.first) < self.keep:
                self.first.append(frame)
            else:
                self.last.append(frame)

    def frames_of(self, page: Page, t: Any) -> Iterator[Frame]:
        """Yield the frames with trades of the bar, and count those."""
        row = self.node.row
        of_bar = (t.verdict == ACCEPTED) & (t.instrument == self.number)
        if row["by_time"]:
            of_bar &= (t.event_ns >= row["open_ns"]) & (t.event_ns < row["close_ns"])
        of_bar &= (t.offset >= row["first_offset"]) & (t.offset <= row["last_offset"])
        frame = None
        for n in np.flatnonzero(of_bar).tolist():
            offset, trade_id = int(t.offset[n]), int(t.trade_id[n])
            if (offset, trade_id) in self.late:
                continue
            self.trades += int(t.count[n])
            size = Decimal(repr(float(t.size[n])))
            self.volume += size
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

    def agrees(self) -> bool:
        """Return whether number and sizes of the trades are those of the bar."""
        row = self.node.row
        is_sum = math.isclose(float(self.volume), row["volume"], rel_tol=CLOSE, abs_tol=0)
        return is_sum and self.trades == row["count"]

    def may_agree(self) -> bool:
        """Return whether more of the log before the bar may explain what differs."""
        return not self.agrees() and self.node.row["by_time"] and not self.node.notes

    def finish(self) -> None:
        """Write what was found into the node."""
        self.node.frames = [*self.first, *self.last]
        self.node.row |= {
            "records": self.records, "trades": self.trades, "sum": f"{self.volume.normalize():f}",
            "exact": self.agrees(),
        }  # fmt: skip


class Frames:
    """The log from which frames are fetched, and how they are decoded."""

    def __init__(self, log: Log, job: Job, notify: Notify) -> None:
        """Prepare to read a log; nothing is opened yet."""
        self.log, self.job, self.notify = log, job, notify
        self.table = instrument_table(job)
        self.decoders: dict[str, decode_step.Decoder] = {}

    def fetch(self, root: Node, keep: int | None = None) -> bool:
        """Fetch the frames of a node and all below it; return whether they were found, and sum up.

        Each partition is read once; bars whose trades do not sum up again, from further back.
        """
        nodes = [each for each in walk(root) if each.kind in WITH_FRAMES and each.row]
        bars = [each for each in nodes if each.kind == "trades"]
        for node in bars[:]:
            if node.row["instrument"] not in self.table.ids:
                node.notes.append("the job of the last start does not list this instrument")
                bars.remove(node)
        records: list[Wanted] = [RecordFrame(each) for each in nodes if each.kind != "trades"]
        window = self.job.dedupe.window
        for back in (0, window, None):
            found = [self.bar_trades(node, back, keep) for node in bars]
            self.read([*records, *found])
            for each in found:
                each.finish()
            bars = [each.node for each in found if each.may_agree()]
            records = []
            if not bars:
                break
        return all(map(is_whole, nodes))

    def bar_trades(self, node: Node, back: int | None, keep: int | None) -> BarTrades:
        """Return what wants the trades of a bar, from `back` records before it on."""
        venue = venue_of(node.row["partition"])
        if venue not in self.decoders:
            self.decoders |= wiring.decoders(self.job, self.table)
        if back is not None and not node.row["by_time"]:  # its sums would not show a duplicate
            back = self.job.dedupe.window
        begin = 0 if back is None else max(node.row["first_offset"] - back, 0)
        return BarTrades(node, self.job, self.table, self.decoders[venue], begin, keep)

    def read(self, wanted: list[Any]) -> None:
        """Read the records of each partition; a note says where some are not there."""
        for partition in dict.fromkeys(each.partition for each in wanted):
            some = [each for each in wanted if each.partition == partition]
            why = read_wanted(partition, self.log, self.job, some, self.notify)
            for each in some if why else ():
                if not each.node.frames and why not in each.node.notes:
                    each.node.notes.append(why)


def is_whole(node: Node) -> bool:
    """Return whether all frames of a node were found; those of a bar sum up to it."""
    return bool(node.frames) and (node.row.get("exact", True) or not node.row["by_time"])


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for each in node.causes:
        yield from walk(each)
