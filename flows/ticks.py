"""From raw frames to Parquet files of trades and quotes, for research.

    pages ─▶ decode ─▶ dedupe ─▶ judge ─▶ bars ─┬─▶ FOLDER/trades/binance-0/2026-01-05T09.parquet
                                                └─▶ FOLDER/quotes/binance-0/...

They are the steps of trade.py up to the last one that changes a verdict: the bars, which find what
is late. A finite log is read from its beginning, without a state. The files are in FOLDER.partial
until the log has ended, so a FOLDER that is there is whole.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from tapeflow.connectors.fsync import sync
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.state.manifest import Rows
from tapeflow.connectors.tapes.archive import exclusive_lock
from tapeflow.connectors.tapes.hour_file import translate_errors
from tapeflow.connectors.tapes.tick_file import TickSink
from tapeflow.connectors.tapes.tick_rows import SCHEMAS
from tapeflow.flows.job import bar_steps, wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.source import log_source
from tapeflow.operators.bars.step import bars
from tapeflow.operators.decode.step import decode
from tapeflow.operators.dedupe.step import dedupe
from tapeflow.operators.sequence.judge import judge
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

STATE_VERSIONS: dict[str, int] = {}  # it keeps no state
MERGES_PARTITIONS = False  # each partition has its own files: none waits for another
END_IS_FINAL = True


def partial_folder(folder: Path) -> Path:
    """Return where the files of a folder are until the log has ended."""
    return folder.with_name(folder.name + ".partial")


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of a plan; its source and sink open when the engine starts them."""
    flow, job, table = Dataflow("ticks"), plan.job, instrument_table(plan.job)
    ids = table.ids
    pages = op.input("log", flow, log_source(plan, progress, notify))
    decoders, keys = wiring.decoders(job, table), job.control.public_keys()
    ticks = decode("decode", pages, decoders=decoders, keys=keys)
    unique = dedupe("dedupe", ticks, step=bar_steps.dedupe(job, table), instruments=ids)
    judged = judge("judge", unique, step=bar_steps.judge_trades(job, table), instruments=ids)
    with_bars = bars("bars", judged, step=bar_steps.time_bars(job, table), instruments=ids)
    op.output("hours", with_bars, TickSink(partial_folder(plan.results), plan.log, ids))
    return flow


def fixed_settings(job: Job) -> dict[str, Any]:
    """Return the settings with which a state must go on: none, as there is no state."""
    return {}


def fixed_rows(job: Job) -> Rows:
    """Return the rows that stay as they are under a state: none."""
    return {}


def notified_rows(job: Job) -> Rows:
    """Return the rows whose changes under a state are said: none."""
    return {}


def check_changes(plan: Plan) -> None:
    """Refuse nothing: there is no state."""


@contextmanager
def open_outputs(plan: Plan, notify: Notify) -> Iterator[None]:
    """Make an empty partial folder, and lock it inside the `with` block.

    Raises TapeflowError where the folder exists, or another run writes it.
    """
    if plan.results.exists():
        raise TapeflowError(f"{plan.results} exists: name a new folder, or delete it")
    partial = partial_folder(plan.results)
    with exclusive_lock(partial):
        with translate_errors(partial, "written"):
            for kind in SCHEMAS:  # of a run that did not come to its end
                shutil.rmtree(partial / kind, ignore_errors=True)
        yield


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield nothing."""
    yield from ()


def finish(plan: Plan, *, ended: bool) -> str:
    """Give the folder its name where the log has ended; return where the files are."""
    partial = partial_folder(plan.results)
    if not ended:
        return f"{partial} holds the hours that were over; the next start begins anew"
    with translate_errors(plan.results, "written"):
        (partial / ".lock").unlink(missing_ok=True)
        os.replace(partial, plan.results)
        sync(plan.results.parent)
    return str(plan.results)


def keep_unfinished(plan: Plan) -> str:
    """Return nothing to say: what is in the partial folder is begun anew by the next start."""
    return ""
