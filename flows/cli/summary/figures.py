"""The figures of a summary, read from a results file.

records  ──▶ with ticks | heartbeats | recognised | unlisted | dead letters: each in one of them
ticks    ──▶ trades: accepted, or set aside by their verdict; quotes; mark prices
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.cli.summary.hints import hints
from tapeflow.flows.cli.summary.orders import order_figures
from tapeflow.flows.cli.summary.tables import Counts, counts_by_partition, mark_prices

TOTALS = {  # by figure, the table whose rows it counts
    "bars": "bars",
    "signals": "signals",
    "orders": "orders",
    "fills": "fills",
}
REFUSALS = (
    "SELECT reason, count(*) FROM decisions WHERE reason <> '' GROUP BY reason ORDER BY reason"
)
UNDECIDED = "SELECT count(*) FROM signals ANTI JOIN decisions ON signals.id = signal_id"
PROFIT = """
    SELECT strategy, account, fills, last.realized, last.unrealized, last.fees, last.equity
    FROM (SELECT strategy, account, count(*) AS fills FROM fills GROUP BY ALL)
    JOIN (SELECT strategy, account, arg_max(
            {'realized': realized, 'unrealized': unrealized, 'fees': fees, 'equity': equity}, seq
        ) AS last FROM equity GROUP BY ALL)
        USING (strategy, account)
    ORDER BY ALL
"""
PROFIT_COLUMNS = ("strategy", "account", "fills", "realized", "unrealized", "fees", "profit")
UNUSED = {  # word of the summary, by figure
    "duplicates": "duplicate",
    "late": "late",
    "ahead": "ahead",
    "history": "history",
    "off_market": "off-market",
    "unlisted": "unlisted",
    "dead_letters": "dead letters",
}


def summarise(results: Path) -> dict[str, Any]:
    """Return the figures of a results file: counts, refusals by reason, profit by strategy, hints.

    Raises TapeflowError where the file holds no results.
    """
    with connect(results) as con:
        partitions = counts_by_partition(con)
        figures: dict[str, Any] = record_figures(partitions, mark_prices(con))
        for name, table in TOTALS.items():
            figures[name] = con.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        figures["undecided_signals"] = con.execute(UNDECIDED).fetchone()[0]
        figures["order_ends"], figures["order_reasons"] = order_figures(con)
        figures["refusals"] = dict(con.execute(REFUSALS).fetchall())
        figures["strategies"] = [
            dict(zip(PROFIT_COLUMNS, map(decimal_text, row), strict=True))
            for row in con.execute(PROFIT).fetchall()
        ]
        figures["partitions"] = partitions
        figures["hints"] = [*hints(con, partitions)]
    return figures


def record_figures(partitions: dict[str, Counts], mark_prices: int) -> dict[str, int]:
    """Return the counts of records and of ticks, from those of the partitions."""
    total: Counter[str] = Counter()
    for counts in partitions.values():
        total.update(counts)
    figures = {
        "records": total["records"],
        "with_ticks": total["with_ticks"],
        "heartbeats": total["heartbeats"],
        "recognised": total["recognised"],
        "unlisted": total["unlisted"],
        "dead_letters": total["malformed"],
        "ticks": total["accepted"] + total["quotes"] + mark_prices,
        "trades": total["accepted"],
        "quotes": total["quotes"],
        "mark_prices": mark_prices,
        "duplicates": total["duplicate"],
        "late": total["late"],
        "ahead": total["ahead"],
        "history": total["history"],
        "off_market": total["off_market"],
    }
    return figures | {"set_aside": sum(figures[name] for name in UNUSED)}


def decimal_text(value: Any) -> Any:
    """Return a decimal as text, as JSON has no exact ones; anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
