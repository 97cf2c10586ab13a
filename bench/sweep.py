"""Measure a sweep: variants of the reference job's strategy, against one replay of it.

    python -m bench.sweep [--records 1000000] [--variants 200] [--runs 3]

Each run is a process of its own, from its start to its end, imports included; CPU time, minima.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import report
from bench.paths import JOB, ROOT
from bench.replay import reference_tapes

MARK = 2.5  # times one replay, for 200 variants
SLOWS = 20  # values of `slow`; those of `fast` are as many as are needed


def write_job(folder: Path, variants: int) -> Path:
    """Write the reference job with a grid of so many variants, and return its path."""
    fasts = -(-variants // SLOWS)
    grid = (
        f"[strategies.grid]\nfast = {{ from = 2, to = {1 + fasts}, step = 1 }}\n"
        f"slow = {{ from = {fasts + 20}, to = {fasts + 19 + SLOWS}, step = 1 }}\n"
    )
    path = folder / "grid.toml"
    path.write_text(JOB.read_text().replace("\n[channels]", f"\n{grid}\n[channels]", 1))
    return path


def cpu_s(command: str, tapes: Path, job: Path, results: Path) -> float:
    """Return the CPU time of one command of ours."""
    arguments = [command, str(tapes), "--config", str(job), "--results", str(results)]
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "tapeflow", *arguments], check=True, cwd=ROOT, capture_output=True
    )
    after = os.times()
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure a sweep against a replay.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--variants", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    tapes = reference_tapes(args.records)
    with tempfile.TemporaryDirectory() as folder:
        job, results = write_job(Path(folder), args.variants), Path(folder) / "results.duckdb"
        one, many = (
            min(cpu_s(command, tapes, job, results) for _ in range(args.runs))
            for command in ("replay", "sweep")
        )
    print(f"{args.variants} variants of the reference job, {args.records:,} records")
    print(f"  replay of one     {one:6.2f} s CPU")
    print(f"  sweep of all      {many:6.2f} s CPU, {many / one:.2f} times (mark: {MARK})")
    report.save("sweep", {"replay_cpu_s": one, "sweep_cpu_s": many})


if __name__ == "__main__":
    main()
