"""Simulation: random jobs and logs, run in every way, against a slow model of every table.

    python -m bench.simulate --seeds 1000 [--seed 0] [--only steps|runs] [--keep FOLDER]

    seed ──▶ job, log ──▶ model ─────────────────────────────────▶ rows of every table ─┐
                └──▶ steps, without an engine: any interleaving, crashes ──▶ rows ──────┼─ equal?
                └──▶ command line: shapes x histories x tapes, Kafka ──▶ rows, digests ─┘

A seed repeats its case, its shapes and its histories; only moments of kills are as the machine is.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from bench.simulation.simulation import Difference, Simulation


def simulate(seed: int, folder: Path, counts: Counter[str], only: str = "") -> list[Difference]:
    """Run one seed, at one level or at both; the files of a seed that differs are left."""
    simulation, found = Simulation(seed, folder, counts), list[Difference]()
    try:
        if only != "runs":
            found += simulation.steps()
        if only != "steps":
            found += simulation.runs()
    except Exception:  # what fails is a difference as well, and the other seeds go on
        found.append(Difference(seed, "it failed", traceback.format_exc()))
    if not found:
        simulation.clean()
    return found


def prepare(folder: Path) -> None:
    """Import everything, and load kernels: what is forked has them."""
    list(Simulation(0, folder, Counter()).steps())


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Simulate random jobs in every shape.")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--only", choices=["steps", "runs"], default="")
    parser.add_argument("--keep", type=Path, help="where files of seeds that differ are left")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="tapeflow-simulation-"))
    counts: Counter[str] = Counter()
    prepare(folder)
    different, began = 0, time.monotonic()
    for seed in range(args.seed, args.seed + args.seeds):
        for each in simulate(seed, folder, counts, args.only):
            different += 1
            print(f"DIFFERENT seed {each.seed}, {each.what}\n{each.detail}", flush=True)
        if (seed + 1) % 10 == 0:
            seconds = time.monotonic() - began
            print(f"{seed + 1}: {different} differences, {seconds:.0f} s", flush=True)
    for name, count in sorted(counts.items()):
        print(f"  {name:32} {count:12,}")
    print(f"{different} differences in {time.monotonic() - began:.0f} s")
    if different:
        sys.exit(f"files in {folder}")


if __name__ == "__main__":
    main()
