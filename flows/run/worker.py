"""One process of a cluster: told its plan by the supervisor, and dying with it.

    python -m tapeflow.flows.run.worker FOLDER INDEX ADDRESSES TERMINAL

Messages for the user go to the file descriptor TERMINAL, the supervisor's standard error: what the
engine itself prints is for who looks into FOLDER. A line that explains a failure is left in
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

PLAN = "plan.pickle"
TURN_S, LOOK_S = 10.0, 0.002
BIND_S = 0.01  # from its word until it listens


def main(folder: Path, index: int, addresses: list[str], terminal: int) -> int:
    """Run one share of the plan; 0 at its end or when stopped, 1 where it failed."""
    signal.signal(signal.SIGTERM, lambda *_: STOP_REQUESTED.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the supervisor tells us
    threading.Thread(target=exit_with_supervisor, daemon=True).start()
    from tapeflow.connectors.source.progress import Progress  # noqa: PLC0415  # after the signals: these take a while
    from tapeflow.flows.run import engine  # noqa: PLC0415

    plan = pickle.loads((folder / PLAN).read_bytes())  # our own, in a private folder
    board = Progress(tuple(plan.log), plan.job.source.lead, plan.board)
    try:
        listen = partial(wait_for_previous_listener, folder, addresses, index)
        engine.run_worker(plan, board, partial(say, terminal), addresses, index, listen)
    except UnavailableError as error:
        say(terminal, str(error))
        return 1
    except TapeflowError as error:
        (folder / f"error-{index}").write_text(str(error))
        return 1
    return 0


def wait_for_previous_listener(folder: Path, addresses: list[str], index: int) -> None:
    """Let the process before us begin to listen, as far as anyone can tell from outside.

    Who finds no peer tries again only after a second.
    """
    turns = [folder / f"turn-{address.replace(':', '-')}" for address in addresses]
    if index:
        began = time.monotonic()
        while not turns[index - 1].exists() and time.monotonic() - began < TURN_S:
            if STOP_REQUESTED.wait(LOOK_S):
                break
        time.sleep(BIND_S)
    turns[index].touch()


def exit_with_supervisor() -> None:
    """Read the pipe that the supervisor holds open: its end is the end of us."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGKILL)


def say(terminal: int, line: str) -> None:
    """A message for the user."""
    os.write(terminal, f"tapeflow: {line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(";"), int(sys.argv[4])))
