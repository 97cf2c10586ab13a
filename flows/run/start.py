"""The start of a run: its id, and the raw topics that it reads.

plan ──▶ identify_run ──▶ find_topics ──▶ plan with its log ──▶ run_plan
                              └─fails, where it would follow them─▶ webhook
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tapeflow.flows.run.log_lines import CONTEXT
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run_id import new_run_id
from tapeflow.schemas.notify import Notify

if TYPE_CHECKING:
    from tapeflow.flows.run.raw_topics import Moment


def identify_run(plan: Plan) -> Plan:
    """Return a plan with the id of its run and the whole path of its results."""
    run_id = plan.run_id or str(CONTEXT.get("run") or new_run_id())
    return replace(plan, results=plan.results.resolve(), run_id=run_id)


def add_topics(plan: Plan, notify: Notify, *, tail: bool, **moments: "Moment") -> Plan:
    """Return a plan that reads the raw topics of its job; with `tail` it follows them.

    What follows topics sends an alert where they cannot be found: it runs unattended.

    Raises TapeflowError and UsageError as find_topics does, which gets the `moments`.
    """
    from tapeflow.flows.run.raw_topics import find_topics  # noqa: PLC0415  # slow to import

    plan = identify_run(plan)
    with ExitStack() as contexts:
        if tail and plan.job.alerts.webhook:
            from tapeflow.flows.alerts.alerting import alerting  # noqa: PLC0415  # slow to import

            contexts.enter_context(alerting(plan, notify))
        return replace(plan, log=find_topics(plan.job, notify, tail=tail, **moments))
