"""The command line of an alternative: one run, timed, told as a line of JSON."""

import argparse
import json
import resource
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
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))
