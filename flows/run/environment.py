"""A flow under the engine's own command `bytewax.run`, configured by variables:

    TAPEFLOW_CONFIG=jobs/demo.toml TAPEFLOW_TAPES=tapes/ TAPEFLOW_RESULTS=results.duckdb
    python -m bytewax.run flows.trade:flow -w 2

Without TAPEFLOW_TAPES it follows the raw topics. Recovery is the engine's own (-r); the results are
then written to TAPEFLOW_RESULTS.partial, which stays there between starts.
"""

import atexit
import os
import sys
from contextlib import ExitStack
from threading import Timer

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.errors import CAPTURED, collected_errors
from tapeflow.flows.job import settings
from tapeflow.flows.run import unexpected
from tapeflow.flows.run.engine_output import hide_engine_output
from tapeflow.flows.run.log import Log
from tapeflow.flows.run.log_lines import CONTEXT, format_notice
from tapeflow.flows.run.plan import BY_ENGINE, Plan
from tapeflow.flows.run.run_id import new_run_id
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import ERROR, Notice

FAILED, WRONG_USE = 1, 2  # exit codes
START_S = 10.0


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
    if tapes:
        log: Log = find_tapes(tapes, job, notify)
    else:
        from tapeflow.flows.run.raw_topics import find_topics  # noqa: PLC0415  # slow to import

        log = find_topics(job, notify, tail=True)
    plan = Plan(
        flow=flow,
        run_id=new_run_id(),
        command=BY_ENGINE,
        log=log,
        job=job,
        results=results,
        progress_file=results.with_name(results.name + ".progress"),
        publish=not tapes and job.kafka.publish,
        checked=variables.checked,
    )
    CONTEXT.update(run=plan.run_id, command=plan.command)
    return plan


def report_errors() -> None:
    """Report every failure as one line, until the process ends; hide what the engine prints.

    The engine's command prints exceptions through `sys.excepthook`.
    """
    hidden = ExitStack()
    hidden.enter_context(collected_errors())
    hidden.enter_context(hide_engine_output())

    def report(_kind: type[BaseException], error: BaseException, _trace: object) -> None:
        causes = [*CAPTURED, error]
        hidden.__exit__(type(error), error, None)
        found = unexpected.explain_first(causes)
        if isinstance(error, KeyboardInterrupt):
            line = "interrupted"
        elif found is not None:
            line = str(found)
        else:
            folders = [settings.from_environment().results.resolve().parent]
            saved = unexpected.save_trace(causes[0], folders)
            line = f"{unexpected.describe(causes[0])}; the whole trace is in {saved}"
        notify(Notice(" ".join(line.split()), "error", ERROR))
        sys.stderr.flush()
        # the engine's threads live on after a failure, and abort where Python ends orderly
        os._exit(WRONG_USE if isinstance(found, UsageError) else FAILED)

    sys.excepthook = report
    atexit.register(hidden.close)


def watch_start(progress: Progress) -> None:
    """Notify where no partition is opened after START_S: the engine waits for its peers."""

    def look() -> None:
        if len(progress.find_unopened()) == len(progress.partitions):
            notify(
                f"no partition is opened after {START_S:g} s: the other processes of the cluster, "
                "named by -a, have not come"
            )

    timer = Timer(START_S, look)
    timer.daemon = True
    timer.start()


def notify(line: str) -> None:
    """Write a line for the user to standard error."""
    sys.stderr.write(format_notice(line))
