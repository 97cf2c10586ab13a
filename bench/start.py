"""Start-up: seconds until a replay has its first tick, and until short commands have ended.

    python -m bench.start [--runs 5]

Each run is a fresh process on one core, the compiled code in its cache. The time begins before the
process is started. It ends when the first page of ticks leaves decode, by the monotonic clock that
all processes share; for commands that run no flow, when they end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import report
from bench.measurement import run_pinned
from bench.paths import GOLDEN, JOB, ROOT

FIRST_TICK_S, COMMAND_S = 2.0, 0.4  # targets
FIRST_TICK = "replay, to its first tick"
SQL = "SELECT strategy, count(*) FROM fills GROUP BY ALL"


class Line(NamedTuple):
    """One line of the report."""

    what: str
    seconds: float  # the median
    target: float

    @property
    def outcome(self) -> str:
        """Say whether the seconds are below the target."""
        return "passed" if self.seconds < self.target else "missed"


def commands(results: Path) -> dict[str, list[str]]:
    """Return the arguments of the commands that run no flow; all read `results`."""
    return {
        "--help": ["--help"],
        "query": ["query", SQL, "--results", str(results)],
        "digest": ["digest", str(results)],
        "doctor": ["doctor", "--config", str(JOB), "--results", str(results)],
    }


def seconds_to_first_tick(results: Path) -> float:
    """Measure the seconds until a fresh replay has read and decoded its first page."""
    command = ["replay", str(GOLDEN), "--config", str(JOB), "--results", str(results)]
    began = time.monotonic()
    return run_pinned(["bench.first_tick", *command], 1)["first_tick"] - began


def seconds_to_end(command: Sequence[str]) -> float:
    """Measure the seconds that a command takes in all."""
    pin = max(os.sched_getaffinity(0))
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "tapeflow", *command],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, {pin}),
    )
    return time.monotonic() - began


def measure(runs: int) -> dict[str, list[float]]:
    """Measure the seconds of each run; the runs take turns, so that noise hits all alike."""
    with tempfile.TemporaryDirectory() as out:
        results = Path(out) / "results.duckdb"
        seconds_to_first_tick(results)  # fills the cache of compiled code, and writes the results
        short = commands(results)
        for command in short.values():
            seconds_to_end(command)
        seconds: dict[str, list[float]] = {name: [] for name in (FIRST_TICK, *short)}
        for _ in range(runs):
            seconds[FIRST_TICK].append(seconds_to_first_tick(Path(out) / "again.duckdb"))
            for name, command in short.items():
                seconds[name].append(seconds_to_end(command))
        return seconds


def check_targets(seconds: dict[str, list[float]]) -> list[Line]:
    """Compare the median of each command with its target."""
    return [
        Line(name, median(runs), FIRST_TICK_S if name == FIRST_TICK else COMMAND_S)
        for name, runs in seconds.items()
    ]


def format_table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"{'fresh process, compiled code in its cache':<44}{'s':>8}{'target':>8}"
    for line in lines:
        yield f"  {line.what:<42}{line.seconds:>8.2f}{line.target:>8.1f}  {line.outcome}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the start of commands.")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    seconds = measure(args.runs)
    lines = check_targets(seconds)
    figures = {
        "median": {line.what: line.seconds for line in lines},
        "targets": [line._asdict() | {"outcome": line.outcome} for line in lines],
        "runs": seconds,
    }
    path = report.save("start", figures)
    print("\n".join(format_table(lines)))
    print(f"  median of {args.runs}; all runs and the machine in {path}")


if __name__ == "__main__":
    main()
