"""Refusals: which checks denied how much, with the numbers that they saw."""

from tapeflow.flows.report.chains import link
from tapeflow.flows.report.markup import Column, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source

COLUMNS = (
    Column("account", "account"),
    Column("strategy", "strategy"),
    Column("instrument", "instrument"),
    Column("reason", "reason", "text", "code of the check that denied: docs/risk.md, 3"),
    Column("refusals", "refusals", "count"),
    Column("numbers", "observed, and limit", "text", "of the example"),
    Column("why", "example", "link"),
    Column("first_time", "first", "time"),
    Column("last_time", "last", "time"),
)
REASONS = """
    SELECT reason, sum(refusals)::BIGINT AS refusals, count(DISTINCT instrument) AS instruments,
        min(first_time) AS first_time, max(last_time) AS last_time
    FROM refusals_by_reason GROUP BY reason ORDER BY refusals DESC, reason
"""
TOTALS = (
    Column("reason", "reason"),
    Column("refusals", "refusals", "count"),
    Column("instruments", "instruments", "count"),
    Column("first_time", "first", "time"),
    Column("last_time", "last", "time"),
)


def section(source: Source) -> Section:
    """Return refusals by reason, and by reason, strategy and instrument."""
    title = "Refusals"
    if (line := lacking(source, "refusals_by_reason")) is not None:
        return Section("refusals", title, line)
    rows = source.rows(
        "FROM refusals_by_reason ORDER BY refusals DESC, account, strategy, instrument, reason"
    )
    for row in rows:
        row["why"] = link(row["example"], "explain", f"the refusal {row['example']}")
        row["numbers"] = (row["example_detail"] or "").removeprefix(f"{row['reason']}: ")
    decisions = source.count("decisions")
    refused = sum(row["refusals"] for row in rows)
    return Section(
        "refusals",
        title,
        join(
            paragraph(f"{refused:,} of {decisions:,} decisions of the risk checks were refusals."),
            table("Refusals by reason", TOTALS, source.rows(REASONS)) if rows else "",
            table("By strategy and instrument", COLUMNS, rows, sortable=True),
        ),
    )
