"""What became of orders: how each ended, or that it works on, and why.

    order_events   the last one of each order: its end, and the reason where that came first
    fills          where a job writes no order events: which orders have all of their size

A fill of a slice is one of the order that it is a slice of.
"""

from collections import defaultdict
from typing import Any

from tapeflow.connectors.duckdb.query import has_table

ENDS = """
    WITH last AS (
        SELECT order_id, arg_max("end", seq) AS "end" FROM order_events GROUP BY order_id
    ), reasons AS (
        SELECT order_id, "end", arg_min(reason, seq) AS reason
        FROM order_events JOIN last USING (order_id, "end") GROUP BY ALL
    )
    SELECT coalesce(nullif(lower("end"), ''), 'working') AS became,
        if(became IN ('canceled', 'expired', 'rejected'), coalesce(reason, ''), ''), count(*)
    FROM orders LEFT JOIN reasons ON order_id = id GROUP BY ALL ORDER BY ALL
"""
FILLED = """
    WITH filled AS (
        SELECT order_id, sum(size) AS size FROM (
            SELECT order_id, size FROM fills
            UNION ALL SELECT parent, fills.size FROM fills JOIN orders ON orders.id = order_id
            WHERE role = 'child'
        ) GROUP BY order_id
    )
    SELECT CASE WHEN filled.size >= orders.size THEN 'filled'
        WHEN filled.size > 0 THEN 'filled in part' ELSE 'not filled' END AS became, '', count(*)
    FROM orders LEFT JOIN filled ON order_id = id GROUP BY ALL ORDER BY ALL
"""
WORDS = (
    "filled", "filled in part", "not filled", "canceled", "expired", "rejected", "denied", "lost",
    "working",
)  # fmt: skip
ASKED = "asked for"  # the reason of a cancel that names none

Counts = dict[str, int]


def order_figures(con: Any, job: dict[str, Any]) -> tuple[Counts, dict[str, Counts]]:
    """Return the orders by what became of them, and of those that ended unfilled the reasons."""
    ends: defaultdict[str, int] = defaultdict(int)
    reasons: defaultdict[str, Counts] = defaultdict(dict)
    for became, reason, count in con.execute(ENDS if has_events(con, job) else FILLED).fetchall():
        ends[became] += count
        if became in ("canceled", "expired", "rejected"):
            reasons[became][reason or ASKED] = count
    return {word: ends[word] for word in WORDS if ends[word]}, dict(reasons)


def has_events(con: Any, job: dict[str, Any]) -> bool:
    """Return whether the results hold the events of all orders."""
    return has_table(con, "order_events") and bool(job.get("results", {}).get("order_events", True))
