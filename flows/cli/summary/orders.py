"""Count orders by how they ended and why, or that they still work.

Where a job writes no order events, only fills say something: which orders have all of their size.
"""

from collections import defaultdict
from typing import Any

STATES = """
    SELECT CASE
            WHEN phase IS NULL THEN if(filled > 0, 'filled in part', 'not filled')
            WHEN phase <> 'DONE' THEN 'working'
            ELSE lower("end") END AS became,
        reason, count(*)
    FROM order_states GROUP BY ALL ORDER BY ALL
"""
WORDS = (
    "filled", "filled in part", "not filled", "canceled", "expired", "rejected", "denied", "lost",
    "working",
)  # fmt: skip
REASONED = ("canceled", "expired", "rejected")
UNNAMED = "asked for"  # the reason of a cancel that names none

Counts = dict[str, int]


def order_figures(con: Any) -> tuple[Counts, dict[str, Counts]]:
    """Return the orders by what became of them, and of those that ended unfilled the reasons."""
    ends: defaultdict[str, int] = defaultdict(int)
    reasons: defaultdict[str, Counts] = defaultdict(dict)
    for became, reason, count in con.execute(STATES).fetchall():
        ends[became] += count
        if became in REASONED:
            reasons[became][reason or UNNAMED] = count
    return {word: ends[word] for word in WORDS if ends[word]}, dict(reasons)
