"""One process of a run: builds its share of a flow and runs it on the engine.

    plan --> dataflow --> engine, one thread or several workers --> end, stop, or error

A failure with a known cause is raised as one TapeflowError.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import NoReturn

from bytewax._bytewax import cluster_main, run_main  # not by bytewax.testing, which is slow
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.compile_watch import watching_compiler
from tapeflow.engine.compiled import check_indices
from tapeflow.engine.errors import collected_errors
from tapeflow.engine.prepare import prepare
from tapeflow.engine.rungs import stale_kernels
from tapeflow.flows.run.clock_watch import ClockWatch
from tapeflow.flows.run.flow import load_flow
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.side_tasks import side_tasks
from tapeflow.flows.run.signals import stopping_on_signals
from tapeflow.flows.run.tuning import tune_malloc, tuned_gc
from tapeflow.flows.run.unexpected import explain_first
from tapeflow.schemas.notify import Notify

EPOCH_NS = 1_000_000_000
STATELESS_EPOCH_NS = 5_000_000_000  # only a kill loses what was read since


def run_worker(
    plan: Plan,
    progress: Progress,
    notify: Notify,
    addresses: Sequence[str] = (),
    process: int = 0,
    before_start: Callable[[], None] = lambda: None,
) -> None:
    """Run this process's share of a plan to the end of its input, or until a signal stops it.

    `addresses` are those of all processes of the cluster, `process` is the index of this one.
    `before_start` is called when everything is built, and may wait.

    Raises TapeflowError where the failure can be explained in one line.
    """
    if plan.checked:
        check_indices()
    flow = load_flow(plan.flow)
    dataflow = flow.dataflow(plan, progress, notify)
    prepare(dataflow)
    if stale := stale_kernels():
        notify(stale)
    tune_malloc()
    with collected_errors() as errors, ExitStack() as contexts:
        contexts.enter_context(stopping_on_signals())
        contexts.enter_context(watching_compiler(partial(progress.set_compiling, process)))
        contexts.enter_context(tuned_gc(live=bool(live_partitions(plan.log))))
        contexts.enter_context(ClockWatch(notify, supervised=bool(addresses)))
        if flow.MERGES_PARTITIONS and process == 0:
            contexts.enter_context(side_tasks(plan, progress, notify))
        try:
            before_start()
            execute(dataflow, plan, addresses, process)
        except BaseException as error:
            raise_first(*errors, error)
        if errors:  # captured in a `close`, where nothing is raised again
            raise_first(*errors)


def raise_first(*errors: BaseException) -> NoReturn:
    """Raise the first error that can be explained in one line, else the one captured first."""
    if explained := explain_first(errors):
        raise explained from None
    raise errors[0]


def execute(dataflow: Dataflow, plan: Plan, addresses: Sequence[str], process: int) -> None:
    """Run a flow on the engine: on this thread, or in a cluster of workers."""
    epoch = timedelta(microseconds=max(epoch_ns(plan) // 1000, 1))
    recovery = None if plan.state is None else RecoveryConfig(plan.state / "recovery")  # type: ignore[no-untyped-call]
    if plan.workers == 1 and len(addresses) < 2:
        # On this thread: with a worker thread, the engine's main thread takes the GIL a thousand
        # times a second.
        run_main(dataflow, epoch_interval=epoch, recovery_config=recovery)  # type: ignore[no-untyped-call]
        return
    cluster_main(  # type: ignore[no-untyped-call]
        dataflow,
        list(addresses),
        process,
        epoch_interval=epoch,
        recovery_config=recovery,
        worker_count_per_proc=plan.workers,
    )


def epoch_ns(plan: Plan) -> int:
    """Return the time between two commits: as the job says, or every second.

    A replay without state never goes back to an epoch: it commits rarely.
    """
    if plan.job.recovery.epoch is not None:
        return plan.job.recovery.epoch
    frequent = plan.state is not None or plan.speed is not None or live_partitions(plan.log)
    return EPOCH_NS if frequent else STATELESS_EPOCH_NS
