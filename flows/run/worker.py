"""One process of a cluster: it reads the supervisor's plan, and ends when the supervisor does.

    python -m tapeflow.flows.run.worker FOLDER INDEX ADDRESSES TERMINAL

Messages for the user go to the file descriptor TERMINAL, the supervisor's standard error. What the
engine itself prints goes to FOLDER/output-INDEX. The line of a failure with a known cause goes to
FOLDER/error-INDEX.
"""

import os
import pickle
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.schemas.errors import TapeflowError, UnavailableError
from tapeflow.schemas.notify import CLEAR_LINE

PLAN = "plan.pickle"
PREVIOUS_MAX_S = 10.0  # how long to wait for the process before this one
LOOK_S = 0.002
BIND_S = 0.01  # from a process's `listens` file until it listens


def main(folder: Path, index: int, addresses: list[str], terminal: int) -> int:
    """Run one share of the plan; return 0 at its end or when stopped, 1 where it failed."""
    signal.signal(signal.SIGTERM, lambda *_: STOP_REQUESTED.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's: the supervisor passes it on
    threading.Thread(target=exit_with_supervisor, daemon=True).start()
    from tapeflow.flows.run import engine, flow  # noqa: PLC0415  # after the signals: a slow import

    plan = pickle.loads((folder / PLAN).read_bytes())  # our own, in a private folder
    try:
        listen = partial(wait_for_previous_listener, folder, addresses, index)
        progress = flow.open_progress(plan)
        engine.run_worker(plan, progress, partial(notify, terminal), addresses, index, listen)
    except UnavailableError as error:
        notify(terminal, str(error))
        return 1
    except TapeflowError as error:
        (folder / f"error-{index}").write_text(str(error))
        return 1
    return 0


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
    clear = CLEAR_LINE if os.isatty(terminal) else ""
    os.write(terminal, f"{clear}tapeflow: {line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(";"), int(sys.argv[4])))
