"""One run of a flow: lock its outputs, open its state, run one process or several, finish.

    plan ──▶ outputs ──▶ state ─┬─▶ run_worker, in this process ───────┬─▶ finish
                                └─▶ supervise, processes of their own ─┘

What differs between flows is in their modules, through the interface of flow.py.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.connectors.state.directory import StateDir
from tapeflow.connectors.state.manifest import FORMAT, Manifest
from tapeflow.engine.memory_store import in_memory
from tapeflow.engine.recovery import delete_unfinished_snapshots
from tapeflow.flows.run.engine import run_worker
from tapeflow.flows.run.engine_output import hide_engine_output
from tapeflow.flows.run.flow import Flow, load_flow, open_progress
from tapeflow.flows.run.limits import WORKERS_MAX
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.observing import Watch, observing
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.progress_line import showing_progress
from tapeflow.flows.run.signals import RECEIVED, first_signal, stopping_on_signals
from tapeflow.flows.run.start import identify_run
from tapeflow.flows.run.supervisor import supervise
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.errors import StoppedError, TapeflowError, UsageError
from tapeflow.schemas.notify import Notice, Notify
from tapeflow.schemas.time import MAX_NS

ENDED = "ended"  # file of a state that has read a finite log to its end


def run_plan(plan: Plan, show: Notify, notify: Notify) -> Progress:
    """Run a plan to the end of its log, or until stopped; return its read progress.

    `show` gets lines of progress, each in the place of the one before; `notify` gets messages.

    Raises TapeflowError where outputs, state or log do not allow the run, or the run fails, and
    StoppedError where a signal stopped it before the end of a finite log.
    """
    if plan.workers * plan.processes > WORKERS_MAX:
        raise UsageError(
            f"{plan.processes} processes with {plan.workers} workers each: at most {WORKERS_MAX} "
            "workers in all"
        )
    plan = identify_run(plan)
    check_utf8(plan.results)
    flow = load_flow(plan.flow)
    STOP_REQUESTED.clear()
    RECEIVED.clear()
    with (
        stopping_on_signals(),  # from here on: a stop while it starts is a stop too
        observing(plan, notify) as watch,
        flow.open_outputs(plan, notify),
        open_state(plan, flow, notify) as opened,
    ):
        for line in flow.start_notices(opened):
            notify(line)
        with keeping_unfinished(opened, flow):
            progress = run_processes(opened, show, notify, watch)
        ended = progress.min_log_ns() == MAX_NS
        if ended and opened.state is not None and flow.END_IS_FINAL:
            (opened.state / ENDED).touch()
        outputs = flow.finish(opened, ended=ended)
        if STOP_REQUESTED.is_set() and not ended:
            name, records = first_signal().name, progress.records()
            line = f"stopped by {name} after {records:,} records: {outputs}"
            if not is_live(plan):
                raise StoppedError(line, first_signal())
            notify(Notice(line, "stopped", records=records))  # what follows topics has no other end
    return progress


def run_processes(plan: Plan, show: Notify, notify: Notify, watch: Watch) -> Progress:
    """Run a plan in this process, or in several of its own; return its read progress.

    `watch` gets the progress at the beginning.
    """
    if plan.processes > 1 or plan.supervised:
        return run_supervised(plan, show, notify, watch)
    progress = open_progress(plan)
    watch(plan, progress)
    if plan.state is not None:
        delete_unfinished_snapshots(plan.state / "recovery")
    with hide_engine_output(), showing_progress(progress, show, live=is_live(plan)):
        run_worker(plan, progress, notify)
    return progress


@contextmanager
def keeping_unfinished(plan: Plan, flow: Flow) -> Iterator[None]:
    """Keep what a run has written that fails inside the `with` block; the error names it."""
    try:
        yield
    except TapeflowError as error:
        if where := flow.keep_unfinished(plan):
            raise type(error)(f"{error}; {where}") from None
        raise
    except Exception:
        flow.keep_unfinished(plan)
        raise


def check_utf8(path: Path) -> None:
    """Raise UsageError for a path that is not UTF-8: DuckDB opens no such file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path} is not UTF-8: rename the file or folder") from None


@contextmanager
def open_state(plan: Plan, flow: Flow, notify: Notify) -> Iterator[Plan]:
    """Open the state directory of a plan; yield the plan with partitions in the state's order.

    Raises TapeflowError where the state was made with other versions or settings.
    """
    if plan.state is None:
        yield plan
        return
    state = StateDir(plan.state.resolve())
    try:
        resumed = replace(plan, state=state.folder)
        order, new, changed = state.check_compatible(
            manifest(plan, flow), lambda: flow.check_changes(resumed)
        )
        for line in changed:
            notify(line)
        for name in new:
            line = f"partition {name} is new to this state: it is read from its beginning"
            notify(Notice(line, "new_partition", partition=name))
        state.progress.unlink(missing_ok=True)
        log = {name: plan.log[name] for name in order}
        if (state.folder / ENDED).exists():
            check_ended_state(plan, notify)
        opened = replace(plan, log=log, state=state.folder, progress_file=state.progress)
        if plan.job.recovery.store == "disk":
            yield opened
        else:
            with in_memory(state.recovery, notify):
                yield opened
    finally:
        state.release()


def check_ended_state(plan: Plan, notify: Notify) -> None:
    """Notify that a state at the end of its log reads nothing more.

    Raises UsageError where the plan follows topics.
    """
    line = f"{plan.state} has read its log to the end: what was added since needs a fresh --state"
    if is_live(plan):
        raise UsageError(line)
    notify(line)


def run_supervised(plan: Plan, show: Notify, notify: Notify, watch: Watch) -> Progress:
    """Run a plan in processes of their own, and start them again where one fails."""
    with tempfile.TemporaryDirectory(prefix="tapeflow-") as folder:
        plan = replace(plan, progress_file=plan.progress_file or Path(folder) / "progress")
        progress = open_progress(plan)
        watch(plan, progress)
        with showing_progress(progress, show, live=is_live(plan)):
            supervise(plan, progress, Path(folder), notify)
        return progress


def is_live(plan: Plan) -> bool:
    """Return whether a plan follows topics that have no end."""
    return bool(live_partitions(plan.log))


def manifest(plan: Plan, flow: Flow) -> Manifest:
    """Return the manifest of a plan: the versions and settings that its state depends on."""
    topics = any(isinstance(stored, TopicPartition) for stored in plan.log.values())
    return Manifest(
        format=FORMAT,
        flow=plan.flow,
        engine=f"bytewax {version('bytewax')}",
        states=flow.STATE_VERSIONS,
        fixed_settings=flow.fixed_settings(plan.job),
        source="topics" if topics else "tapes",
        partitions=tuple(plan.log),
        fixed_rows=flow.fixed_rows(plan.job),
        notified_rows=flow.notified_rows(plan.job),
    )
