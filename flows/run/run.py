"""One run of the trade flow: what it reads, where it keeps itself, what it leaves."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from tapeflow.connectors.duckdb.file import check_replaceable, create, exclusive_lock, finalize
from tapeflow.connectors.source.progress import END, Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.connectors.state.directory import FORMAT, Manifest, StateDir
from tapeflow.engine.compiled import COMPILED
from tapeflow.engine.recovery import delete_unfinished_snapshots
from tapeflow.flows.run import engine
from tapeflow.flows.run import supervisor as cluster
from tapeflow.flows.run import topics as loading
from tapeflow.flows.run.log import TopicPartition
from tapeflow.flows.run.plan import Plan, run_of
from tapeflow.flows.trade import STATE_VERSIONS
from tapeflow.schemas.errors import UsageError

Say = Callable[[str], None]


ENDED = "ended"  # file of a state that has read a finite log to its end
STATE_SETTINGS = {"bars", "dedupe", "normalise", "channels", "instruments"}  # sections


def run(plan: Plan, show: Say, say: Say) -> Progress:
    """Run to the end of the log, or until stopped; the board says how much was read."""
    plan = replace(plan, results=plan.results.resolve())
    check_replaceable(plan.results)
    if not COMPILED:
        say("numba is not installed: everything works, slower; pip install tapeflow[fast]")
    if plan.publish:
        loading.create_fact_topics(plan.job, say)
    with exclusive_lock(plan.results), open_state(plan, say) as held:
        if held.processes > 1 or held.supervised:
            board = run_supervised(held, show, say)
        else:
            STOP_REQUESTED.clear()
            board = Progress(tuple(held.log), held.job.source.lead, held.board)
            if held.state is not None:
                delete_unfinished_snapshots(held.state / "recovery")
            with engine.progress(board, show):
                engine.run_worker(held, board, say)
        ended = board.min_log_ns() == END
        if ended and held.state is not None:
            (held.state / ENDED).touch()
        if STOP_REQUESTED.is_set():
            say(f"stopped by a signal after {board.records():,} records")
        if not held.files.work.exists():  # stopped before it was made
            create(held.files, run_of(held)).close()
        finalize(held.files, ended=ended, keep=held.state is not None)
    return board


@contextmanager
def open_state(plan: Plan, say: Say) -> Iterator[Plan]:
    """The plan with its state directory in hand, partitions in the order of its turns."""
    if plan.state is None:
        yield plan
        return
    if plan.files.work.resolve() == plan.results:
        raise UsageError(f"--results {plan.results} is the state's own file: name another")
    state = StateDir(plan.state.resolve())
    try:
        turns, fresh = state.check_compatible(manifest(plan))
        for name in fresh:
            say(f"partition {name} is new to this state: it is read from its beginning")
        state.board.unlink(missing_ok=True)
        log = {name: plan.log[name] for name in turns}
        if (state.folder / ENDED).exists():
            check_ended_state(plan, say)
        yield replace(plan, log=log, state=state.folder, board=state.board)
    finally:
        state.release()


def check_ended_state(plan: Plan, say: Say) -> None:
    """A state that was told of the end of its log reads nothing that was added since."""
    line = f"{plan.state} has read its log to the end: what was added since needs a fresh --state"
    if any(isinstance(place, TopicPartition) and place.end is None for place in plan.log.values()):
        raise UsageError(line)
    say(line)


def run_supervised(plan: Plan, show: Say, say: Say) -> Progress:
    """Run in processes of their own; who dies is started again."""
    with tempfile.TemporaryDirectory(prefix="tapeflow-") as folder:
        plan = replace(plan, board=plan.board or Path(folder) / "board")
        board = Progress(tuple(plan.log), plan.job.source.lead, plan.board)
        with engine.progress(board, show):
            cluster.supervise(plan, board, Path(folder), say)
        return board


def manifest(plan: Plan) -> Manifest:
    """What the state of this plan depends on."""
    told = plan.job.model_dump(mode="json", include=STATE_SETTINGS)
    topics = any(isinstance(place, TopicPartition) for place in plan.log.values())
    return Manifest(
        format=FORMAT,
        engine=f"bytewax {version('bytewax')}",
        states=STATE_VERSIONS,
        meaning={**told, "accounts": sorted(each.name for each in plan.job.accounts)},
        source="topics" if topics else "tapes",
        partitions=tuple(plan.log),
    )
