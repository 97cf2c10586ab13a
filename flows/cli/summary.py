"""The summary of a run: one screen of text, or JSON."""

import json
from argparse import Namespace
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.venues import venue_of

COUNTS = {
    "records": "SELECT coalesce(sum(records), 0)::BIGINT FROM data_quality_minutes",
    "trades": "SELECT coalesce(sum(accepted), 0)::BIGINT FROM data_quality_minutes",
    "quotes": "SELECT coalesce(sum(quotes), 0)::BIGINT FROM data_quality_minutes",
    "duplicates": "SELECT coalesce(sum(duplicate), 0)::BIGINT FROM data_quality_minutes",
    "late": "SELECT coalesce(sum(late), 0)::BIGINT FROM data_quality_minutes",
    "unlisted": "SELECT coalesce(sum(unlisted), 0)::BIGINT FROM data_quality_minutes",
    "dead_letters": "SELECT count(*) FROM dead_letters",
    "bars": "SELECT count(*) FROM bars",
    "signals": "SELECT count(*) FROM signals",
    "orders": "SELECT count(*) FROM orders",
    "fills": "SELECT count(*) FROM fills",
}
REFUSALS = (
    "SELECT reason, count(*) FROM decisions WHERE reason <> '' GROUP BY reason ORDER BY reason"
)
UNREAD = """
    WITH silent AS (
        SELECT partition, sum(recognised)::BIGINT AS frames,
            list(instrument ORDER BY instrument) AS instruments
        FROM data_quality
        WHERE instrument IS NOT NULL AND recognised > 0
            AND accepted + duplicate + late + history + off_market = 0
        GROUP BY partition
    )
    SELECT partition, channel, silent.frames, instruments
    FROM silent JOIN recognised_channels USING (partition) WHERE unread > 0 ORDER BY ALL
"""  # instruments whose trades are all in a channel that the job does not read
PROFIT = """
    SELECT strategy, account, fills, last.realized, last.unrealized, last.fees, last.equity
    FROM (SELECT strategy, account, count(*) AS fills FROM fills GROUP BY ALL)
    JOIN (SELECT strategy, account, arg_max(
            {'realized': realized, 'unrealized': unrealized, 'fees': fees, 'equity': equity}, seq
        ) AS last FROM equity GROUP BY ALL)
        USING (strategy, account)
    ORDER BY ALL
"""
NAMES_MAX = 3  # instruments named in one line
PROFIT_COLUMNS = ("strategy", "account", "fills", "realized", "unrealized", "fees", "profit")


def print_summary(args: Namespace) -> int:
    """Print the summary of the results, as text or with --json as JSON."""
    figures = summarise(args.results)
    print(json.dumps(figures) if args.json else format_summary(figures))
    for hint in figures["hints"]:
        notify(hint)
    return 0


def summarise(results: Path) -> dict[str, Any]:
    """Return the figures of a results file: counts, refusals by reason, profit by strategy."""
    with connect(results) as con:
        figures: dict[str, Any] = {
            name: con.execute(sql).fetchone()[0] for name, sql in COUNTS.items()
        }
        figures["refusals"] = dict(con.execute(REFUSALS).fetchall())
        figures["strategies"] = [
            dict(zip(PROFIT_COLUMNS, map(decimal_text, row), strict=True))
            for row in con.execute(PROFIT).fetchall()
        ]
        figures["hints"] = [*unread_trades(con)]
    return figures


def unread_trades(con: Any) -> Iterator[str]:
    """Yield a line for each channel whose frames hold trades that the job does not read."""
    for partition, channel, frames, instruments in con.execute(UNREAD).fetchall():
        setting = f'[market] trades = {{ {venue_of(partition)} = "{channel}" }}'
        more = f" and {len(instruments) - NAMES_MAX:,} more" if len(instruments) > NAMES_MAX else ""
        names = ", ".join(instruments[:NAMES_MAX]) + more
        yield (
            f"{partition}: {frames:,} {channel} frames, none of them read, and no other trades of "
            f"{names}: to read them set {setting}"
        )


def decimal_text(value: Any) -> Any:
    """Return a decimal as text, as JSON has no exact ones; anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def format_summary(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    ticks = figures["trades"] + figures["quotes"]
    unused = {
        "duplicate": figures["duplicates"],
        "late": figures["late"],
        "unlisted": figures["unlisted"],
        "dead letters": figures["dead_letters"],
    }
    read = f"{figures['trades']:,} trades, {figures['quotes']:,} quotes"
    lines = [
        count_line("ticks", ticks, f"{read} of {figures['records']:,} records"),
        count_line("set aside", sum(unused.values()), breakdown(unused)),
        count_line("bars", figures["bars"]),
        count_line("signals", figures["signals"]),
        count_line("orders", figures["orders"]),
        count_line("refusals", sum(figures["refusals"].values()), breakdown(figures["refusals"])),
        count_line("fills", figures["fills"]),
    ]
    if figures["strategies"]:
        lines += ["", profit_line(*PROFIT_COLUMNS)]
        lines += [profit_line(*profit_cells(row)) for row in figures["strategies"]]
    if figures["hints"]:
        lines += ["", *figures["hints"]]
    return "\n".join(lines)


def breakdown(counts: dict[str, int]) -> str:
    """Return counts by reason in one line.

    >>> breakdown({"duplicate": 3700, "late": 2})
    '3,700 duplicate, 2 late'
    """
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def count_line(name: str, count: int, more: str = "") -> str:
    """Return a line of the first table."""
    return f"{name:<10}{count:>10,}   {more}".rstrip()


def profit_line(strategy: str, account: str, fills: str, *money: str) -> str:
    """Return a line of the second table: realized, unrealized, fees and profit are `money`."""
    realized, unrealized, fees, profit = money
    return (
        f"{strategy:<16}{account:<12}{fills:>6}{realized:>14}{unrealized:>14}{fees:>12}{profit:>14}"
    )


def profit_cells(row: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a strategy's line; money to two places."""
    yield row["strategy"]
    yield row["account"]
    yield f"{row['fills']:,}"
    for name in PROFIT_COLUMNS[3:]:
        yield f"{Decimal(row[name]):,.2f}"
