"""The results of a run: where they are written, locked against other runs, and completed.

DIR/work.duckdb ────────▶ results.duckdb    with --state DIR: of a replay at its end, of a run often
results.duckdb.partial ─▶ results.duckdb    without: at the end
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import asdict

from tapeflow.connectors.duckdb.endings import complete, keep_partial, stop_live
from tapeflow.connectors.duckdb.file import ResultPaths, check_replaceable
from tapeflow.connectors.duckdb.handover import passing_on
from tapeflow.connectors.duckdb.insertion import create
from tapeflow.connectors.duckdb.lock import exclusive_lock
from tapeflow.connectors.duckdb.runs import begin_run
from tapeflow.connectors.duckdb.tables import RunInfo
from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.rungs import why_slow
from tapeflow.flows.job.declared import strategies
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.wiring import validate
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import BY_ENGINE, Plan
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.strategy_source import find_sources
from tapeflow.schemas.time import MAX_NS


@contextmanager
def open_outputs(plan: Plan, notify: Notify) -> Iterator[None]:
    """Check job and results, create the fact topics, and lock the results file.

    Raises TapeflowError where the file holds anything else, or another run is writing it.
    """
    validate(plan.job)  # before there are processes: it is wrong use, not a failure of one
    if result_paths(plan).work.resolve() == plan.results:
        raise UsageError(f"--results {plan.results} is the state's own file: name another")
    check_replaceable(plan.results)
    if reason := why_slow():
        notify(reason)
    if plan.publish:
        from tapeflow.flows.run.topics import create_fact_topics  # noqa: PLC0415  # slow to import

        create_fact_topics(plan.job, notify)
    with exclusive_lock(plan.results), passing_on(result_paths(plan).work):
        yield


def finish(plan: Plan, *, ended: bool) -> str:
    """Complete the results of a run that has come to the end of its log, or was stopped.

    Returns where those of a stopped run are.
    """
    paths, keep = result_paths(plan), plan.state is not None
    if not paths.work.exists():  # stopped before it was made
        with create(paths) as con:
            begin_run(con, run_info(plan))
    if ended:
        complete(paths, keep=keep)
        return ""
    if live_partitions(plan.log):
        stop_live(paths)
        return f"the next start continues, with --state {plan.state}"
    where = keep_partial(paths, stopped=True)
    return f"{where}; --state {plan.state} continues" if keep else where


def keep_unfinished(plan: Plan) -> str:
    """Keep what a replay has committed that failed; return where it is, "" for nowhere."""
    paths = result_paths(plan)
    if live_partitions(plan.log) or not paths.work.exists():
        return ""
    try:
        return keep_partial(paths, stopped=False)
    except TapeflowError:
        return ""  # its disk is full, or a process still has it


def ends_in_sink(plan: Plan, progress: Progress) -> bool:
    """Return whether the sink is to complete the results: nobody else does under `bytewax.run`."""
    return plan.command == BY_ENGINE and progress.min_log_ns() == MAX_NS


def result_paths(plan: Plan) -> ResultPaths:
    """Return the work file in which the results are made, and the file that is published."""
    if plan.state is None:
        return ResultPaths.for_stateless_run(plan.results)
    return ResultPaths(plan.results, plan.state / "work.duckdb")


def run_info(plan: Plan) -> RunInfo:
    """Return what the results record of the run itself; secrets of the job are left out."""
    secrets = {"kafka": {"client"}, "alerts": {"webhook", "headers"}}  # may hold a password
    table = instrument_table(plan.job)
    sources = find_sources(strategies(plan.job, table))
    return RunInfo(
        version=package_version(),
        command=plan.command,
        job=json.dumps(plan.job.model_dump(mode="json", exclude=secrets), sort_keys=True),
        instruments=table,
        strategies=json.dumps([asdict(each) for each in sources]),
    )
