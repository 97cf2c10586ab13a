"""Measure what strategies that are called in the merge cost a tick, on the reference job.

    python -m bench.strategies [--records 1000000] [--runs 5]

    kernel        the reference job as it is: ema_cross over columns
    merge         the same kernel, called in the merge
    python        the same rule as a class in a file, which trades as the kernel does
    quiet 1, 10   the kernel, and so many classes more that compute averages of all bars

CPU time a tick, medians of runs that take turns; the marks are those of `quiet` over `kernel`.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.paths import JOB
from bench.replay import measure_pinned, reference_tapes

KERNEL = 'kind = "ema_cross"'
CLASS = Path(__file__).with_name("cross_strategy.py")
QUIET = """
[[strategies]]
name = "quiet{number}"
kind = "{path}:{kind}"
account = "main"
size = 1
"""
MARKS_US = {"quiet 1": 0.15, "quiet 10": 0.6}


def write_jobs(folder: Path) -> dict[str, Path]:
    """Write a job for each row of the table; return them by the row's name."""
    folder.mkdir(parents=True, exist_ok=True)
    reference = JOB.read_text()
    quiet = {
        f"quiet {count}": reference
        + "".join(QUIET.format(number=n, path=CLASS, kind="Quiet") for n in range(count))
        for count in (1, 10)
    }
    texts = {
        "kernel": reference,
        "merge": reference.replace(KERNEL, f'{KERNEL}\nplacement = "merge"'),
        "python": reference.replace(KERNEL, f'kind = "{CLASS}:Cross"'),
        **quiet,
    }
    jobs = {name: folder / f"{name.replace(' ', '-')}.toml" for name in texts}
    for name, path in jobs.items():
        path.write_text(texts[name])
    return jobs


def measure(records: int, runs: int, folder: Path) -> dict[str, dict[str, float]]:
    """Measure all rows in turns; return medians."""
    tapes, jobs = reference_tapes(records), write_jobs(folder)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            measured[name].append(dict(measure_pinned(tapes, 1, 1, config=job)))
    return {
        name: {key: median(run[key] for run in several) for key in several[0]}
        for name, several in measured.items()
    }


def format_rows(rows: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield the lines of the table."""
    base = rows["kernel"]["cpu_us_per_tick"]
    yield f"{'strategies':<12}{'CPU us/tick':>12}{'more':>8}{'mark':>8}{'bars':>9}{'orders':>8}"
    for name, row in rows.items():
        more = row["cpu_us_per_tick"] - base
        mark = f"{MARKS_US[name]:.2f}" if name in MARKS_US else ""
        yield (
            f"{name:<12}{row['cpu_us_per_tick']:>12.3f}{more:>8.3f}{mark:>8}"
            f"{row['bars']:>9,.0f}{row['orders']:>8,.0f}"
        )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Measure strategies in the merge.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir(), "tapeflow-bench-strategies")
    )
    options = parser.parse_args()
    for line in format_rows(measure(options.records, options.runs, options.folder)):
        print(line)


if __name__ == "__main__":
    main()
