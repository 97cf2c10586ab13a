"""What figures and hints read of a results file."""

import json
from collections import Counter
from typing import Any

from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.schemas.registry import OPEN_MINUTES

Counts = Counter[str]  # of one partition or instrument, by column of data_quality
MARK_PRICES = f"""
    SELECT coalesce(sum(value), 0)::BIGINT FROM (
        SELECT value FROM metrics WHERE name = 'mark_prices'
        UNION ALL SELECT mark_prices FROM {INTERNAL}.{OPEN_MINUTES}
    )
"""


def counts_by(con: Any, column: str) -> dict[str, Counts]:
    """Return the sums of data_quality by a column of it; of each also the records with ticks."""
    numbers = "COLUMNS(* EXCLUDE (partition, instrument, first_minute, last_minute))"
    rows = con.execute(
        f"SELECT {column}, sum({numbers}) FROM data_quality WHERE {column} IS NOT NULL "
        "GROUP BY 1 ORDER BY 1"
    )
    names = [each[0] for each in rows.description][1:]
    found = {}
    for key, *sums in rows.fetchall():
        counts = Counter(dict(zip(names, map(int, sums), strict=True)))
        without = ("heartbeats", "recognised", "unlisted", "malformed")
        counts["with_ticks"] = counts["records"] - sum(counts[name] for name in without)
        found[key] = counts
    return found


def counts_by_partition(con: Any) -> dict[str, Counts]:
    """Return the counts of each partition."""
    return counts_by(con, "partition")


def mark_prices(con: Any) -> int:
    """Return how many mark prices of listed instruments were read."""
    return int(con.execute(MARK_PRICES).fetchone()[0])


def job_of(con: Any) -> dict[str, Any]:
    """Return the job of the last run, as the results record it; durations are text in ns."""
    row = con.execute("SELECT job FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return dict(json.loads(row[0])) if row else {}
