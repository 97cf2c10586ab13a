"""A sweep: variants of a grid as heat maps over two parameters, and the best as a table."""

import json
from typing import Any

from tapeflow.flows.report.heat import heat_map
from tapeflow.flows.report.markup import Column, Html, escape, paragraph, table
from tapeflow.flows.report.section import Section, join
from tapeflow.flows.report.source import Rows, Source

VARIANTS_MAX = 500
COLUMNS = (
    Column("rank", "rank", "count", "1: the best out of sample; of a log without folds, over all"),
    Column("variant", "variant"),
    Column("trades", "fills", "count"),
    Column("profit", "profit", "signed", "change of equity"),
    Column("fees", "fees", "money"),
    Column("max_drawdown", "max drawdown", "money", "greatest fall of equity from a high"),
    Column("days", "days", "count", "returns by UTC day"),
    Column("sharpe_in", "Sharpe in", "number", "where variants are chosen: mean of the folds"),
    Column("sharpe", "Sharpe", "signed", "mean by standard deviation of daily returns * sqrt(365)"),
    Column("deflated_sharpe", "deflated Sharpe", "number", (
        "probability that the true Sharpe ratio is above what the best of so many trials has by "
        "chance, given length, skew and kurtosis of the returns (Bailey and Lopez de Prado, 2014); "
        "below 0.95 it is no evidence"
    )),
    Column("note", "note", "text", "why a value is missing"),
)  # fmt: skip
RANKED = """
    SELECT v.*, i.sharpe_in FROM variants AS v LEFT JOIN (
        SELECT variant, avg(sharpe) AS sharpe_in FROM variants WHERE sample = 'in' GROUP BY ALL
    ) AS i ON i.variant = v.variant
    WHERE fold = 0 AND sample = (
        SELECT if(bool_or(sample = 'out'), 'out', 'all') FROM variants WHERE fold = 0
    ) ORDER BY rank
"""


def section(source: Source) -> Section | None:
    """Return the variants of a sweep; None where the results are of none."""
    rows = source.rows(RANKED) if source.count("variants") else []
    if not rows:
        return None
    sample = "out of sample" if rows[0]["sample"] == "out" else "over the whole log"
    maps = [heat_maps(strategy, rows) for strategy in dict.fromkeys(r["strategy"] for r in rows)]
    left = len(rows) - VARIANTS_MAX
    return Section(
        "sweep",
        "Sweep",
        join(
            paragraph(f"{len(rows):,} variants, ranked {sample}: docs/sweep.md."),
            *maps,
            table("Variants, the best first", COLUMNS, rows[:VARIANTS_MAX], sortable=True),
            paragraph(f"{left:,} more are in the table variants.", "warn") if left > 0 else "",
        ),
    )


def heat_maps(strategy: str, rows: Rows) -> Html:
    """Return profit and Sharpe ratio of a strategy's variants over its first two parameters."""
    grid = [(json.loads(row["parameters"]), row) for row in rows if row["strategy"] == strategy]
    names = [name for name in grid[0][0] if len({text(each[name]) for each, _ in grid}) > 1]
    if not names:
        return Html("")
    down, across = names[0], (names[1] if len(names) > 1 else None)
    fixed = {name: grid[0][0][name] for name in names[2:]}
    cut = [(each, row) for each, row in grid if all(each[n] == v for n, v in fixed.items())]
    lines = sort_values(each[down] for each, _ in cut)
    columns = sort_values(each[across] for each, _ in cut) if across else [""]
    parts = [
        f"<h3>{escape(strategy)}: {escape(down)}{f' by {escape(across)}' if across else ''}</h3>"
    ]
    if fixed:
        at = ", ".join(f"{name} = {text(value)}" for name, value in fixed.items())
        parts.append(paragraph(f"The other parameters as the best variant has them: {at}."))
    for key, title in (("sharpe", "Sharpe ratio"), ("profit", "profit")):
        values = {
            (text(each[down]), text(each[across]) if across else ""): as_float(row[key])
            for each, row in cut
        }
        if any(value is not None for value in values.values()):
            corner = f"{down} \\ {across}" if across else down
            parts.append(heat_map(f"{strategy}: {title}", lines, columns, values, corner))
        else:
            parts.append(paragraph(f"{title}: not defined: {cut[0][1]['note'] or 'no values'}."))
    return Html("".join(parts))


def sort_values(values: Any) -> list[str]:
    """Return values as text, each once: numbers by size, then texts."""
    return [text(value) for value in sorted(set(map(hashable, values)), key=rank)]


def rank(value: Any) -> tuple[bool, Any]:
    """Return by what a value of a grid is sorted."""
    number = as_float(value)
    return (number is None, value if number is None else number)


def hashable(value: Any) -> Any:
    """Return a value of a grid, a list of it as text."""
    return value if isinstance(value, str | int | float) else text(value)


def text(value: Any) -> str:
    """Return a value of a grid as text."""
    return value if isinstance(value, str) else json.dumps(value)


def as_float(value: Any) -> float | None:
    """Return a number, or None where it is none."""
    try:
        return None if value is None or value != value else float(value)  # noqa: PLR0124  # NaN
    except (TypeError, ValueError):
        return None
