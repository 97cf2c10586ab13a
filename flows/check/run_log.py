"""Run the flow over pages in this process: nothing is written.

pages ─▶ flows/trade.py, decide ─▶ batches of the desk, once ─▶ a desk for each run ─▶ facts
"""

from collections.abc import Iterable, Iterator
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import run_main
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from msgspec.structs import replace

from tapeflow.flows import trade
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.step import Desk, to_desk
from tapeflow.schemas.batches import DeskBatch, Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy

KeyedPage = tuple[str, Page]


class Pages(FixedPartitionedSource[KeyedPage, None], StatefulSourcePartition[KeyedPage, None]):
    """Pages in a given order, of all partitions."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self.pages = iter(pages)

    def list_parts(self) -> list[str]:
        """Return the one part."""
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "Pages":
        """Return itself: there is one part."""
        return self

    def next_batch(self) -> list[KeyedPage]:
        """Return the next page. Raises StopIteration at the end."""
        page = next(self.pages)
        return [(page.partition, page)]

    def snapshot(self) -> None:
        """Return nothing: it is never resumed."""


class Batches(DynamicSink[Any], StatelessSinkPartition[Any]):
    """A list of what the desk is sent."""

    def __init__(self) -> None:
        self.batches: list[DeskBatch] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "Batches":
        """Return itself: there is one worker."""
        return self

    def write_batch(self, items: list[Any]) -> None:
        """Add the batches of a step."""
        self.batches += [batch for _, batch in items]


def desk_batches(
    pages: Iterable[Page], job: Job, table: InstrumentTable, settings: DeskSettings
) -> list[DeskBatch]:
    """Return what a desk is sent of pages."""
    flow, sink = Dataflow("check"), Batches()
    decided = trade.decide(op.input("log", flow, Pages(pages)), job, table)
    op.output("batches", to_desk("to_desk", decided, settings=settings), sink)
    run_main(flow)  # type: ignore[no-untyped-call]
    return sink.batches


def run_desk(
    batches: Iterable[DeskBatch], settings: DeskSettings, strategy: DeclaredStrategy
) -> Iterator[Any]:
    """Yield the facts of a desk with one strategy. Raises what the strategy raises."""
    step = Desk(replace(settings, strategies=(strategy,)))
    state = step.initial()
    for batch in batches:
        state, facts = step.step(state, batch)
        yield from facts
