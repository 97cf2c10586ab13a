"""Decodes ranges of a partition for what is made of several of their records, each range once.

    wanted    [17989 .. 18441]          [40100 .. 40900]
                  [18200 .. 18900]
    scans     [17989 ....... 18900]     [40100 .. 40900]     decode, dedupe, judge

Steps that begin in mid-log may not know a duplicate from before it.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from tapeflow.flows.explain.node import Node
from tapeflow.flows.job import bar_steps
from tapeflow.flows.job.bar_kinds import parse_kind
from tapeflow.flows.job.settings import Job
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.operators.decode import step as decode_step
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.instruments import InstrumentTable


class Found(Protocol):
    """Records that are found by what they hold."""

    node: Node
    partition: str
    begin: int  # offset of the first one
    end: int  # offset of the last one
    time_ns: int | None  # about when the first one was written, where that is known
    kinds: tuple[str, ...]  # of bars that it wants to be made again

    def take(self, page: Page, batch: Batch) -> None:
        """Take what a page holds, which is in the range in part."""

    def finish(self) -> None:
        """Write what was found into the node."""

    def may_agree(self) -> bool:
        """Return whether more of the log before the range may explain what differs."""


class Scan:
    """A range of records that is decoded."""

    is_exact = False

    def __init__(
        self, wanted: list[Found], job: Job, table: InstrumentTable, decoder: decode_step.Decoder
    ) -> None:
        """Scan from the first record that is wanted to the last one."""
        self.wanted, self.decoder = wanted, decoder
        self.partition, self.begin = wanted[0].partition, wanted[0].begin
        self.end = max(each.end for each in wanted)
        self.time_ns = wanted[0].time_ns
        self.steps: list[Any] = [bar_steps.dedupe(job, table), bar_steps.judge_trades(job, table)]
        if kinds := sorted({kind for each in wanted for kind in each.kinds}):
            made = tuple(kind for each in kinds if (kind := parse_kind(each, job.bars.width)))
            self.steps.append(OtherBars(made, job.bars.lateness, len(table)))
        self.states: list[Any] = []

    def take(self, page: Page) -> None:
        """Decode some of the records, and give each its own."""
        if not self.states:
            self.states = [step.initial() for step in self.steps]
        batch = decode_step.step(page, decoder=self.decoder)
        for number, step in enumerate(self.steps):
            self.states[number], (batch,) = step.step(self.states[number], batch)
        for each in self.wanted:
            if each.begin < page.next_offset and page.first_offset <= each.end:
                each.take(page, batch)
        if page.next_offset > self.end:
            self.states = []  # they are large


def make_scans(
    wanted: Iterable[Found],
    job: Job,
    table: InstrumentTable,
    decoder: decode_step.Decoder,
) -> list[Scan]:
    """Return the scans of what is wanted of a partition: one for ranges that touch."""
    groups: list[list[Found]] = []
    end = -1
    for each in sorted(wanted, key=lambda each: each.begin):
        if not groups or each.begin > end + 1:
            groups.append([])
        groups[-1].append(each)
        end = max(end, each.end)
    return [Scan(group, job, table, decoder) for group in groups]
