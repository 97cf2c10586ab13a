"""The command line of a baseline: one run, measured, printed as one line of JSON."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path


def run_measured(run: Callable[[Path, Path], int]) -> None:
    """Call `run(tapes, out)`, which returns the number of records, and print a measurement.

    The time is from opening the tapes to the finished answer.
    """
    parser = argparse.ArgumentParser(description="Do the reference job and time it.")
    parser.add_argument("tapes", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    records = run(args.tapes, args.out)
    seconds = time.perf_counter() - began
    measurement = {
        "records": records,
        "seconds": seconds,
        "ticks_per_s": records / seconds,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(measurement))


def peak_mib() -> float:
    """Return the peak of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss is the parent's too
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
