"""Running a dataflow in this process: its doors, workers, epochs, signals, progress.

What goes wrong comes out as one line.
"""

import ctypes
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial

from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.testing import cluster_main, run_main

from tapeflow.connectors.duckdb.sink import PUBLISH_EVERY_S, ResultsSink
from tapeflow.connectors.kafka.heartbeats import HeartbeatWriter
from tapeflow.connectors.kafka.sink import LOW_LATENCY, KafkaSink, ReliableProducer
from tapeflow.connectors.source.progress import END, START, Progress
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.connectors.source.source import STOP_REQUESTED, LogSource
from tapeflow.engine.errors import CAPTURED
from tapeflow.engine.routing import state_keys
from tapeflow.flows import trade
from tapeflow.flows.run import log as logs
from tapeflow.flows.run.plan import Plan, run_of
from tapeflow.schemas.errors import TapeflowError

PROGRESS_S = 0.5
EPOCH_NS = 1_000_000_000
SIGNALS = (signal.SIGTERM, signal.SIGINT)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
MMAP_THRESHOLD, TRIM_THRESHOLD = (
    32 << 20,
    256 << 20,
)  # bytes of one block; free bytes at the heap's end
GC_REPLAY, GC_LIVE = (200_000, 20, 100), (2_000, 50, 1000)  # of the garbage collector
Say = Callable[[str], None]


def run_worker(
    plan: Plan,
    board: Progress,
    say: Say,
    addresses: Sequence[str] = (),
    process: int = 0,
    before_start: Callable[[], None] = lambda: None,
) -> None:
    """Run this process's share of a plan to the end of its input, or until a signal stops it.

    `before_start` is called when all is built, and may wait.
    """
    flow = dataflow(plan, board, say)
    CAPTURED.clear()
    tune_malloc()
    with stopping_on_signals(), tuned_gc(plan), side_tasks(plan, board, say, process):
        try:
            before_start()
            execute(flow, plan, addresses, process)
        except BaseException as error:
            for each in (error, *CAPTURED):
                if misuse := find_error(each):
                    raise misuse from None
            raise CAPTURED[0] if CAPTURED else error  # noqa: B904  # it has its own cause


def execute(flow: Dataflow, plan: Plan, addresses: Sequence[str], process: int) -> None:
    """Hand a flow to the engine."""
    epoch = timedelta(microseconds=max(epoch_ns(plan) // 1000, 1))
    recovery = None if plan.state is None else RecoveryConfig(plan.state / "recovery")  # type: ignore[no-untyped-call]
    if plan.workers == 1 and len(addresses) < 2:
        # On this thread: beside a worker of its own, the engine's main thread asks for the GIL a
        # thousand times a second.
        run_main(flow, epoch_interval=epoch, recovery_config=recovery)  # type: ignore[no-untyped-call]
        return
    cluster_main(  # type: ignore[no-untyped-call]
        flow,
        list(addresses),
        process,
        epoch_interval=epoch,
        recovery_config=recovery,
        worker_count_per_proc=plan.workers,
    )


def epoch_ns(plan: Plan) -> int:
    """How often everything is sealed: as the job says, or every second.

    A replay that keeps no state goes back to no epoch: what it has is sealed when it is published.
    """
    if plan.job.recovery.epoch is not None:
        return plan.job.recovery.epoch
    kept = plan.state is not None or plan.speed is not None or live_partitions(plan)
    return EPOCH_NS if kept else int(PUBLISH_EVERY_S * 1e9)


@contextmanager
def side_tasks(plan: Plan, board: Progress, say: Say, process: int) -> Iterator[None]:
    """What goes on beside a flow that follows its topics, in the first process."""
    places = live_partitions(plan)
    with ExitStack() as beside:
        if places and process == 0:
            from tapeflow.flows.run.stall_watch import Watch  # noqa: PLC0415  # its metrics are slow to import

            beside.enter_context(Watch(board, plan.job.source.quiet, say))
            if plan.heartbeats:
                client = {**LOW_LATENCY, **plan.job.kafka.client}
                sender = partial(ReliableProducer, plan.job.kafka.bootstrap, client)
                every_ns = plan.job.source.heartbeat
                beside.enter_context(HeartbeatWriter(sender, places, board, every_ns, say))
        yield


def live_partitions(plan: Plan) -> dict[str, tuple[str, int]]:
    """Topic and number of the partitions that are followed live."""
    return {
        name: (place.name, place.number)
        for name, place in plan.log.items()
        if isinstance(place, logs.TopicPartition) and place.end is None
    }


def dataflow(plan: Plan, board: Progress, say: Say) -> Dataflow:
    """The flow of a plan, its doors ready to open."""
    pace = None if plan.speed is None else ReplayClock(plan.speed)
    reader_factories = logs.reader_factories(plan.log, plan.job, say)
    source = LogSource(reader_factories, state_keys(reader_factories), board, pace)
    live = bool(live_partitions(plan))
    client = {**(LOW_LATENCY if live else {}), **plan.job.kafka.client}
    topics = KafkaSink(plan.job.kafka.bootstrap, client) if plan.publish else None
    results = ResultsSink(plan.files, run_of(plan), live=live)
    return trade.build(plan.job, source, results, topics)


def find_error(error: BaseException | None) -> TapeflowError | None:
    """The clear line inside what the engine wrapped around it."""
    while error is not None and not isinstance(error, TapeflowError):
        error = error.__cause__ or error.__context__
    return error


def stop_on_signals() -> None:
    """Let signals stop the sources, for good."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: STOP_REQUESTED.set())


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and SIGINT stop the sources; everything read is worked off, all state is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop_on_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tune_malloc() -> None:
    """Let the C library keep what is freed: pages come and go, and the kernel clears each anew.

    A tenth of a replay's time. Not every C library has mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)


@contextmanager
def tuned_gc(plan: Plan) -> Iterator[None]:
    """Keep the garbage collector's pauses short: what is alive now need not be looked at.

    Seldom for a replay; often, and so briefly, where an order might wait for it.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*(GC_LIVE if live_partitions(plan) else GC_REPLAY))
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def progress(board: Progress, show: Say) -> Iterator[None]:
    """Show how far the log has been read, while the flow runs."""
    done = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while not done.wait(PROGRESS_S):
            show(progress_line(board, time.monotonic() - began))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def progress_line(board: Progress, seconds: float) -> str:
    """One line of progress."""
    min_log_ns = board.min_log_ns()
    if min_log_ns == START:
        return "starting"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(min_log_ns // 10**9))
    reached = "the end" if min_log_ns == END else moment
    records = board.records()
    return f"{records:,} records, {records / seconds:,.0f}/s, log time {reached}"


def show_progress(text: str) -> None:
    """Progress on standard error, over the line before where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
