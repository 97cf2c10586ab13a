"""Imports: rows of a made-up dump of trades into a tape, rows a second of CPU time, and memory.

    python -m bench.imports [--rows 2000000] [--sort]

The dump is CSV as Binance writes it. Each run is a process of its own, as a user starts it.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import report

BEGIN_US = 1_793_491_200_000_000
RUNS = 3


def write_dump(path: Path, rows: int) -> None:
    """Write a dump of random trades."""
    draw, time_us, price = random.Random(1), BEGIN_US, 6_000_000
    with path.open("w") as file:
        for number in range(rows):
            time_us += draw.randrange(80_000)
            price += draw.randrange(-1, 2)
            size, maker = draw.randrange(1, 10**6), draw.choice(("True", "False"))
            file.write(
                f"{number},{price / 100:.8f},{size / 1e5:.8f},1.00000000,{time_us},{maker},True\n"
            )


def run_import(dump: Path, folder: Path, options: list[str]) -> tuple[float, float]:
    """Import a dump in a process of its own; return its CPU time (s) and its peak memory (MiB)."""
    command = [sys.executable, "-m", "tapeflow", "import", str(dump), "--to", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the import failed: {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--sort", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dump = folder / "BTCUSDT-trades-2026-11-01.csv"
        write_dump(dump, args.rows)
        options = ["--sort"] if args.sort else []
        runs = [run_import(dump, folder / f"tapes-{run}", options) for run in range(RUNS)]
    cpu_s, peak_mib = median(each[0] for each in runs), max(each[1] for each in runs)
    print(f"import of {args.rows:,} rows of CSV{', sorted' if args.sort else ''}, median of {RUNS}")
    print(f"  rows/s of CPU       {args.rows / cpu_s:>12,.0f}")
    print(f"  CPU us/row          {cpu_s / args.rows * 1e6:>12.3f}")
    print(f"  peak MiB            {peak_mib:>12,.0f}")
    print(report.machine_line())


if __name__ == "__main__":
    main()
