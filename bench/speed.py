"""Our speed compared with the baselines; what more workers and processes bring; targets.

    python -m bench.speed [--rounds 5] [--records 5000000] [--short-records 1000000]
                          [--idiomatic-records 500000]

The runs take turns, so that noise hits all alike; each is a process of its own, pinned to its
cores. Every program reads tapes of the reference job and writes its answer: ours to DuckDB, the
baselines to CSV. A rate is of a run's median seconds. A rate without start-up is that of the
records, and the seconds, that a long run has more than a short one.
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench import report
from bench.measurement import Measurement, run_pinned
from bench.replay import measure_pinned, reference_tapes

FOUR_PARTITIONS = ("--partitions-per-venue", "2")

OURS, PLAIN, IDIOMATIC = "ours", "plain Python loop", "per-item Bytewax flow"
LONG, TWO_WORKERS = "ours, 4 partitions", "ours, 4 partitions, 2 workers, 2 cores"
WITHOUT_STARTUP = "ours, without start-up"
WITHOUT_STARTUP_2P = "ours, without start-up, 2 processes, 2 cores"
SHORT, SHORT_2P, LONG_2P = "one process, short", "two processes, short", "two processes, long"


class Target(NamedTuple):
    """One rate is to be at least so many times another."""

    what: str
    rate: str
    reference: str
    ratio_min: float


TARGETS = (
    Target("ours over the plain Python loop", OURS, PLAIN, 9.0),
    Target("ours over the per-item Bytewax flow", OURS, IDIOMATIC, 38.0),
    Target("2 workers over 1, 4 partitions", TWO_WORKERS, LONG, 1.7),
    Target("2 processes over 1, without start-up", WITHOUT_STARTUP_2P, WITHOUT_STARTUP, 1.6),
)


def measure_baseline(name: str, tapes: Path) -> Measurement:
    """Run a program of bench/baselines once on one core and measure it."""
    with tempfile.TemporaryDirectory() as out:
        return run_pinned([f"bench.baselines.{name}", str(tapes), out], 1)


def runs_of_a_round(
    records: int, short: int, idiomatic: int
) -> dict[str, Callable[[], Measurement]]:
    """Return the runs of a round by name; the numbers are records of each kind of run."""
    four_long, four_short = (reference_tapes(n, 7, *FOUR_PARTITIONS) for n in (records, short))
    return {
        OURS: partial(measure_pinned, reference_tapes(records), 1, 1),
        PLAIN: partial(measure_baseline, "plain_loop", reference_tapes(records)),
        IDIOMATIC: partial(measure_baseline, "idiomatic_flow", reference_tapes(idiomatic)),
        LONG: partial(measure_pinned, four_long, 1, 1),
        TWO_WORKERS: partial(measure_pinned, four_long, 2, 2),
        SHORT: partial(measure_pinned, four_short, 1, 1),
        SHORT_2P: partial(measure_pinned, four_short, 1, 2, 2),
        LONG_2P: partial(measure_pinned, four_long, 1, 2, 2),
    }


def medians(rounds: Sequence[dict[str, Measurement]]) -> dict[str, Measurement]:
    """Return the median of each number of each run over all rounds."""
    return {
        name: {what: median(runs[name][what] for runs in rounds) for what in first}
        for name, first in rounds[0].items()
    }


def rates(runs: dict[str, Measurement]) -> dict[str, float]:
    """Return ticks/s of the runs of a round; NaN where a long run took no longer than a short."""
    nothing = {"records": 0.0, "seconds": 0.0}
    whole = (OURS, PLAIN, IDIOMATIC, LONG, TWO_WORKERS)
    return {
        **{name: rate(runs[name], nothing) for name in whole},
        WITHOUT_STARTUP: rate(runs[LONG], runs[SHORT]),
        WITHOUT_STARTUP_2P: rate(runs[LONG_2P], runs[SHORT_2P]),
    }


def rate(long: Measurement, short: Measurement) -> float:
    """Return ticks/s of what the long run does more than the short one."""
    seconds = long["seconds"] - short["seconds"]
    return (long["records"] - short["records"]) / seconds if seconds > 0 else math.nan


def check_targets(ticks_per_s: dict[str, float]) -> list[dict[str, Any]]:
    """Compare the ratio of each target's rates with the least it should be."""
    ratios = [ticks_per_s[target.rate] / ticks_per_s[target.reference] for target in TARGETS]
    return [
        {**target._asdict(), "ratio": ratio, "passed": ratio >= target.ratio_min}
        for target, ratio in zip(TARGETS, ratios, strict=True)
    ]


def format_table(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"reference job, {figures['records']:,} records, tape to finished answer, 1 core"
    yield f"median of {figures['rounds']} rounds"
    yield f"{'':<46}{'ticks/s':>12}"
    for name, ticks_per_s in figures["ticks_per_s"].items():
        of = f" ({figures['idiomatic_records']:,} records)" if name == IDIOMATIC else ""
        yield f"  {name + of:<44}{ticks_per_s:>12,.0f}"
    yield f"{'':<46}{'ratio':>12}{'target':>10}"
    for target in figures["targets"]:
        outcome = "passed" if target["passed"] else "missed"
        numbers = f"{target['ratio']:>12.2f}{target['ratio_min']:>10.1f}"
        yield f"  {target['what']:<44}{numbers}  {outcome}"
    yield f"without start-up: 4 partitions, records beyond the first {figures['short_records']:,}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Compare our speed with baselines.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--short-records", type=int, default=1_000_000, help="of a short run")
    parser.add_argument("--idiomatic-records", type=int, default=500_000, help="that flow is slow")
    args = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench.speed: needs two cores, and this process may use one")
    if args.short_records >= args.records:
        parser.error("--short-records must be fewer than --records")
    runs = runs_of_a_round(args.records, args.short_records, args.idiomatic_records)
    runs[SHORT]()  # fills the cache of compiled code
    rounds = []
    for number in range(args.rounds):
        rounds.append({name: run() for name, run in runs.items()})
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    typical = medians(rounds)
    ticks_per_s = rates(typical)
    figures = {
        **vars(args),
        "ticks_per_s": ticks_per_s,
        "targets": check_targets(ticks_per_s),
        "medians": typical,
        "runs": rounds,
    }
    report.save("speed", figures)
    print("\n".join(format_table(figures)))
    print(report.machine_line())


if __name__ == "__main__":
    main()
