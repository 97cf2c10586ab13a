"""Round trips, from flat to flat: a table to sort, each explained; and all fills."""

from tapeflow.flows.report.chains import link
from tapeflow.flows.report.histogram import histogram
from tapeflow.flows.report.markup import Column, Html, table
from tapeflow.flows.report.section import Section, join, lacking, shown_of
from tapeflow.flows.report.source import Source

TRIPS_MAX, FILLS_MAX = 1_000, 2_000
COLUMNS = (
    Column("why", "explain", "link"),
    Column("strategy", "strategy"),
    Column("instrument", "instrument"),
    Column("side", "side"),
    Column("entry_time", "entry, UTC", "time"),
    Column("exit_time", "exit, UTC", "time", "empty: open at the end"),
    Column("profit", "profit", "signed", "realized less fees, in the settlement currency"),
    Column("exit_reason", "reason of exit", "text", "of the order whose fill ended it"),
    Column("size", "size", "exact", "the largest of the trip"),
    Column("entry_price", "entry price", "price", "average of the fills that opened it"),
    Column("exit_price", "exit price", "price", "average of the fills that closed it"),
    Column("realized", "realized", "signed", "before fees"),
    Column("fees", "fees", "money"),
    Column("duration_ns", "duration", "duration"),
    Column("fills", "fills", "count"),
)
ACCOUNT = Column("account", "account")
FILLS = (
    Column("why", "explain", "link"),
    Column("account", "account"),
    Column("strategy", "strategy"),
    Column("instrument", "instrument"),
    Column("log_time", "time, UTC", "time", "log time"),
    Column("side", "side"),
    Column("size", "size", "exact"),
    Column("price", "price", "exact"),
    Column("fee", "fee", "exact"),
    Column("fee_currency", "in"),
    Column("liquidity", "liquidity"),
)
LATEST = f"""
    FROM round_trips ORDER BY coalesce(exit_time, 'infinity'::TIMESTAMP) DESC, entry_time DESC,
        account, strategy, instrument, number DESC LIMIT {TRIPS_MAX}
"""


def section(source: Source) -> Section:
    """Return round trips, the distribution of their profit, and fills."""
    if (line := lacking(source, "round_trips")) is not None:
        return Section("trips", "Round trips", join(line, fills(source)))
    rows = source.rows(LATEST)
    for row in rows:
        row["why"] = Html(
            link(row["entry_fill_id"], "entry", f"the entry of {row['instrument']}")
            + (
                " " + link(row["exit_fill_id"], "exit", f"the exit of {row['instrument']}")
                if row["exit_time"]
                else ""
            )
        )
    several = len({row["account"] for row in rows}) > 1
    columns = (COLUMNS[0], ACCOUNT, *COLUMNS[1:]) if several else COLUMNS
    profits = [
        value
        for (value,) in source.tuples(
            "SELECT profit::DOUBLE FROM round_trips WHERE exit_time IS NOT NULL ORDER BY ALL"
        )
    ]
    return Section(
        "trips",
        "Round trips",
        join(
            histogram("Profit of ended round trips", profits, "round trips"),
            table("Round trips, the latest first", columns, rows, sortable=True),
            shown_of(len(rows), source.count("round_trips"), "round trips", "round_trips"),
            fills(source),
        ),
    )


def fills(source: Source) -> Html:
    """Return the latest fills, each linked to its explanation."""
    rows = source.rows(f"FROM fills ORDER BY log_time DESC, account, seq DESC LIMIT {FILLS_MAX}")
    for row in rows:
        row["why"] = link(row["id"], row["id"][:8], f"the fill {row['id']}")
    return Html(
        f"<details><summary>All fills ({source.count('fills'):,})</summary>"
        f"{table('Fills, the latest first', FILLS, rows, sortable=True)}"
        f"{shown_of(len(rows), source.count('fills'), 'fills', 'fills')}</details>"
    )
