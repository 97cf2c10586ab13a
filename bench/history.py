"""The history of bench.speed: one line of JSON for each run that was worth keeping.

    python -m bench.history                  prints the stored runs as a table
    python -m bench.history --keep NOTE      keeps the last run of bench.speed, with a note on it

The file, bench/speed_history.jsonl, is under version control; build/ is not.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from bench.paths import BUILD
from bench.speed import OURS, TARGETS

HISTORY = Path(__file__).with_name("speed_history.jsonl")
LAST_RUN = BUILD / "bench-speed.json"
COLUMNS = ("plain loop", "per-item flow", "2 workers", "2 processes")  # as TARGETS

StoredRun: TypeAlias = dict[str, Any]  # day, note, rounds, records, ticks_per_s, ratios


def stored_runs(path: Path) -> list[StoredRun]:
    """Read the stored runs, the oldest first."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def stored_run(figures: dict[str, Any], day: str, note: str) -> StoredRun:
    """Return what is stored of the figures of a run: no ratio that could not be measured."""
    ratios = zip(COLUMNS, (target["ratio"] for target in figures["targets"]), strict=True)
    return {
        "day": day,
        "note": note,
        "rounds": figures["rounds"],
        "records": figures["records"],
        "ticks_per_s": round(figures["ticks_per_s"][OURS]),
        "ratios": {name: round(ratio, 2) for name, ratio in ratios if math.isfinite(ratio)},
    }


def format_table(runs: Sequence[StoredRun]) -> Iterator[str]:
    """Yield the lines of the table: of each run our rate, and its ratio to each other rate."""
    names = "".join(f"{name:>15}" for name in COLUMNS)
    yield f"{'day':<12}{'rounds':>6}{'records':>11}{'ticks/s':>11}{names}  note"
    targets = "".join(f"{target.ratio_min:>15.1f}" for target in TARGETS)
    yield f"{'target':<12}{'':>28}{targets}"
    for run in runs:
        ratios = [run["ratios"].get(name) for name in COLUMNS]
        cells = "".join(f"{'':>15}" if ratio is None else f"{ratio:>15.2f}" for ratio in ratios)
        numbers = f"{run['rounds']:>6}{run['records']:>11,}{run['ticks_per_s']:>11,}"
        yield f"{run['day']:<12}{numbers}{cells}  {run['note']}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Show or extend the history of bench.speed.")
    parser.add_argument("--keep", metavar="NOTE", help="keep the last run of bench.speed")
    args = parser.parse_args()
    if args.keep is not None:
        if not LAST_RUN.exists():
            sys.exit(f"bench.history: {LAST_RUN} is not there; run python -m bench.speed first")
        day = datetime.fromtimestamp(LAST_RUN.stat().st_mtime, UTC).date().isoformat()
        run = stored_run(json.loads(LAST_RUN.read_text()), day, args.keep)
        with HISTORY.open("a") as file:
            file.write(json.dumps(run) + "\n")
    print("\n".join(format_table(stored_runs(HISTORY))))


if __name__ == "__main__":
    main()
