"""Speed of a replay: tapes of the reference job to results.duckdb, every stage, on one core.

    python -m bench.replay [--records 1000000] [--runs 5] [--workers 1] [--processes 1] [--cores 1]

Each run is a process of its own, pinned to the cores. Ticks are records read; the time is that of
the flow, from opening the tapes to the finished results: a run of 20,000 records goes before, so
that imports and the loading of compiled code are not in it (bench.start measures those).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.measurement import Measurement, measure_log, run_pinned
from bench.paths import BUILD, GENERATOR, JOB


def reference_tapes(records: int, seed: int = 7, *more: str) -> Path:
    """Return the folder of the reference job's tapes of this size; generate them the first time.

    `more` are further options of the generator.
    """
    name = "-".join([str(records), str(seed), *more]).replace("--", "")
    folder = BUILD / f"tapes-{name}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            command = [GENERATOR, str(records), f"{unfinished}/tapes", "--seed", str(seed), *more]
            subprocess.run([sys.executable, *map(str, command)], check=True)
            os.rename(f"{unfinished}/tapes", folder)
    return folder


def measure_tapes(tapes: Path, workers: int, processes: int, config: Path = JOB) -> Measurement:
    """Replay tapes once in this process and measure it."""
    from tapeflow.flows.job.settings import load  # noqa: PLC0415  # only here: the parent needs no flow
    from tapeflow.flows.run.tape_files import find_tapes  # noqa: PLC0415

    job = load(config)
    return measure_log(job, find_tapes([tapes], job), workers, processes)


def measure_pinned(
    tapes: Path, workers: int, cores: int, processes: int = 1, config: Path = JOB
) -> Measurement:
    """Replay tapes once in a fresh process, pinned to so many cores, and measure it."""
    options = ["--child", tapes, "--workers", workers, "--processes", processes, "--config", config]
    return run_pinned(["bench.replay", *map(str, options)], cores)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the speed of a replay.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--config", type=Path, default=JOB, help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_tapes(args.child, args.workers, args.processes, args.config)))
        return
    tapes = reference_tapes(args.records)
    shape = args.workers, args.cores, args.processes
    measure_pinned(tapes, *shape)  # fills the cache of compiled code
    runs = [measure_pinned(tapes, *shape) for _ in range(args.runs)]
    medians = {name: median(run[name] for run in runs) for name in runs[0]}
    figures: dict[str, Any] = {
        "what": "replay of the reference job, tape to results.duckdb",
        "workers": args.workers,
        "processes": args.processes,
        "cores_used": args.cores,
        "median": medians,
        "runs": runs,
    }
    path = report.save("replay", figures)
    print(f"{figures['what']}, {args.records:,} records")
    print(f"  {args.workers} worker(s) on {args.cores} core(s)")
    print(f"  ticks/s        {medians['ticks_per_s']:>12,.0f}")
    print(f"  CPU us/tick    {medians['cpu_us_per_tick']:>12.3f}")
    print(f"  peak MiB       {medians['peak_mib']:>12,.0f}")
    print(f"  median of {args.runs}; all runs and the machine in {path}")


if __name__ == "__main__":
    main()
