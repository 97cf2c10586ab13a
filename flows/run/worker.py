"""One process of a cluster: it reads the supervisor's plan, and ends when the supervisor does.

    python -m tapeflow.flows.run.worker FOLDER INDEX ADDRESSES TERMINAL

Messages for the user go to the file descriptor TERMINAL, the supervisor's standard error. What the
engine itself prints goes to FOLDER/output-INDEX. The line of a failure with a known cause goes to
FOLDER/error-INDEX; of one that nobody expected to FOLDER/bug-INDEX, of a strategy's own code to
FOLDER/strategy-INDEX, each with its trace below it.
"""

import faulthandler
import gc
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from tapeflow.__main__ import GC_START
from tapeflow.connectors.kafka.arena import use_one_arena
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.flows.run import unexpected
from tapeflow.flows.run.ending import end_process
from tapeflow.flows.run.log_lines import CONTEXT, format_notice, is_json
from tapeflow.schemas.errors import PeerEndedError, StrategyError, UnavailableError
from tapeflow.schemas.notify import CLEAR_LINE, WARNING, Notice

PLAN = "plan.pickle"
BUG, FINAL = "bug", "strategy"  # files of a failure: a restart may help, or not
PREVIOUS_MAX_S = 10.0  # how long to wait for the process before this one
LOOK_S = 0.002
BIND_S = 0.01  # from a process's `listens` file until it listens


def main(folder: Path, index: int, addresses: list[str], terminal: int) -> int:
    """Run one share of the plan; return 0 at its end or when stopped, 1 where it failed."""
    signal.signal(signal.SIGTERM, lambda *_: STOP_REQUESTED.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's: the supervisor passes it on
    threading.Thread(target=exit_with_supervisor, daemon=True).start()
    faulthandler.enable()
    try:
        use_one_arena()  # before pyarrow is imported; without topics it changes nothing
        from tapeflow.flows.run import engine, flow  # noqa: PLC0415  # after the signals: slow

        plan = pickle.loads((folder / PLAN).read_bytes())  # our own, in a private folder
        CONTEXT.update(run=plan.run_id, command=plan.command, process=index)
        listen = partial(wait_for_previous_listener, folder, addresses, index)
        progress = flow.open_progress(plan)
        engine.run_worker(plan, progress, partial(notify, terminal), addresses, index, listen)
    except BaseException as error:
        report(error, folder, index, terminal)
        return 1
    return 0


def report(error: BaseException, folder: Path, index: int, terminal: int) -> None:
    """Leave an error to the supervisor; only notify of one that a restart may help against."""
    explained = unexpected.explain(error)
    if isinstance(explained, UnavailableError):
        notify(terminal, Notice(str(explained), "unavailable", WARNING))
    elif isinstance(explained, PeerEndedError):
        return
    elif explained is not None:
        (folder / f"error-{index}").write_text(str(explained), errors="backslashreplace")
    else:
        text = f"{unexpected.describe(error)}\n{unexpected.format_trace(error)}"
        kind = FINAL if isinstance(error, StrategyError) else BUG
        (folder / f"{kind}-{index}").write_text(text, errors="backslashreplace")


def wait_for_previous_listener(folder: Path, addresses: list[str], index: int) -> None:
    """Wait until the process before this one is about to listen, then mark this one.

    A process that cannot connect to a peer tries again only after a second.
    """
    marks = [folder / f"listens-{address.replace(':', '-')}" for address in addresses]
    if index:
        began = time.monotonic()
        while not marks[index - 1].exists() and time.monotonic() - began < PREVIOUS_MAX_S:
            if STOP_REQUESTED.wait(LOOK_S):
                break
        time.sleep(BIND_S)
    marks[index].touch()


def exit_with_supervisor() -> None:
    """Block on the pipe that the supervisor holds open; when it closes, kill this process."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGKILL)


def notify(terminal: int, line: str) -> None:
    """Write a line for the user to a file descriptor, over progress where it is a terminal."""
    clear = CLEAR_LINE if os.isatty(terminal) and not is_json() else ""
    with suppress(OSError):  # its reader has gone: no reason to stop
        os.write(terminal, (clear + format_notice(line)).encode(errors="backslashreplace"))


if __name__ == "__main__":
    gc.set_threshold(*GC_START)
    code = main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(";"), int(sys.argv[4]))
    if code:  # the engine's threads live on after a failure, and abort where Python ends orderly
        sys.stderr.flush()
        os._exit(code)
    end_process(code)
