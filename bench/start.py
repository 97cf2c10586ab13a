"""How soon a command does what it is for: replay its first tick, the others all they do.

    python -m bench.start [--runs 5]

Each run is a fresh process on one core, the compiled code in its cache. What counts is from before
the process is made: to the first page of ticks that leaves decode, as that process sees it on the
clock that all processes share; for commands that run no flow, to their end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.machine import described
from bench.reference import JOB
from bench.replay import GOLDEN, ROOT, run_pinned

TICK_S, DONE_S = 2.0, 0.4  # marks
FIRST_TICK = "replay, to its first tick"
SQL = "SELECT strategy, count(*) FROM fills GROUP BY ALL"


class Line(NamedTuple):
    """One line of the report."""

    what: str
    seconds: float  # the median
    mark: float

    @property
    def verdict(self) -> str:
        """Below its mark, or not."""
        return "passed" if self.seconds < self.mark else "missed"


def commands(results: Path) -> dict[str, list[str]]:
    """The commands that run no flow."""
    return {
        "--help": ["--help"],
        "query": ["query", SQL, "--results", str(results)],
        "digest": ["digest", str(results)],
        "doctor": ["doctor", "--config", str(JOB), "--results", str(results)],
    }


def to_first_tick(results: Path) -> float:
    """Seconds until a fresh replay has read and decoded its first page."""
    command = ["replay", str(GOLDEN), "--config", str(JOB), "--results", str(results)]
    began = time.monotonic()
    return run_pinned(["bench.first_tick", *command], 1)["first_tick"] - began


def to_end(command: Sequence[str]) -> float:
    """Seconds that a command takes in all."""
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


def measured(runs: int) -> dict[str, list[float]]:
    """Seconds of each run; the runs take turns, so that noise hits all alike."""
    with tempfile.TemporaryDirectory() as out:
        results = Path(out) / "results.duckdb"
        to_first_tick(results)  # fills the cache of compiled code, and makes results to ask
        others = commands(results)
        for command in others.values():
            to_end(command)
        seconds: dict[str, list[float]] = {name: [] for name in (FIRST_TICK, *others)}
        for _ in range(runs):
            seconds[FIRST_TICK].append(to_first_tick(Path(out) / "again.duckdb"))
            for name, command in others.items():
                seconds[name].append(to_end(command))
        return seconds


def lines(seconds: dict[str, list[float]]) -> list[Line]:
    """The medians and their marks."""
    return [
        Line(name, median(taken), TICK_S if name == FIRST_TICK else DONE_S)
        for name, taken in seconds.items()
    ]


def shown(told: Sequence[Line]) -> Iterator[str]:
    """The report as a table."""
    yield f"{'from nothing, compiled code in its cache':<44}{'s':>8}{'mark':>8}"
    for line in told:
        yield f"  {line.what:<42}{line.seconds:>8.2f}{line.mark:>8.1f}  {line.verdict}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure how soon commands are there.")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    seconds = measured(args.runs)
    told = lines(seconds)
    kept = ROOT / "build" / "bench-start.json"
    kept.parent.mkdir(exist_ok=True)
    report = {
        "median": {line.what: line.seconds for line in told},
        "marks": [line._asdict() | {"verdict": line.verdict} for line in told],
        "runs": seconds,
        "machine": described(),
    }
    kept.write_text(json.dumps(report, indent=2) + "\n")
    print("\n".join(shown(told)))
    print(f"  median of {args.runs}; all runs and the machine in {kept.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
