"""The source of a flow: the log of a plan, opened for the engine."""

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.connectors.source.source import LogSource
from tapeflow.engine.routing import state_keys
from tapeflow.flows.run import log
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.notify import Notify


def log_source(
    plan: Plan, progress: Progress, notify: Notify, *, end_is_final: bool = True
) -> LogSource:
    """Build the source that reads all partitions of a plan, at its speed.

    Unless the end is final, a state at the end of its log reads what was added since.
    """
    clock = None if plan.speed is None else ReplayClock(plan.speed)
    readers = log.reader_factories(plan.log, plan.job, notify)
    follows = bool(log.live_partitions(plan.log))
    return LogSource(
        readers,
        state_keys(readers),
        progress,
        clock,
        end_is_final=end_is_final,
        follows=follows,
    )
