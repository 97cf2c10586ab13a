"""Start-up: CPU time until a replay has folded its first page, and of short commands in all.

    python -m bench.start [--runs 9]

Each run is a fresh process on one core, the compiled code in its cache, Python's own too. The time
of a replay ends when the signals of its first page are decided; that of a command that runs no
flow when its process has ended. The budget below shows what both consist of (start_parts.py):
each package with what it imports itself, the steps of a start, and the end of a run.
"""

import argparse
import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench import report
from bench.paths import GOLDEN, JOB, ROOT

FIRST_TICK_MS, COMMAND_MS = 500.0, 200.0  # targets, CPU
FIRST_TICK = "replay, to its first tick"
WHOLE = "replay, in all"
SQL = "SELECT strategy, count(*) FROM fills GROUP BY ALL"
REST, TEARDOWN = "rest", "teardown"
ROOMS = ("schemas", "engine", "operators", "connectors", "flows", "bench", "tapeflow")
SHOWN_MS = 0.5  # parts below that are not shown

Times = dict[str, float]  # "cpu" and "wall", ms
Parts = dict[str, float]  # CPU ms by part


class Line(NamedTuple):
    """One line of the report."""

    what: str
    cpu_ms: float  # the medians
    wall_ms: float
    target: float | None

    @property
    def outcome(self) -> str:
        """Say whether the CPU time is below the target."""
        if self.target is None:
            return ""
        return "passed" if self.cpu_ms < self.target else "missed"


def commands(results: Path) -> dict[str, list[str]]:
    """Return the arguments of the commands that run no flow; all read `results`."""
    return {
        "--help": ["--help"],
        "query": ["query", SQL, "--results", str(results)],
        "digest": ["digest", str(results)],
        "doctor": ["doctor", "--config", str(JOB), "--results", str(results)],
    }


def replay(results: Path) -> list[str]:
    """Return the arguments of a replay of the golden tapes."""
    return ["replay", str(GOLDEN), "--config", str(JOB), "--results", str(results)]


def run(module: Sequence[str]) -> tuple[Times, str, float]:
    """Run a module in a fresh process on one core; return its times, output, and monotonic start.

    Raises CalledProcessError where it fails.
    """
    pin = max(os.sched_getaffinity(0))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *module],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, {pin}),
    )
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu_s * 1e3, "wall": wall_s * 1e3}, done.stdout, began


def time_to_first_tick(results: Path) -> Times:
    """Measure a fresh replay until it has folded its first page."""
    _, printed, began = run(["bench.first_tick", *replay(results)])
    moment = json.loads(printed)
    return {"cpu": moment["cpu_s"] * 1e3, "wall": (moment["monotonic_s"] - began) * 1e3}


def time_to_end(command: Sequence[str]) -> Times:
    """Measure a command in all."""
    return run(["tapeflow", *command])[0]


def budget(command: Sequence[str]) -> dict[str, Parts]:
    """Measure what the start and the end of a command consist of, by phase."""
    times, printed, _ = run(["bench.start_parts", *command])
    phases: dict[str, Any] = json.loads(printed)["cpu"]
    whole = {"start": dict(phases["start"]), "end": dict(phases["end"])}
    for parts in whole.values():
        parts[REST] = 2 * parts.setdefault("total", 0) - sum(parts.values())
    ended = sum(parts.pop("total") for parts in whole.values())
    whole["end"][TEARDOWN] = times["cpu"] * 1e6 - ended
    return {phase: {part: ns / 1e6 for part, ns in parts.items()} for phase, parts in whole.items()}


def measure(runs: int) -> tuple[dict[str, list[Times]], dict[str, list[dict[str, Parts]]]]:
    """Measure times and budgets of each run; they take turns, so that noise hits all alike."""
    with tempfile.TemporaryDirectory() as out:
        results, again = Path(out) / "results.duckdb", Path(out) / "again.duckdb"
        for room in ROOMS:  # where Python may write no cache itself
            compileall.compile_dir(ROOT / room, quiet=1)
        time_to_end(replay(results))  # fills the cache of kernels, and writes the results
        short = commands(results)
        times: dict[str, list[Times]] = {name: [] for name in (FIRST_TICK, WHOLE, *short)}
        budgets: dict[str, list[dict[str, Parts]]] = {name: [] for name in ("replay", *short)}
        for _ in range(runs):
            times[FIRST_TICK].append(time_to_first_tick(again))
            for name, command in {WHOLE: replay(again), **short}.items():
                times[name].append(time_to_end(command))
            for name, command in {"replay": replay(again), **short}.items():
                budgets[name].append(budget(command))
        return times, budgets


def check_targets(times: dict[str, list[Times]]) -> list[Line]:
    """Compare the median CPU time of each command with its target."""
    targets: dict[str, float | None] = {FIRST_TICK: FIRST_TICK_MS, WHOLE: None}
    return [
        Line(
            name,
            median(run["cpu"] for run in runs),
            median(run["wall"] for run in runs),
            targets.get(name, COMMAND_MS),
        )
        for name, runs in times.items()
    ]


def median_parts(runs: Sequence[dict[str, Parts]], phase: str) -> Parts:
    """Return the median of each part of a phase, in the order of the first run."""
    return {part: median(run[phase].get(part, 0.0) for run in runs) for part in runs[0][phase]}


def format_table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"{'fresh process, one core':<30}{'CPU ms':>8}{'wall ms':>9}{'target':>8}"
    for line in lines:
        target = "" if line.target is None else f"{line.target:.0f}"
        row = f"  {line.what:<28}{line.cpu_ms:>8.0f}{line.wall_ms:>9.0f}{target:>8}"
        yield f"{row}  {line.outcome}".rstrip()


def format_budgets(budgets: dict[str, list[dict[str, Parts]]]) -> Iterator[str]:
    """Yield the lines of the budgets: a row for each part, a column for each command."""
    yield f"{'CPU ms of each part':<30}" + "".join(f"{name:>9}" for name in budgets)
    for phase in ("start", "end"):
        columns = [median_parts(runs, phase) for runs in budgets.values()]
        for part in dict.fromkeys(part for column in columns for part in column):
            cells = [column.get(part, 0.0) for column in columns]
            if max(cells) >= SHOWN_MS:
                shown = "".join(f"{ms:>9.1f}" if ms else f"{'':>9}" for ms in cells)
                yield f"  {phase:<6}{part:<22}{shown}".rstrip()


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the start of commands.")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    times, budgets = measure(args.runs)
    lines = check_targets(times)
    figures = {
        "targets": [line._asdict() | {"outcome": line.outcome} for line in lines],
        "runs": times,
        "budgets": budgets,
    }
    path = report.save("start", figures)
    print("\n".join([*format_table(lines), *format_budgets(budgets)]))
    print(f"  medians of {args.runs}; all runs and the machine in {path}")


if __name__ == "__main__":
    main()
