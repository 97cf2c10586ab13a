"""Measures a run: in this process, or in a fresh one that is pinned to some cores.

    parent ──starts──▶ python -m <module> <arguments>     on the last of our cores
           ◀─────────  one JSON object on its stdout      a Measurement

What a measured process imports is part of its measurement, so this module imports no flow before
it runs one.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.paths import GOLDEN, JOB, ROOT

Measurement: TypeAlias = dict[str, float]  # records, seconds, ticks_per_s, ...


def run_pinned(module: Sequence[str], cores: int) -> Measurement:
    """Run a module with its arguments on the last `cores` of our cores; return what it prints.

    Raises CalledProcessError where it fails, after showing what it wrote to stderr.
    """
    pin = sorted(os.sched_getaffinity(0))[-cores:]
    done = subprocess.run(
        [sys.executable, "-m", *module],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, pin),
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    measurement: Measurement = json.loads(done.stdout)
    return measurement


def measure_log(job: Any, log: Any, workers: int = 1, processes: int = 1) -> Measurement:
    """Replay a log once in this process and measure it, without start-up where it is one process.

    The time is from opening the log to the finished results; CPU time is that of all processes,
    the peak of memory that of the largest.
    """
    from tapeflow.flows.cli import summary  # noqa: PLC0415

    if processes == 1:
        warm_up()
    with tempfile.TemporaryDirectory() as folder:
        began, (cpu_began, _) = time.perf_counter(), cpu_s_and_peak_kib()
        results = replay_log(job, log, Path(folder), workers, processes)
        seconds, (cpu_ended, peak_kib) = time.perf_counter() - began, cpu_s_and_peak_kib()
        figures = summary.summarise(results)
    records = figures["records"]
    return {
        "records": records,
        "seconds": seconds,
        "ticks_per_s": records / seconds,
        "cpu_us_per_tick": (cpu_ended - cpu_began) / records * 1e6,
        "peak_mib": peak_kib / 1024,
        **{name: figures[name] for name in ("bars", "signals", "orders")},
    }


def warm_up() -> None:
    """Replay the golden tapes: imports all that a run imports late, and loads compiled code."""
    from tapeflow.flows.job.settings import load  # noqa: PLC0415
    from tapeflow.flows.run.tape_files import find_tapes  # noqa: PLC0415

    job = load(JOB)
    with tempfile.TemporaryDirectory() as folder:
        replay_log(job, find_tapes([GOLDEN], job), Path(folder))


def replay_log(job: Any, log: Any, folder: Path, workers: int = 1, processes: int = 1) -> Path:
    """Replay a log into a folder; return the path of the results."""
    from tapeflow.flows.run.plan import Plan  # noqa: PLC0415
    from tapeflow.flows.run.run import run_plan  # noqa: PLC0415

    results = folder / "results.duckdb"
    plan = Plan(
        command="bench", log=log, job=job, results=results, workers=workers, processes=processes
    )
    run_plan(plan, lambda _: None, lambda _: None)
    return results


def cpu_s_and_peak_kib() -> tuple[float, int]:
    """Return CPU seconds of this process and its ended children, and the largest peak of memory."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return seconds, max(usage.ru_maxrss for usage in usages)
