"""Run the whole flow over pages in this process, with some strategies: nothing is written.

pages ─▶ flows/trade.py, decide ─▶ desk ─▶ facts, in a list
"""

from collections.abc import Callable, Iterable
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import run_main
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from msgspec.structs import replace

from tapeflow.flows import trade
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.step import desk, to_desk
from tapeflow.schemas.batches import Page
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


class Facts(DynamicSink[Any], StatelessSinkPartition[Any]):
    """A list of all facts."""

    def __init__(self) -> None:
        self.facts: list[Any] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "Facts":
        """Return itself: there is one worker."""
        return self

    def write_batch(self, items: list[Any]) -> None:
        """Add the facts of a step."""
        for _, facts in items:
            self.facts += facts


def run_log(
    pages: Iterable[Page],
    partitions: Iterable[str],
    job: Job,
    table: InstrumentTable,
    change: Callable[[DeclaredStrategy], DeclaredStrategy] = lambda declared: declared,
) -> list[Any]:
    """Return the facts of the desk over pages, its strategies changed by a function.

    Raises what a strategy raises.
    """
    settings = trade.desk_settings(job, table, partitions)
    called = tuple(map(change, settings.strategies))
    settings = replace(settings, strategies=called)
    flow, sink = Dataflow("check"), Facts()
    decided = trade.decide(op.input("log", flow, Pages(pages)), job, table)
    facts = desk("desk", to_desk("to_desk", decided, settings=settings), settings=settings)
    op.output("facts", facts, sink)
    run_main(flow)  # type: ignore[no-untyped-call]
    return sink.facts
