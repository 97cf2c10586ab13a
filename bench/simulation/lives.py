"""Runs the command line in a fork of this process: imports and kernels are already there.

    this process, without threads ──fork──▶ tapeflow replay ...      ends, is stopped, or is killed

A fork may be armed: it kills itself when it passes a point of the code for the n-th time.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.paths import ROOT
from bench.processes import children_of

PATIENCE_S, LOOK_S = 600.0, 0.005
HANGS = 124  # exit code of a run that did not end
POINTS = (  # module, name in it
    ("tapeflow.engine.fold", "Fold.on_batch"),
    ("tapeflow.engine.fold", "Fold.snapshot"),
    ("tapeflow.connectors.source.source", "LogPartition.next_batch"),
    ("tapeflow.connectors.source.source", "LogPartition.snapshot"),
    ("tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.snapshot"),
    ("tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.insert"),
    ("tapeflow.connectors.duckdb.publisher", "publish"),
    ("tapeflow.connectors.duckdb.sink", "roll_back_to"),
    ("tapeflow.connectors.duckdb.sink", "create"),
    ("tapeflow.connectors.duckdb.sink", "begin_run"),
    ("tapeflow.connectors.state.directory", "create_store"),
    ("tapeflow.connectors.state.directory", "StateDir.check_compatible"),
    ("tapeflow.flows.run.run", "delete_unfinished_snapshots"),
    ("tapeflow.connectors.duckdb.endings", "publish"),
    ("tapeflow.flows.run.results", "complete"),
    ("os", "replace"),
)


class KillPoint(NamedTuple):
    """A point of the code, the pass at which to be killed, and on which side of it."""

    module: str
    name: str
    passes: int
    after: bool

    def arm(self) -> None:
        """Have this process kill itself there."""
        owner: Any = importlib.import_module(self.module)
        *path, name = self.name.split(".")
        for each in path:
            owner = getattr(owner, each)
        function, left = getattr(owner, name), [self.passes]

        def pass_point(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if not left[0] and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **named)
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, pass_point)


class Life:
    """One process of the command line."""

    def __init__(
        self,
        command: Sequence[object],
        output: Path,
        kill_point: KillPoint | None = None,
        *,
        numba: bool = True,
    ) -> None:
        """Start it; what it prints is added to `output`. Without numba it is no fork of this."""
        self.pid = os.fork()
        if self.pid:
            return
        words = [*map(str, command)]
        if numba:
            run_command(words, output, kill_point)
        run_without_numba(words, output)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Return its exit code, negative for a signal; it is killed where it does not end."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(LOOK_S)
        self.kill()
        os.waitpid(self.pid, 0)
        return HANGS

    def stop(self) -> None:
        """Ask it to stop."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its children."""
        for each in (*children_of(self.pid), self.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def write_to(output: Path) -> None:
    """Let what this process prints be added to a file."""
    with output.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)


def run_without_numba(command: list[str], output: Path) -> None:
    """Become the command line of a Python that has no numba, with all processes it starts."""
    try:
        os.setsid()
        write_to(output)
        hidden = output.parent / "without numba"
        hidden.mkdir(exist_ok=True)
        (hidden / "sitecustomize.py").write_text('import sys\n\nsys.modules["numba"] = None\n')
        variables = [f"PYTHONPATH={hidden}:{ROOT}", "TAPEFLOW_KERNELS=python"]
        python = ["env", *variables, sys.executable, "-m", "tapeflow"]
        os.execvp("env", [*python, *command])
    finally:
        os._exit(1)


def run_command(command: list[str], output: Path, kill_point: KillPoint | None) -> None:
    """Become the command line, in a fork, and exit."""
    code = 1
    try:
        os.setsid()
        write_to(output)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        main = importlib.import_module("tapeflow.flows.cli.main").main
        if kill_point is not None:
            kill_point.arm()
        code = main(command)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def call(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a fork, as JSON: its threads stay there.

    Raises RuntimeError with its traceback where it fails.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            answer = {"value": function()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    answer = json.loads(text or '{"error": "it died"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["value"]
