"""The flow under the engine's own command, in any shape, told by variables:

    TAPEFLOW_CONFIG=jobs/demo.toml TAPEFLOW_TAPES=tapes/ TAPEFLOW_RESULTS=results.duckdb
    python -m bytewax.run flows.trade:flow -w 2

Without TAPEFLOW_TAPES it follows the raw topics. Recovery is the engine's own (-r); the results are
then made in TAPEFLOW_RESULTS.making and stay there between starts.
"""

import sys

from bytewax.dataflow import Dataflow

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.job import settings
from tapeflow.flows.run import engine
from tapeflow.flows.run import log as logs
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.errors import UsageError


def flow() -> Dataflow:
    """Build it, ready to stop on signals."""
    told = settings.from_environment()
    if told.config is None:
        raise UsageError("which job? set TAPEFLOW_CONFIG to its TOML file")
    job = settings.load(told.config)
    log = logs.tapes(told.tapes, job) if told.tapes else logs.topics(job, say, tail=True)
    results = told.results.resolve()
    plan = Plan(
        command="bytewax.run",
        log=log,
        job=job,
        results=results,
        board=results.with_name(results.name + ".board"),
        publish=not told.tapes and job.kafka.publish,
    )
    engine.stop_on_signals()
    return engine.dataflow(plan, Progress(tuple(log), job.source.lead, plan.board), say)


def say(line: str) -> None:
    """A message beside the output."""
    sys.stderr.write(f"tapeflow: {line}\n")
