"""The results of a run: where they are written, locked against other runs, and completed.

DIR/work.duckdb ──publish, every few seconds──▶ results.duckdb       with --state DIR
results.duckdb.making ──at the end───────────▶ results.duckdb       without
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.connectors.duckdb.file import (
    ResultPaths,
    RunInfo,
    check_replaceable,
    create,
    exclusive_lock,
    finalize,
)
from tapeflow.engine.compiled import why_slow
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.topics import create_fact_topics
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify


@contextmanager
def open_outputs(plan: Plan, notify: Notify) -> Iterator[None]:
    """Check that results can be written, create the fact topics, and lock the results file.

    Raises TapeflowError where the file holds anything else, or another run is writing it.
    """
    if result_paths(plan).work.resolve() == plan.results:
        raise UsageError(f"--results {plan.results} is the state's own file: name another")
    check_replaceable(plan.results)
    if reason := why_slow():
        notify(reason)
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
    """Return the work file in which the results are made, and the file that is published."""
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
        instruments=instrument_table(plan.job),
    )
