"""The command line of an alternative: one run, timed, told as a line of JSON."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path


def timed(run: Callable[[Path, Path], int]) -> None:
    """Run it on the tapes of a folder; the time is from opening them to the finished answer."""
    parser = argparse.ArgumentParser(description="Do the reference job and time it.")
    parser.add_argument("tapes", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    records = run(args.tapes, args.out)
    seconds = time.perf_counter() - began
    told = {
        "records": records,
        "seconds": seconds,
        "ticks_per_s": records / seconds,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(told))


def peak_mib() -> float:
    """The most memory this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss is the parent's too
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
