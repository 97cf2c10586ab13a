"""What came of a run, in a screen of text."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from tapeflow.connectors.duckdb.query import connect

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


def of(results: Path) -> dict[str, Any]:
    """The figures, for a script."""
    with connect(results) as con:
        told: dict[str, Any] = {
            name: con.execute(sql).fetchone()[0] for name, sql in COUNTS.items()
        }
        told["refusals"] = dict(con.execute(REFUSALS).fetchall())
        told["strategies"] = [
            dict(zip(PROFIT_COLUMNS, (plain(value) for value in row), strict=True))
            for row in con.execute(PROFIT).fetchall()
        ]
    return told


def plain(value: Any) -> Any:
    """Decimals as text: JSON has no exact ones."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def text(told: dict[str, Any]) -> str:
    """The figures, for a person."""
    refusals = sum(told["refusals"].values())
    why = ", ".join(f"{count} {reason}" for reason, count in told["refusals"].items())
    ticks = told["trades"] + told["quotes"]
    aside = told["duplicates"] + told["late"] + told["unlisted"] + told["dead_letters"]
    lines = [
        f"ticks     {ticks:>10,}   {told['trades']:,} trades, {told['quotes']:,} quotes"
        f" of {told['records']:,} records",
        f"set aside {aside:>10,}   "
        f"{told['duplicates']:,} duplicate, {told['late']:,} late, {told['unlisted']:,} unlisted, "
        f"{told['dead_letters']:,} dead letters",
        f"bars      {told['bars']:>10,}",
        f"signals   {told['signals']:>10,}",
        f"orders    {told['orders']:>10,}",
        f"refusals  {refusals:>10,}   {why}".rstrip(),
        f"fills     {told['fills']:>10,}",
    ]
    if told["strategies"]:
        lines += [
            "",
            f"{'strategy':<16}{'account':<12}{'fills':>6}{'realized':>14}{'unrealized':>14}{'fees':>12}{'profit':>14}",
        ]
    for row in told["strategies"]:
        money = [
            f"{Decimal(row[name]):,.2f}" for name in ("realized", "unrealized", "fees", "profit")
        ]
        lines.append(
            f"{row['strategy']:<16}{row['account']:<12}{row['fills']:>6,}"
            f"{money[0]:>14}{money[1]:>14}{money[2]:>12}{money[3]:>14}"
        )
    return "\n".join(lines)
