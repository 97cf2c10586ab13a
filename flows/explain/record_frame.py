"""One record of the log, wanted for its frame."""

import numpy as np

from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.batches import Page
from tapeflow.schemas.time import NS_PER_MS, format_time


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
        stored = bytes.fromhex(self.node.row.get("stored") or "")
        if not frame.frame.startswith(stored):
            self.node.faults.append("the log that was given has other bytes there")
        if self.time_ns is not None and abs(frame.log_ns - self.time_ns) > NS_PER_MS:
            self.node.notes.append(
                f"this log has it written {format_time(frame.log_ns)}, the results have log time "
                f"{format_time(self.time_ns)}: held there by the log clock, or another log"
            )
