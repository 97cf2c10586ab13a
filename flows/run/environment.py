"""A flow under the engine's own command `bytewax.run`, configured by variables:

    TAPEFLOW_CONFIG=jobs/demo.toml TAPEFLOW_TAPES=tapes/ TAPEFLOW_RESULTS=results.duckdb
    python -m bytewax.run flows.trade:flow -w 2

Without TAPEFLOW_TAPES it follows the raw topics. Recovery is the engine's own (-r); the results are
then written to TAPEFLOW_RESULTS.making, which stays there between starts.
"""

import sys

from tapeflow.flows.job import settings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import UsageError


def plan_from_environment(flow: str) -> Plan:
    """Return the plan of a flow that the variables describe.

    Raises UsageError where TAPEFLOW_CONFIG is missing or the job is wrong.
    """
    variables = settings.from_environment()
    if variables.config is None:
        raise UsageError("which job? set TAPEFLOW_CONFIG to its TOML file")
    job = settings.load(variables.config)
    results = variables.results.resolve()
    tapes = variables.tapes
    return Plan(
        flow=flow,
        command="bytewax.run",
        log=find_tapes(tapes, job, notify) if tapes else find_topics(job, notify, tail=True),
        job=job,
        results=results,
        progress_file=results.with_name(results.name + ".progress"),
        publish=not tapes and job.kafka.publish,
    )


def notify(line: str) -> None:
    """Write a line for the user to standard error."""
    sys.stderr.write(f"tapeflow: {line}\n")
