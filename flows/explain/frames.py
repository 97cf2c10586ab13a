"""Fetches the frames of explanations from a log, each partition read once.

    records                      their frames
    trades or quotes of a bar    what the run accepted: decoded, copies and late ones left out
    sides of a gap, payments     found by what they hold
    fills                        compared with their record, and the quote that they met

Where a bar is not what its trades give, the log is read again from further back: a copy of one may
have come before it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tapeflow.flows.explain.bar_quotes import BarQuotes
from tapeflow.flows.explain.bar_trades import BarTrades
from tapeflow.flows.explain.fill_record import FillRecord
from tapeflow.flows.explain.gap_trades import GapTrades
from tapeflow.flows.explain.log import read_wanted
from tapeflow.flows.explain.mark_frames import MarkFrames
from tapeflow.flows.explain.node import Node
from tapeflow.flows.explain.record_frame import RecordFrame
from tapeflow.flows.explain.scan import Found, make_scans
from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log
from tapeflow.operators.decode import step as decode_step
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.venues import venue_of

RECORDS = {"record", "dead letter"}  # kinds of nodes with one frame
FOUND: dict[str, Any] = {  # kinds of nodes whose frames are found by what they hold
    "trades": BarTrades, "quotes": BarQuotes, "sides": GapTrades, "marks": MarkFrames,
}  # fmt: skip
WITH_FRAMES = RECORDS | {*FOUND}
COMPARED = FOUND | {"fill": FillRecord}  # kinds of nodes that decoded records are compared with


class Frames:
    """The log from which frames are fetched, and how they are decoded."""

    def __init__(self, log: Log, job: Job, notify: Notify) -> None:
        """Prepare to read a log; nothing is opened yet."""
        self.log, self.job, self.notify = log, job, notify
        self.table = instrument_table(job)
        self.decoders: dict[str, decode_step.Decoder] = {}

    def fetch(self, root: Node, keep: int | None = None) -> bool:
        """Fetch the frames of a node and all below it; return whether the explanation is whole."""
        self.fetch_all([root], keep)
        return is_whole(root)

    def fetch_all(self, roots: Iterable[Node], keep: int | None = None) -> None:
        """Fetch the frames of nodes and all below them; of bars `keep` first and last ones."""
        nodes, copies = distinct(
            each
            for root in roots
            for each in walk(root)
            if each.kind in RECORDS | {*COMPARED} and each.row
        )
        records = [RecordFrame(each) for each in nodes if each.kind in RECORDS]
        scanned = [each for each in nodes if each.kind in COMPARED and self.lists(each)]
        for back in (0, self.job.dedupe.window, None):
            found = [self.find(node, back, keep) for node in scanned]
            self.read(records, found)
            for each in found:
                each.finish()
            scanned = [each.node for each in found if each.may_agree()]
            records = []
            if not scanned:
                break
        for copy, node in copies:
            copy.row, copy.frames = node.row, node.frames
            copy.notes, copy.faults = node.notes, node.faults

    def lists(self, node: Node) -> bool:
        """Return whether the job lists the instrument of a node, else note it."""
        if node.row["instrument"] in self.table.ids:
            return True
        node.faults.append("the job of the last start does not list this instrument")
        return False

    def find(self, node: Node, back: int | None, keep: int | None) -> Found:
        """Return what finds the frames of a node, from `back` records before its own on."""
        if back is not None and not node.row.get("by_time", True):
            back = self.job.dedupe.window  # its sums would not show a duplicate
        first = node.row["offset" if node.kind == "fill" else "first_offset"]
        begin = 0 if back is None else max(first - back, 0)
        found: Found = COMPARED[node.kind](node, self.table, begin, keep)
        return found

    def decoder(self, partition: str) -> decode_step.Decoder:
        """Return the decoder of a partition."""
        if not self.decoders:
            self.decoders = wiring.decoders(self.job, self.table)
        return self.decoders[venue_of(partition)]

    def read(self, records: list[RecordFrame], found: list[Found]) -> None:
        """Read the records of each partition; a fault says where some are not there."""
        every: list[Any] = [*records, *found]
        for partition in dict.fromkeys(each.partition for each in every):
            scanned = [each for each in found if each.partition == partition]
            wanted: list[Any] = [each for each in records if each.partition == partition]
            if scanned:
                decoder = self.decoder(partition)
                wanted += make_scans(scanned, self.job, self.table, decoder)
            why, reached = read_wanted(partition, self.log, self.job, wanted, self.notify)
            for each in every if why else ():
                if each.partition == partition and each.end > reached:
                    each.node.faults += [why] * (why not in each.node.faults)


def distinct(nodes: Iterable[Node]) -> tuple[list[Node], list[tuple[Node, Node]]]:
    """Return nodes that are of different things, and the others with the node of the same."""
    first: dict[tuple[str, str, str | None], Node] = {}
    copies = []
    for node in nodes:
        same = first.setdefault((node.kind, node.id, node.row.get("log_time")), node)
        if same is not node:
            copies.append((node, same))
    return [*first.values()], copies


def is_whole(root: Node) -> bool:
    """Return whether all frames of an explanation were found, and agree with its facts."""
    return all(
        not each.faults and (each.kind not in WITH_FRAMES or not each.row or has_frames(each))
        for each in walk(root)
    )


def has_frames(node: Node) -> bool:
    """Return whether the frames of a node were found, and give what it says."""
    return bool(node.frames) and bool(node.row.get("whole", True))


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for each in node.causes:
        yield from walk(each)
