"""Cost of more instruments and more strategies: the same ticks over few and over many of them.

    python -m bench.scaling [--records 500000] [--runs 5]

A log of 10,000 ticks a second, replayed as the reference job does, EMAs crossing on bars of 1 s, on
one core: over 10, 100 and 1,000 instruments; in the small pages of a live feed; and with 1, 20 and
200 strategies on 50 instruments. The share of a core is that of a live feed at the log's own rate.
Then the desk alone, with resting orders and more accounts: bench.desk_scaling.
"""

import argparse
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from bench import desk_scaling, report, scaling_workload
from bench.measurement import Measurement
from bench.replay import measure_pinned

LIVE_PAGE = 100  # records: at 10,000 a second those of 10 ms


class Shape(NamedTuple):
    """One row of a table."""

    instruments: int
    strategies: int = 1
    page: int = 20_000  # records


TABLES: dict[str, Sequence[Shape]] = {
    "instruments": (Shape(10), Shape(100), Shape(1000)),
    "instruments, in pages of a live feed": (
        Shape(10, page=LIVE_PAGE),
        Shape(100, page=LIVE_PAGE),
        Shape(1000, page=LIVE_PAGE),
    ),
    "strategies on 50 instruments": (Shape(50), Shape(50, 20), Shape(50, 200)),
}


def run(shape: Shape, records: int) -> Measurement:
    """Measure one run in a fresh process."""
    tapes = scaling_workload.workload_tapes(shape.instruments, records)
    return measure_pinned(tapes, 1, 1, config=scaling_workload.write_job(*shape))


def measure_table(shapes: Sequence[Shape], records: int, runs: int) -> list[dict[str, Any]]:
    """Measure the rows of a table: medians of runs that take turns, so noise hits all alike."""
    measurements: dict[Shape, list[Measurement]] = {shape: [] for shape in shapes}
    for _ in range(runs):
        for shape in shapes:
            measurements[shape].append(run(shape, records))
    return [
        {**shape._asdict(), **{name: median(run[name] for run in several) for name in several[0]}}
        for shape, several in measurements.items()
    ]


def format_table(title: str, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table, and the growth of cost from its first row to its last."""
    what = title.replace(",", "").split()[0]
    yield title
    yield (
        f"{what:>12}{'ticks/s':>12}{'CPU us/tick':>13}{'of a core':>11}{'peak MiB':>10}"
        f"{'bars':>9}{'signals':>9}{'orders':>9}"
    )
    for row in rows:
        yield (
            f"{row[what]:>12,}{row['ticks_per_s']:>12,.0f}{row['cpu_us_per_tick']:>13.2f}"
            f"{share(row):>10.1%} {row['peak_mib']:>9,.0f}"
            f"{row['bars']:>9,.0f}{row['signals']:>9,.0f}{row['orders']:>9,.0f}"
        )
    first, last = rows[0], rows[-1]
    growth = last["cpu_us_per_tick"] / first["cpu_us_per_tick"]
    yield f"  CPU us/tick at {last[what]:,} over {first[what]:,}: {growth:.2f}"


def share(row: dict[str, Any]) -> float:
    """Return the share of a core that 10,000 ticks a second take."""
    return float(row["cpu_us_per_tick"]) * scaling_workload.PER_S / 1e6


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the cost of instruments and strategies.")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"{args.records:,} ticks, 10,000 a second, on 1 core; median of {args.runs}")
    tables: dict[str, list[dict[str, Any]]] = {}
    for title, shapes in TABLES.items():
        tables[title] = measure_table(shapes, args.records, args.runs)
        print("\n".join(format_table(title, tables[title])), flush=True)
    desk = desk_scaling.measure(args.runs)
    print("\n".join(desk_scaling.format_tables(desk)))
    figures = {"records": args.records, "runs": args.runs, "tables": tables, "desk": desk}
    print(f"all numbers and the machine in {report.save('scaling', figures)}")


if __name__ == "__main__":
    main()
