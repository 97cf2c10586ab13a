"""The start and the end of a run as lines of its log, and its number in table `runs`.

Only where lines are JSON (log_lines.py): as text, the exit code and the summary say it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.threads import PeriodicThread
from tapeflow.flows.run.log_lines import CONTEXT, is_json
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.version import package_version
from tapeflow.flows.run.watch import Watch
from tapeflow.schemas.errors import StoppedError, TapeflowError
from tapeflow.schemas.notify import ERROR, INFO, Notice, Notify

LOOK_S = 0.5
NUMBER = "SELECT max(id) FROM runs"


class RunLog:
    """What the lines of a run say of it."""

    def __init__(self, plan: Plan, notify: Notify) -> None:
        """Know no progress yet."""
        self.plan, self.notify = plan, notify
        self.numbered = -1  # restarts at which the number was read
        self.progress: Progress | None = None

    def watch(self, plan: Plan, progress: Progress) -> None:
        """Count the records of a progress from now on."""
        self.plan, self.progress = plan, progress

    def look(self) -> None:
        """Read the number of the run, once after each start of its processes."""
        if self.progress is None or self.numbered == self.progress.restarts:
            return
        from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow

        restarts = self.progress.restarts
        try:
            found = query_running(self.plan.results, NUMBER)
        except TapeflowError:
            return
        if found is not None:
            self.numbered, CONTEXT["run_number"] = restarts, found.rows[0][0]
            line = f"{self.plan.results} is made by run {found.rows[0][0]}"
            self.notify(Notice(line, "run_number"))

    def end(self, outcome: str, seconds: float) -> None:
        """Write the last line."""
        counts = {} if self.progress is None else {
            "records": self.progress.records(), "restarts": self.progress.restarts
        }  # fmt: skip
        level = ERROR if outcome == "failed" else INFO
        seconds = round(seconds, 3)
        self.notify(
            Notice(f"the run {outcome}", "end", level, outcome=outcome, seconds=seconds, **counts)
        )


@contextmanager
def logging_run(plan: Plan, notify: Notify) -> Iterator[Watch]:
    """Write the start and the end of a run around the `with` block, where lines are JSON."""
    log, began, outcome = RunLog(plan, notify), time.monotonic(), "failed"
    if not is_json():
        yield log.watch
        return
    CONTEXT.update(run=plan.run_id, command=plan.command)
    notify(
        Notice(
            f"{plan.command} starts", "start", version=package_version(), flow=plan.flow,
            results=str(plan.results), state=None if plan.state is None else str(plan.state),
            workers=plan.workers, processes=plan.processes, partitions=[*plan.log],
        )
    )  # fmt: skip
    try:
        with PeriodicThread(log.look, LOOK_S):
            yield log.watch
        outcome = "ended"
    except (StoppedError, KeyboardInterrupt):
        outcome = "was stopped"
        raise
    finally:
        log.end(outcome, time.monotonic() - began)
