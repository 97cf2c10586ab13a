"""A whole replay as a user starts it, from the command to its end, beside C and Go.

    python -m bench.whole [--runs 5] [--records 1000000 2000000 4000000 8000000]

    CPU s      ┌ of a process: interpreter, imports, flow, results, summary, exit
               └ = start and end + records x steady        the line through the medians

Each run is `tapeflow replay` in a fresh process on one core; sizes take turns. The other programs
do the same job from tape to answer: one in C, two in Go, a goroutine a feed with everything fused,
and in batches that stages hand over. They are not part of this project: their times a record,
measured on a machine of this kind, are constants here, and a machine that is slower today is not
in them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from bench import report
from bench.paths import JOB, ROOT
from bench.replay import reference_tapes

SIZES = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
COMPARED = 2_000_000  # records: the size that is compared with other programs
C_US, GO_FUSED_US, GO_BATCHES_US = 0.24, 0.445, 0.53  # CPU time a record
# Targets, at most: times the CPU of C and of Go in batches; a steady record, and times Go fused.
OVER_C, OVER_GO, STEADY_US, STEADY_OVER_GO, PEAK_MIB = 2.2, 1.0, 0.26, 0.55, 300


class Run(NamedTuple):
    """One run of a command."""

    cpu_s: float
    wall_s: float
    peak_mib: float


class Target(NamedTuple):
    """A figure that should be at most so large."""

    what: str
    figure: float
    most: float

    def __str__(self) -> str:
        outcome = "passed" if self.figure <= self.most else "missed"
        return f"  {self.what:<58}{self.figure:>8.2f}{self.most:>8.2f}  {outcome}"


def run_command(tapes: Path, core: int) -> Run:
    """Replay tapes by the command, pinned to a core.

    Raises CalledProcessError where it fails.
    """
    with tempfile.TemporaryDirectory() as out:
        command = ["replay", str(tapes), "--config", str(JOB), "--results", f"{out}/results.duckdb"]
        program = [sys.executable, "-m", "tapeflow", *command]
        began = os.times().elapsed
        running = subprocess.Popen(
            program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  # no threads here
        )  # fmt: skip
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        wall_s = os.times().elapsed - began
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, program)
    return Run(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024)


def measure(sizes: Sequence[int], runs: int) -> dict[int, list[Run]]:
    """Measure each size so many times, by turns."""
    tapes, core = {size: reference_tapes(size) for size in sizes}, max(os.sched_getaffinity(0))
    run_command(tapes[min(sizes)], core)  # its caches of files and code are warm from here on
    found: dict[int, list[Run]] = {size: [] for size in sizes}
    for _ in range(runs):
        for size in sizes:
            found[size].append(run_command(tapes[size], core))
    return found


def medians(found: Mapping[int, Sequence[Run]]) -> dict[int, Run]:
    """Return the median of each figure, by size."""
    return {
        size: Run(*(median(run[at] for run in runs) for at in range(3)))
        for size, runs in found.items()
    }


def line_through(runs: Mapping[int, Run]) -> tuple[float, float]:
    """Return the steady CPU time of a record, us, and that of start and end, s: least squares."""
    slope, fixed = np.polyfit(list(runs), [run.cpu_s for run in runs.values()], 1)
    return float(slope) * 1e6, float(fixed)


def check_targets(runs: Mapping[int, Run]) -> list[Target]:
    """Compare figures with targets; those of a size that was not run are left out."""
    targets = []
    if COMPARED in runs:
        us = runs[COMPARED].cpu_s / COMPARED * 1e6
        targets.append(Target(f"{COMPARED:,} records, CPU, over C", us / C_US, OVER_C))
        over_go = "over Go in batches"
        targets.append(Target(f"{COMPARED:,} records, CPU, {over_go}", us / GO_BATCHES_US, OVER_GO))
    if len(runs) > 1:
        steady_us, _ = line_through(runs)
        targets.append(Target("steady, CPU us a record", steady_us, STEADY_US))
        over_go = "steady, over Go with all fused"
        targets.append(Target(over_go, steady_us / GO_FUSED_US, STEADY_OVER_GO))
    largest = runs[max(runs)]
    targets.append(Target(f"{max(runs):,} records, peak MiB", largest.peak_mib, PEAK_MIB))
    return targets


def format_table(runs: Mapping[int, Run]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield "tapeflow replay, whole process, 1 core"
    yield f"  {'records':>12}{'CPU s':>9}{'wall s':>9}{'CPU us/record':>15}{'peak MiB':>10}"
    for size, run in runs.items():
        us = run.cpu_s / size * 1e6
        row = f"  {size:>12,}{run.cpu_s:>9.2f}{run.wall_s:>9.2f}{us:>15.3f}{run.peak_mib:>10.0f}"
        yield row
    if len(runs) > 1:
        steady_us, fixed_s = line_through(runs)
        yield f"  start and end {fixed_s:.2f} s, then {steady_us:.3f} us a record"
    yield f"  {'':<58}{'figure':>8}{'at most':>9}"
    yield from map(str, check_targets(runs))


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure whole replays.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--records", type=int, nargs="+", default=SIZES)
    args = parser.parse_args()
    found = measure(sorted(args.records), args.runs)
    runs = medians(found)
    print("\n".join(format_table(runs)))
    path = report.save("whole", {"runs": {str(size): each for size, each in found.items()}})
    print(f"medians of {args.runs}; all runs and the machine in {path}")
    print(report.machine_line())


if __name__ == "__main__":
    main()
