"""Checks of a job's limits and commands that need more than one section; each error is one line."""

from tapeflow.flows.job.limits import scopes_named
from tapeflow.flows.job.limits_section import Limits
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable


def check_risk(job: Job, table: InstrumentTable) -> None:
    """Check that all that is declared of risk acts. Raises UsageError where something would not."""
    for scope, limits in job.limits.items():
        if job.risk.counting == "net":
            raise UsageError(
                f'limits.{scope}: [risk] counting = "net" knows the limits of [[accounts]] alone'
            )
        if limits.approval_above is not None and not job.control.keys:
            raise UsageError(
                f"limits.{scope}: approval_above needs keys in [control]: nobody could approve"
            )
    names = [each.name for each in job.strategies]
    for strategy in job.control.owners:
        if strategy not in names:
            guess = suggestion(strategy, names)
            raise UsageError(f"control.owners: the job has no strategy {strategy}{guess}")
    for scope, bounds in job.control.bounds.items():
        if scope.startswith("instrument:") and scope.removeprefix("instrument:") in table.number:
            pass
        elif scopes_named(job, table, scope) != [scope]:
            raise UsageError(f"control.bounds.{scope}: a command is of one instrument: name it")
        for limit in bounds:
            if limit not in Limits.model_fields:
                guess = suggestion(limit, [*Limits.model_fields])
                raise UsageError(f"control.bounds.{scope}: there is no limit {limit}{guess}")
            check_settable(scope, limit)


def check_settable(scope: str, limit: str) -> None:
    """Check that a command can set a limit."""
    from tapeflow.operators.desk.risk.overrides import SETTABLE  # noqa: PLC0415  # slow

    if limit not in SETTABLE:
        known = ", ".join(sorted(SETTABLE))
        raise UsageError(f"control.bounds.{scope}: no command sets {limit}; they set {known}")
