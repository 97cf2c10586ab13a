"""From raw frames to what each variant of a grid made.

    pages ─▶ decode ─▶ .. ─▶ signals ─▶ variant_batches ─▶ desks ─┬─▶ intervals ─▶ DuckDB
                                │        one for each variant     └─▶ facts, of the last pass
                                └─▶ as in trade.py ─────────────────▶

The first pass gives the intervals of all variants, and no facts. The last one is of the best alone,
and stores what a replay of them would store, with the tables of the sweep.
"""

from collections.abc import Iterator
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from msgspec.structs import replace

from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.duckdb.sweep import write_rows
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows import trade
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run import results
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.source import log_source
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.sweep.desks import desks, to_desks
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.notify import Notify

STATE_VERSIONS: dict[str, int] = {}  # a sweep keeps no state
MERGES_PARTITIONS = True
END_IS_FINAL = True


def variant_desks(job: Job, table: InstrumentTable, partitions: tuple[str, ...]) -> dict[str, Desk]:
    """Return the desk of each variant: of its account alone."""
    shared = trade.desk_settings(job, table, partitions)
    return {
        row.name: Desk(replace(shared, accounts={row.account: shared.accounts[row.account]}))
        for row in job.strategies
    }


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of one pass of a sweep."""
    assert plan.sweep is not None, "no sweep"
    flow, job, table = Dataflow("sweep"), plan.job, instrument_table(plan.job)
    source = log_source(plan, progress, notify)
    by_variant = variant_desks(job, table, tuple(source.partitions))
    accounts = {row.name: row.account for row in job.strategies}

    decided = trade.decide(op.input("log", flow, source), job, table)
    some = next(iter(by_variant.values())).settings
    sent = to_desks("to_desks", decided, settings=some, accounts=accounts)
    made = desks("desks", sent, by_variant=by_variant, stores_facts=plan.sweep.is_last)
    facts = trade.merge_facts(decided, made, job, table) if plan.sweep.is_last else made
    paths, info = results.result_paths(plan), results.run_info(plan)
    at_end = partial(results.ends_in_sink, plan, progress)
    op.output("results", facts, ResultsSink(paths, info, at_end=at_end))
    return flow


def finish(plan: Plan, *, ended: bool) -> str:
    """Write the tables of the sweep into its last pass, and complete that."""
    assert plan.sweep is not None, "no sweep"
    paths = results.result_paths(plan)
    if ended and plan.sweep.is_last and paths.work.exists():
        write_rows(paths.work, (plan.sweep.variants, plan.sweep.intervals))
    return results.finish(plan, ended=ended)


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield what is to be said before the first pass."""
    if plan.sweep is not None and not plan.sweep.is_last:
        yield from trade.start_notices(plan)


def keep_unfinished(plan: Plan) -> str:
    """Leave nothing of a pass that failed."""
    return ""


def check_changes(plan: Plan) -> None:
    """Check nothing: a sweep has no state that could differ from its job."""


fixed_settings = trade.fixed_settings
fixed_rows, notified_rows = trade.fixed_rows, trade.notified_rows
open_outputs = results.open_outputs
