"""Speed of a replay: tapes of the reference job to results.duckdb, every stage, on one core.

    python -m bench.replay [--records 1000000] [--runs 5] [--workers 1] [--processes 1] [--cores 1]

Each run is a process of its own, pinned to the cores. Ticks are records read; the time is that of
the flow, from opening the tapes to the finished results: a run of 20,000 records goes before, so
that imports and the loading of compiled code are not in it (bench.start measures those).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import described
from bench.reference import JOB

ROOT = Path(__file__).parents[1]
GENERATOR = ROOT / "tests" / "reference" / "gen.py"
GOLDEN = ROOT / "tests" / "reference" / "golden"
Measurement = dict[str, float]


def reference_tapes(records: int, seed: int = 7, *more: str) -> Path:
    """The reference job's tapes of this size, made once and kept in build/."""
    name = "-".join([str(records), str(seed), *more]).replace("--", "")
    folder = ROOT / "build" / f"tapes-{name}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            command = [GENERATOR, str(records), f"{made}/tapes", "--seed", str(seed), *more]
            subprocess.run([sys.executable, *map(str, command)], check=True)
            os.rename(f"{made}/tapes", folder)
    return folder


def child(tapes: Path, workers: int, processes: int, config: Path = JOB) -> Measurement:
    """One run over tapes, in this process."""
    from tapeflow.flows.job.settings import load  # noqa: PLC0415
    from tapeflow.flows.run import log as logs  # noqa: PLC0415  # only here: the parent needs no flow

    job = load(config)
    return timed(job, logs.tapes([tapes], job), workers, processes)


def timed(job: Any, log: Any, workers: int = 1, processes: int = 1) -> Measurement:
    """One run over a log, in this process."""
    from tapeflow.flows.cli import summary  # noqa: PLC0415

    if processes == 1:
        warm_up()
    with tempfile.TemporaryDirectory() as out:
        wall, (cpu, _) = time.perf_counter(), used()
        results = replayed(job, log, Path(out), workers, processes)
        wall, (cpu_end, peak_kib) = time.perf_counter() - wall, used()
        made = summary.summarise(results)
    records, cpu = made["records"], cpu_end - cpu
    return {
        "records": records,
        "seconds": wall,
        "ticks_per_s": records / wall,
        "cpu_us_per_tick": cpu / records * 1e6,
        "peak_mib": peak_kib / 1024,
        **{name: made[name] for name in ("bars", "signals", "orders")},
    }


def warm_up() -> None:
    """Import what a run imports late, and load its compiled code: no program's start-up counts."""
    from tapeflow.flows.job.settings import load  # noqa: PLC0415
    from tapeflow.flows.run import log as logs  # noqa: PLC0415

    job = load(JOB)
    with tempfile.TemporaryDirectory() as folder:
        replayed(job, logs.tapes([GOLDEN], job), Path(folder))


def replayed(job: Any, log: Any, folder: Path, workers: int = 1, processes: int = 1) -> Path:
    """Replay a log into a folder; the results."""
    from tapeflow.flows.run import plan  # noqa: PLC0415
    from tapeflow.flows.run import run as runs  # noqa: PLC0415

    results = folder / "results.duckdb"
    wanted = plan.Plan(
        command="bench", log=log, job=job, results=results, workers=workers, processes=processes
    )
    runs.run(wanted, lambda _: None, lambda _: None)
    return results


def used() -> tuple[float, int]:
    """CPU seconds of this process and of those it ran, and the most KiB that one of them had."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return seconds, max(usage.ru_maxrss for usage in usages)


def measured(
    tapes: Path, workers: int, cores: int, processes: int = 1, job: Path = JOB
) -> Measurement:
    """One run in a fresh process, pinned to some cores."""
    options = ["--child", tapes, "--workers", workers, "--processes", processes, "--config", job]
    return run_pinned(["bench.replay", *map(str, options)], cores)


def run_pinned(module: Sequence[str], cores: int) -> Measurement:
    """What a module, run with its arguments on the last of our cores, says of itself in JSON."""
    pin = sorted(os.sched_getaffinity(0))[-cores:]
    done = subprocess.run(
        [sys.executable, "-m", *module],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, pin),
    )
    told: Measurement = json.loads(done.stdout)
    return told


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
        print(json.dumps(child(args.child, args.workers, args.processes, args.config)))
        return
    tapes = reference_tapes(args.records)
    shape = args.workers, args.cores, args.processes
    measured(tapes, *shape)  # fills the cache of compiled code
    runs = [measured(tapes, *shape) for _ in range(args.runs)]
    report: dict[str, Any] = {
        "what": "replay of the reference job, tape to results.duckdb",
        "workers": args.workers,
        "processes": args.processes,
        "cores_used": args.cores,
        "median": {name: median(run[name] for run in runs) for name in runs[0]},
        "runs": runs,
        "machine": described(),
    }
    kept = ROOT / "build" / "bench-replay.json"
    kept.write_text(json.dumps(report, indent=2) + "\n")
    medians = report["median"]
    print(f"{report['what']}, {args.records:,} records")
    print(f"  {args.workers} worker(s) on {args.cores} core(s)")
    print(f"  ticks/s        {medians['ticks_per_s']:>12,.0f}")
    print(f"  CPU us/tick    {medians['cpu_us_per_tick']:>12.3f}")
    print(f"  peak MiB       {medians['peak_mib']:>12,.0f}")
    print(f"  median of {args.runs}; all runs and the machine in {kept.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
