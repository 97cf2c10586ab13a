"""The reference job: replay tapes with jobs/reference.toml and export what SPEC.md requires.

python -m bench.reference TAPE_DIR OUT_DIR [--workers N] [--processes P]
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from bench.paths import JOB
from tapeflow.connectors.duckdb.query import query
from tapeflow.connectors.duckdb.query_result import QueryResult
from tapeflow.flows.cli.terminal import show_progress
from tapeflow.flows.job.settings import load
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError

NAMES = "(SELECT id, venue_symbol || '.' || venue AS name FROM instruments)"
# A table ends before int64 does: the end of the last bar of a second, which is beyond it.
END_NS = """CASE epoch_ns(close_time) WHEN 9223372036854775806 THEN 9223372037000000000::HUGEINT
            ELSE epoch_ns(close_time) END AS bar_end_ns"""
EXPORTS = {
    "bars": f"""
        SELECT name AS instrument, epoch_ns(open_time) AS start_ns,
            open, high, low, close, volume, vwap, count
        FROM bars JOIN {NAMES} ON id = instrument""",
    "signals": f"""
        SELECT name AS instrument, {END_NS},
            CASE side WHEN 'BUY' THEN 1 ELSE -1 END AS side, ref_price::DOUBLE AS ref_price,
            CASE reason WHEN '' THEN decision ELSE reason END AS decision
        FROM decisions JOIN {NAMES} ON id = instrument""",
    "fills": f"""
        SELECT name AS instrument, {END_NS},
            CASE f.side WHEN 'BUY' THEN 1 ELSE -1 END AS side, price::DOUBLE AS price,
            epoch_ns(event_time) AS event_ns, trade_id, fee::DOUBLE AS fee
        FROM fills f JOIN decisions d USING (order_id) JOIN {NAMES} n ON n.id = f.instrument""",
    "positions": f"""
        SELECT name AS instrument, coalesce(quantity, 0)::BIGINT AS position,
            coalesce(entry_price, 0)::DOUBLE AS entry,
            coalesce(realized, 0)::DOUBLE AS realized, coalesce(fees, 0)::DOUBLE AS fees
        FROM {NAMES} LEFT JOIN (SELECT instrument, arg_max(quantity, seq) AS quantity,
            arg_max(entry_price, seq) AS entry_price, arg_max(realized, seq) AS realized,
            arg_max(fees, seq) AS fees
            FROM positions GROUP BY instrument) ON id = instrument""",
}  # fmt: skip
STATS = ("records", "malformed", "unlisted", "duplicate", "late", "accepted")


def export(results: Path, out_dir: Path) -> None:
    """Write the answer in results as five files: four tables as CSV, the counts as JSON."""
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, sql in EXPORTS.items():
        write_csv(out_dir / f"{name}.csv", query(results, sql))
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in STATS)
    stats = query(results, f"SELECT {sums} FROM data_quality")
    counts = dict(zip(stats.names, stats.rows[0], strict=True))
    (out_dir / "stats.json").write_text(json.dumps(counts, indent=2) + "\n")


def write_csv(path: Path, table: QueryResult) -> None:
    """Write a table as CSV; floats in their shortest exact form."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.names)
        writer.writerows(table.rows)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Replay the reference job and export its answer.")
    parser.add_argument("tape_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    try:
        job = load(JOB)
        args.out_dir.mkdir(parents=True, exist_ok=True)
        results = args.out_dir / "results.duckdb"
        plan = Plan(
            command="reference",
            log=find_tapes([args.tape_dir], job),
            job=job,
            results=results,
            workers=args.workers,
            processes=args.processes,
        )
        run_plan(plan, show_progress, show_progress)
        export(results, args.out_dir)
    except TapeflowError as error:
        sys.exit(f"bench.reference: {error}")


if __name__ == "__main__":
    main()
