"""Our speed beside that of others, and what more workers and processes bring: rates and marks.

    python -m bench.speed [--rounds 5] [--records 5000000] [--few 1000000]
                          [--idiomatic-records 500000]

The runs take turns, so that noise hits all alike; each is a process of its own, pinned to its
cores. Every program reads tapes of the reference job and writes its answer: ours to DuckDB, the
others to CSV. A rate is of a run's median seconds; one without start-up is that of the records, and
the seconds, that a long run has more than a short one.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.machine import described
from bench.replay import ROOT, Measurement, measured, reference_tapes, run_pinned

FOUR_PARTITIONS = ("--partitions-per-venue", "2")

OURS, PLAIN, IDIOMATIC = "ours", "plain Python loop", "per-item Bytewax flow"
ONE, TWO_WORKERS = "ours, 4 partitions", "ours, 4 partitions, 2 workers, 2 cores"
WITHOUT_STARTUP, TWO_STARTED = "ours, started", "ours, started, 2 processes, 2 cores"
SHORT, TWO_FEW, LONG_2P = "one process, few", "two processes, few", "two processes, many"


class Mark(NamedTuple):
    """That one rate is so many times another."""

    what: str
    rate: str
    than: str
    least: float


MARKS = (
    Mark("ours over the plain Python loop", OURS, PLAIN, 6.0),
    Mark("ours over the per-item Bytewax flow", OURS, IDIOMATIC, 25.0),
    Mark("2 workers over 1, 4 partitions", TWO_WORKERS, ONE, 1.6),
    Mark("2 processes over 1, started, 4 partitions", TWO_STARTED, WITHOUT_STARTUP, 1.5),
)


def alternative(name: str, tapes: Path) -> Measurement:
    """One run of a program of bench/baselines."""
    with tempfile.TemporaryDirectory() as out:
        return run_pinned([f"bench.baselines.{name}", str(tapes), out], 1)


def runs(records: int, few: int, idiomatic: int) -> dict[str, Callable[[], Measurement]]:
    """The runs of a round."""
    many_in_four, few_in_four = (reference_tapes(n, 7, *FOUR_PARTITIONS) for n in (records, few))
    return {
        OURS: partial(measured, reference_tapes(records), 1, 1),
        PLAIN: partial(alternative, "plain_loop", reference_tapes(records)),
        IDIOMATIC: partial(alternative, "idiomatic_flow", reference_tapes(idiomatic)),
        ONE: partial(measured, many_in_four, 1, 1),
        TWO_WORKERS: partial(measured, many_in_four, 2, 2),
        SHORT: partial(measured, few_in_four, 1, 1),
        TWO_FEW: partial(measured, few_in_four, 1, 2, 2),
        LONG_2P: partial(measured, many_in_four, 1, 2, 2),
    }


def medians(rounds: Sequence[dict[str, Measurement]]) -> dict[str, Measurement]:
    """The median of each number of each run."""
    return {
        name: {what: median(told[name][what] for told in rounds) for what in first}
        for name, first in rounds[0].items()
    }


def rates(told: dict[str, Measurement]) -> dict[str, float]:
    """Ticks/s of the runs of a round."""
    nothing = {"records": 0.0, "seconds": 0.0}
    return {
        **{name: rate(told[name], nothing) for name in (OURS, PLAIN, IDIOMATIC, ONE, TWO_WORKERS)},
        WITHOUT_STARTUP: rate(told[ONE], told[SHORT]),
        TWO_STARTED: rate(told[LONG_2P], told[TWO_FEW]),
    }


def rate(many: Measurement, few: Measurement) -> float:
    """Ticks/s of what one run does more than another."""
    seconds = many["seconds"] - few["seconds"]
    return (many["records"] - few["records"]) / seconds if seconds > 0 else math.nan


def check_targets(reached: dict[str, float]) -> list[dict[str, Any]]:
    """How near we came to each mark."""
    ratios = [reached[mark.rate] / reached[mark.than] for mark in MARKS]
    return [
        {**mark._asdict(), "ratio": ratio, "passed": ratio >= mark.least}
        for mark, ratio in zip(MARKS, ratios, strict=True)
    ]


def shown(report: dict[str, Any]) -> Iterator[str]:
    """The report as a table."""
    yield f"reference job, {report['records']:,} records, tape to finished answer, 1 core"
    yield f"median of {report['rounds']} rounds"
    yield f"{'':<46}{'ticks/s':>12}"
    for name, rate in report["ticks_per_s"].items():
        of = f" ({report['idiomatic_records']:,} records)" if name == IDIOMATIC else ""
        yield f"  {name + of:<44}{rate:>12,.0f}"
    yield f"{'':<46}{'ratio':>12}{'mark':>10}"
    for mark in report["marks"]:
        verdict = "passed" if mark["passed"] else "missed"
        yield f"  {mark['what']:<44}{mark['ratio']:>12.2f}{mark['least']:>10.1f}  {verdict}"
    yield f"started: records beyond the first {report['few']:,}, without start-up"
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure our speed beside that of others.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--few", type=int, default=1_000_000, help="records of a short run")
    parser.add_argument("--idiomatic-records", type=int, default=500_000, help="it is slow")
    args = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench.speed: needs two cores")
    if args.few >= args.records:
        parser.error("--few must be fewer than --records")
    chosen = runs(args.records, args.few, args.idiomatic_records)
    chosen[SHORT]()  # fills the cache of compiled code
    rounds = []
    for number in range(args.rounds):
        rounds.append({name: run() for name, run in chosen.items()})
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    middle = medians(rounds)
    reached = rates(middle)
    report = {
        **vars(args),
        "ticks_per_s": reached,
        "marks": check_targets(reached),
        "medians": middle,
        "runs": rounds,
        "machine": described(),
    }
    (ROOT / "build" / "bench-speed.json").write_text(json.dumps(report, indent=2) + "\n")
    print("\n".join(shown(report)))


if __name__ == "__main__":
    main()
