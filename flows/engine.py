"""Running a dataflow: workers, epochs, signals, progress; what goes wrong comes out as one line."""

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main, run_main

from connectors.board import END, START, Board
from connectors.log_source import STOP
from schemas.errors import MisuseError

EPOCH = timedelta(seconds=1)
PROGRESS_S = 0.5


def run(flow: Dataflow, workers: int) -> None:
    """Run a flow to the end of its input, or until a signal stops it."""
    STOP.clear()
    with stopping_on_signals(), seldom_collected():
        try:
            if workers == 1:
                run_main(flow, epoch_interval=EPOCH)  # type: ignore[no-untyped-call]
            else:
                cluster_main(  # type: ignore[no-untyped-call]
                    flow, [], 0, epoch_interval=EPOCH, worker_count_per_proc=workers
                )
        except BaseException as error:
            raise misuse_in(error) or error from None


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Keep the garbage collector's pauses short: what is alive now need not be looked at."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def misuse_in(error: BaseException | None) -> MisuseError | None:
    """The clear line inside what the engine wrapped around it."""
    while error is not None and not isinstance(error, MisuseError):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and SIGINT stop the sources; everything read is worked off, all state is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: STOP.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress(board: Board, say: Callable[[str], None]) -> Iterator[None]:
    """Say how far the log has been read, while the flow runs."""
    done = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while not done.wait(PROGRESS_S):
            say(told(board, time.monotonic() - began))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def told(board: Board, seconds: float) -> str:
    """One line of progress."""
    low_ns = board.low_ns()
    if low_ns == START:
        return "starting"
    reached = (
        "the end"
        if low_ns == END
        else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(low_ns // 10**9))
    )
    return f"{board.records():,} records, {board.records() / seconds:,.0f}/s, log time {reached}"


def on_terminal(text: str) -> None:
    """Progress on standard error, over the line before where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
