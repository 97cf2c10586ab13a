"""The supervisor: the processes of a run start, stop and fail together.

    supervisor ──plan, ports──▶ process 0 ◀──tcp──▶ process 1 ...
        │ SIGTERM to one is SIGTERM to all           one dies: all start again from the last epoch
        ▼ one exit code

A failure with a known cause (TapeflowError) ends the run, and so does one of a strategy's own code.
After any other failure all processes start again, with a growing pause, at most RESTARTS_MAX times
in a row while nothing is read. A replay that failed by its own code would fail there again: it ends
too.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.engine.recovery import delete_unfinished_snapshots
from tapeflow.flows.run.engine_output import PRINTED
from tapeflow.flows.run.fatal_signals import ADVICE, FATAL
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.signals import stopping_on_signals
from tapeflow.flows.run.unexpected import ProcessFailure
from tapeflow.flows.run.worker import BUG, FINAL, PLAN
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import WARNING, Notice, Notify

RESTARTS_MAX = 5  # in a row, with nothing read in between
WAIT_S = 0.2  # before the first restart; twice as long before each next
LOOK_S = 0.02
PANIC_S = 2.0  # at most, until the peers of a dead process have panicked too
STOP_S = 20.0  # how long a stop may take
ENTRY = "tapeflow.flows.run.worker"
STDERR = 2


def supervise(plan: Plan, progress: Progress, folder: Path, notify: Notify) -> None:
    """Run a plan in processes of its own, to its end or until stopped.

    `folder` is private to the run: plan, output and errors of the processes are left in it.

    Raises TapeflowError where a process reported a known cause, or after too many failures.
    """
    (folder / PLAN).write_bytes(pickle.dumps(plan))
    failures, read = 0, -1  # in a row; records read before the last one
    with stopping_on_signals():
        while not STOP_REQUESTED.is_set():
            progress.reset()
            if plan.state is not None:
                delete_unfinished_snapshots(plan.state / "recovery")
            failed = run_once(plan.processes, folder, progress)
            if failed is None or STOP_REQUESTED.is_set():
                return
            raise_reported_error(folder, plan.processes)
            bug = find_bug(folder, plan.processes, failed)
            if bug is not None and (bug.is_final or not plan.supervised):
                raise bug
            failures = 1 if progress.records() > read else failures + 1
            read = max(read, progress.records())
            if failures > RESTARTS_MAX:
                raise bug or TapeflowError(
                    f"{failed}, {RESTARTS_MAX} times in a row: {last_output_line(folder)}"
                )
            where = "the beginning" if plan.state is None else "the last epoch"
            progress.restarts, progress.restart_cause = progress.restarts + 1, failed
            line = f"{failed}: all start again from {where}"
            notify(Notice(line, "restart", WARNING, restarts=progress.restarts))
            STOP_REQUESTED.wait(WAIT_S * 2 ** (failures - 1))


def run_once(processes: int, folder: Path, progress: Progress) -> str | None:
    """Start all processes and wait for them; None at their end, else which failed and how."""
    addresses = ";".join(free_addresses(processes))
    children = [start(folder, index, addresses) for index in range(processes)]
    progress.pids = tuple(child.pid for child in children)
    try:
        stopping = 0.0
        while True:
            codes = [child.poll() for child in children]
            if all(code == 0 for code in codes):
                return None
            if any(codes):
                return first_failure(wait_for_all(children))
            if STOP_REQUESTED.is_set() and not stopping:
                stopping = time.monotonic()
                for child in children:
                    child.send_signal(signal.SIGTERM)
            if stopping and time.monotonic() - stopping > STOP_S:
                raise TapeflowError(f"did not stop within {STOP_S:g} s and was killed")
            time.sleep(LOOK_S)
    finally:
        for child in children:
            child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()


def wait_for_all(children: "list[subprocess.Popen[bytes]]") -> list[int | None]:
    """Wait until all have ended, at most PANIC_S: one may still write why; return exit codes."""
    deadline = time.monotonic() + PANIC_S
    while None in (codes := [child.poll() for child in children]):
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_S)
    return codes


def start(folder: Path, index: int, addresses: str) -> "subprocess.Popen[bytes]":
    """Start one process, in a session of its own: signals of a terminal reach only this one."""
    terminal = os.dup(STDERR)  # the child's standard error goes to a file
    with (folder / f"output-{index}").open("ab") as output, os.fdopen(terminal):
        return subprocess.Popen(
            [sys.executable, "-m", ENTRY, str(folder), str(index), addresses, str(terminal)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(terminal,),
        )


def free_addresses(count: int) -> list[str]:
    """Return `count` addresses of the loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def first_failure(codes: list[int | None]) -> str:
    """Name the process that failed first, from the exit codes of all.

    Peers of a dead process panic (positive code), so one killed by a signal (negative) was first.
    """
    failed = [(code >= 0, index, code) for index, code in enumerate(codes) if code]
    _, index, code = min(failed)
    return f"process {index} {describe_exit(code)}"


def describe_exit(code: int) -> str:
    """Describe how a process ended."""
    if code >= 0:
        return f"failed with exit code {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return f"was killed by {name}, as the system does where memory runs out"
    return f"was killed by {name}{f': {ADVICE}' if -code in FATAL else ''}"


def find_bug(folder: Path, processes: int, failed: str) -> ProcessFailure | None:
    """Return what nobody expected in a process, with the output of all; None: it was killed.

    `failed` is how the first of them ended. What is found is reported once.
    """
    outputs = [path.read_text(errors="replace") for path in sorted(folder.glob("output-*"))]
    printed = "\n".join(["", PRINTED, *outputs])
    for kind, index in product((FINAL, BUG), range(processes)):
        left = folder / f"{kind}-{index}"
        if left.exists():
            line, _, trace = left.read_text().partition("\n")
            left.unlink()
            line = f"{line} (process {index})"
            return ProcessFailure(line, trace + printed, is_final=kind == FINAL)
    fatal = any(f"killed by {number.name}" in failed for number in FATAL)
    return ProcessFailure(failed, printed) if fatal else None


def raise_reported_error(folder: Path, processes: int) -> None:
    """Raise TapeflowError with the line that a failed process reported, if one did."""
    for index in range(processes):
        left = folder / f"error-{index}"
        if left.exists():
            raise TapeflowError(left.read_text())


def last_output_line(folder: Path) -> str:
    """Return the last line of the first process that wrote any output."""
    lines = [
        line
        for path in sorted(folder.glob("output-*"))
        for line in path.read_text(errors="replace").strip().splitlines()[-1:]
    ]
    return lines[0] if lines else "no process wrote why"
