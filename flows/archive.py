"""Raw topics to Parquet files of raw frames, one file for each hour of a partition.

    raw.binance, partition 0 ─┐          ┌─▶ ARCHIVE/binance-0/2026-11-26T14.parquet
    raw.binance, partition 1 ─┼─▶ pages ─┼─▶ ARCHIVE/binance-1/...
    raw.coinbase, ...        ─┘          └─▶ ARCHIVE/coinbase-0/...

Nothing is decoded: heartbeats and broken frames are records like any other, and `replay ARCHIVE`
reads what `replay --from-topics` would have read. An hour is closed by a record of a later one, or
by the end of the log. The columns of the files are in connectors/tapes/hour_file.py, the protocol
that writes each record exactly once in archive.py there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import LogSource
from tapeflow.connectors.state.manifest import Rows
from tapeflow.connectors.tapes.archive import ArchiveSink, exclusive_lock
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.source import log_source
from tapeflow.schemas.notify import Notify

STATE_VERSIONS = {
    "archive.log": LogSource.VERSION,
    "archive.hours": ArchiveSink.VERSION,
}
MERGES_PARTITIONS = False  # each partition has its own files: none waits for another
END_IS_FINAL = False  # the last hour is opened again when more of it comes


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of a plan; its source and sink open when the engine starts them."""
    flow = Dataflow("archive")
    pages = op.input("log", flow, log_source(plan, progress, notify, end_is_final=END_IS_FINAL))
    op.output("hours", pages, ArchiveSink(plan.results, plan.log))
    return flow


def fixed_settings(job: Job) -> dict[str, Any]:
    """Return the settings with which a state must go on: none, as frames are not interpreted."""
    return {}


def fixed_rows(job: Job) -> Rows:
    """Return the rows that stay as they are under a state: none."""
    return {}


def notified_rows(job: Job) -> Rows:
    """Return the rows whose changes under a state are said: none."""
    return {}


def check_changes(plan: Plan) -> None:
    """Refuse nothing: no answer depends on a setting."""


@contextmanager
def open_outputs(plan: Plan, notify: Notify) -> Iterator[None]:
    """Create the archive's folder, and lock it inside the `with` block.

    Raises TapeflowError where it cannot be written, or another run archives into it.
    """
    with exclusive_lock(plan.results):
        yield


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield nothing: frames are not interpreted."""
    yield from ()


def finish(plan: Plan, *, ended: bool) -> str:
    """Return where to continue: the sink has completed what is in the archive."""
    return f"the next start continues {plan.results}"


def keep_unfinished(plan: Plan) -> str:
    """Return nothing to say: files of the archive are complete at any time."""
    return ""
