"""From raw frames to fills.

    pages ─▶ decode ─▶ dedupe ─▶ bars ─▶ normalise ─▶ signals ─┬─▶ by_account ─▶ trade ─┐
                                                               ├─▶ told ────────────────┼─▶ facts
                                                               └─▶ tally ───────────────┘

The facts go to DuckDB, and to Kafka where the log came from there.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from tapeflow.connectors.duckdb.file import (
    ResultPaths,
    RunInfo,
    check_replaceable,
    create,
    exclusive_lock,
    finalize,
)
from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.kafka.sink import LOW_LATENCY, KafkaSink
from tapeflow.connectors.source import source as source_step
from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.compiled import COMPILED
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run import environment
from tapeflow.flows.run.environment import plan_from_environment
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan, package_version
from tapeflow.flows.run.signals import stop_on_signals
from tapeflow.flows.run.source import log_source
from tapeflow.flows.run.topics import create_fact_topics
from tapeflow.operators import dedupe as dedupe_step
from tapeflow.operators import quality as tally_step
from tapeflow.operators.bars import step as bar_step
from tapeflow.operators.bars.step import bars
from tapeflow.operators.batch_facts import facts
from tapeflow.operators.decode.step import decode
from tapeflow.operators.dedupe import dedupe
from tapeflow.operators.desk import state as desk_state
from tapeflow.operators.desk.step import to_accounts, trade
from tapeflow.operators.features import normalise as normalise_step
from tapeflow.operators.features.normalise import normalise
from tapeflow.operators.quality import tally
from tapeflow.operators.records import records
from tapeflow.operators.strategies import step as signal_step
from tapeflow.operators.strategies.step import signals
from tapeflow.schemas.batches import Facts, Page
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify

STATE_VERSIONS = {  # step id -> version of what it keeps: both are schema
    "trade.log": source_step.STATE_VERSION,
    "trade.dedupe.seen": dedupe_step.STATE_VERSION,
    "trade.bars.open": bar_step.STATE_VERSION,
    "trade.normalise.window": normalise_step.STATE_VERSION,
    "trade.signals.asked": signal_step.STATE_VERSION,
    "trade.trade.desk": desk_state.STATE_VERSION,
    "trade.tally.minute": tally_step.STATE_VERSION,
}
MERGES_PARTITIONS = True  # an account decides only what every partition has progressed past
END_IS_FINAL = True  # the last bars are closed: what is added behind the end finds no open ones


def graph(pages: KeyedStream[Page], job: Job, partitions: Iterable[str]) -> KeyedStream[Facts]:
    """All steps from pages to facts; no doors are opened here."""
    table = jobs.instruments(job)
    names = tuple(each.id for each in table)
    desks = jobs.desks(job, table, partitions)

    ticks = decode("decode", pages, decoders=jobs.decoders(job, table))
    unique = dedupe("dedupe", ticks, memory=job.dedupe.memory)
    barred = bars(
        "bars",
        unique,
        width_ns=job.bars.width,
        lateness_ns=job.bars.lateness,
        instruments=len(names),
    )
    scored = normalise("normalise", barred, window=job.normalise.window, instruments=len(names))
    signalled = signals("signals", scored, strategies=jobs.strategies(job, table), names=names)

    by_desk = to_accounts("by_account", signalled, accounts=tuple(desks))
    traded = trade("trade", by_desk, desks=desks)
    told = facts("told", signalled, instruments=names)
    counted = tally("tally", signalled, instruments=names)
    return op.merge("facts", told, traded, counted)


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of a plan; its source and sinks open when the engine starts them."""
    flow = Dataflow("trade")
    source = log_source(plan, progress, notify)
    pages = op.input("log", flow, source)
    done = graph(pages, plan.job, source.partitions)
    live = bool(live_partitions(plan.log))
    op.output("results", done, ResultsSink(result_paths(plan), run_info(plan), live=live))
    if plan.publish:
        kafka = plan.job.kafka
        names = tuple(each.id for each in jobs.instruments(plan.job))
        published = records("records", done, prefix=kafka.facts, instruments=names)
        client = {**(LOW_LATENCY if live else {}), **kafka.client}
        op.output("topics", published, KafkaSink(kafka.bootstrap, client))
    return flow


def flow() -> Dataflow:
    """Build the flow for `python -m bytewax.run flows.trade:flow`, from TAPEFLOW_* variables."""
    stop_on_signals()
    plan = plan_from_environment("trade")
    progress = Progress(tuple(plan.log), plan.job.source.lead, plan.progress_file)
    return dataflow(plan, progress, environment.notify)


def state_settings(job: Job) -> dict[str, Any]:
    """Return the settings that the state of the steps depends on, as JSON values by name."""
    sections = {"bars", "dedupe", "normalise", "channels", "instruments"}
    accounts = sorted(each.name for each in job.accounts)
    return {**job.model_dump(mode="json", include=sections), "accounts": accounts}


@contextmanager
def open_outputs(plan: Plan, notify: Notify) -> Iterator[None]:
    """Check that results can be written, create the fact topics, hold the results file.

    Raises TapeflowError where the file holds something else or another run makes it.
    """
    if result_paths(plan).work.resolve() == plan.results:
        raise UsageError(f"--results {plan.results} is the state's own file: name another")
    check_replaceable(plan.results)
    if not COMPILED:
        notify("numba is not installed: everything works, slower; pip install tapeflow[fast]")
    if plan.publish:
        create_fact_topics(plan.job, notify)
    with exclusive_lock(plan.results):
        yield


def finish(plan: Plan, *, ended: bool) -> None:
    """Publish the results of a run that has stopped; `ended`: at the end of its log."""
    paths = result_paths(plan)
    if not paths.work.exists():  # stopped before it was made
        create(paths, run_info(plan)).close()
    finalize(paths, ended=ended, keep=plan.state is not None)


def result_paths(plan: Plan) -> ResultPaths:
    """Return where the results are made and where they are published."""
    if plan.state is None:
        return ResultPaths.for_stateless_run(plan.results)
    return ResultPaths(plan.results, plan.state / "work.duckdb")


def run_info(plan: Plan) -> RunInfo:
    """Return what the results record of the run itself; secrets of the job are left out."""
    secrets = {"kafka": {"client"}}  # may hold a password
    return RunInfo(
        version=package_version(),
        command=plan.command,
        job=json.dumps(plan.job.model_dump(mode="json", exclude=secrets), sort_keys=True),
        instruments=jobs.instruments(plan.job),
    )
