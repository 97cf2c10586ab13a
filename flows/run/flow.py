"""Flows by name: the interface of a flow's module, and how a run finds the module.

    Plan.flow = "trade"  --import-->  tapeflow.flows.trade  --dataflow(plan, ...)-->  engine

No module of flows/run imports a flow by a statement, because flows import flows/run.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol, cast

from bytewax.dataflow import Dataflow

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.state.manifest import Rows
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.notify import Notify

NO_LIMIT_NS = 2**64  # more than any two log times are apart


class Flow(Protocol):
    """The module of a flow."""

    STATE_VERSIONS: dict[str, int]  # step id -> version of its state; both are schema
    MERGES_PARTITIONS: bool  # True: its output waits for every partition to progress
    END_IS_FINAL: bool  # True: a state at the end of its log reads nothing that is added later

    def fixed_settings(self, job: Job) -> dict[str, Any]:
        """Return the settings with which a state must go on, as JSON values by name."""

    def fixed_rows(self, job: Job) -> Rows:
        """Return the rows that may come and go under a state, and stay as they are in between."""

    def notified_rows(self, job: Job) -> Rows:
        """Return the rows that may come, change and go under a state, as is said."""

    def check_changes(self, plan: Plan) -> None:
        """Refuse a plan whose settings have changed where its state does not allow it."""

    def dataflow(self, plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
        """Build the flow of a plan; sources and sinks open when the engine starts them."""

    def open_outputs(self, plan: Plan, notify: Notify) -> AbstractContextManager[None]:
        """Check the outputs of a plan, and lock out other runs inside the `with` block."""

    def start_notices(self, plan: Plan) -> Iterator[str]:
        """Yield what is to be said of a plan and of its open state before the engine starts."""

    def finish(self, plan: Plan, *, ended: bool) -> str:
        """Complete the outputs after the engine has stopped; `ended`: at the end of the log.

        Returns where the outputs of a stopped run are, for the line that says that it was stopped.
        """

    def keep_unfinished(self, plan: Plan) -> str:
        """Keep what a run has written that failed; return where it is, "" for nowhere."""


def load_flow(name: str) -> Flow:
    """Import the module of a flow by the flow's name."""
    return cast(Flow, import_module(f"tapeflow.flows.{name}"))


def open_progress(plan: Plan) -> Progress:
    """Create the read progress of a plan's partitions, or open the file that processes share.

    Partitions that the flow does not merge never wait for each other.
    """
    merges = load_flow(plan.flow).MERGES_PARTITIONS
    lead_ns = plan.job.source.max_lead if merges else NO_LIMIT_NS
    return Progress(tuple(plan.log), lead_ns, plan.progress_file, plan.processes)
