"""The figures of a summary as one screen of text.

Each line of the first table adds up: its number is the sum of the counts behind it, or, of
decisions, what the lines around it say.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tapeflow.flows.cli.summary.figures import PROFIT_COLUMNS, UNUSED

RECORDS = {  # word of the summary, by figure
    "with_ticks": "with ticks",
    "heartbeats": "heartbeats",
    "recognised": "recognised",
    "unlisted": "unlisted",
    "dead_letters": "dead letters",
}
TICKS = {"trades": "trades", "quotes": "quotes", "mark_prices": "mark prices"}
VERDICTS = ("duplicates", "late", "ahead", "history", "off_market")  # of trades
NUMBER_WIDTH = 10  # characters, at least
MONEY_WIDTH = 12
PLACES, PLACES_MAX = 2, 12  # decimals of money
DIGITS = 2  # of the smallest amount of a column, at least


def format_summary(figures: dict[str, Any]) -> str:
    """Return the figures as text, and the hints below them."""
    refusals = figures["refusals"]
    rows = [
        ("records", figures["records"], breakdown(record_parts(figures))),
        ("ticks", figures["ticks"], breakdown({TICKS[name]: figures[name] for name in TICKS})),
        ("set aside", figures["set_aside"], breakdown(unused_parts(figures))),
        ("bars", figures["bars"], ""),
        ("signals", figures["signals"], breakdown({"not decided": figures["undecided_signals"]})),
        ("orders", figures["orders"], breakdown(figures["order_ends"])),
        *((end, sum(of.values()), breakdown(of)) for end, of in figures["order_reasons"].items()),
        ("refusals", sum(refusals.values()), breakdown(refusals)),
        ("fills", figures["fills"], ""),
    ]
    width = max(NUMBER_WIDTH, *(len(f"{count:,}") for _, count, _ in rows))
    lines = [f"{name:<10}{count:>{width},}   {more}".rstrip() for name, count, more in rows]
    if figures["strategies"]:
        lines += ["", *profit_table(figures["strategies"])]
    if figures["hints"]:
        lines += ["", *(f"hint: {hint}" for hint in figures["hints"])]
    return "\n".join(lines)


def record_parts(figures: dict[str, Any]) -> dict[str, int]:
    """Return the counts of records by what they held; a share of a hundredth is shown as such."""
    return {
        word + share(figures[name], figures["records"]) * (name != "with_ticks"): figures[name]
        for name, word in RECORDS.items()
    }


def unused_parts(figures: dict[str, Any]) -> dict[str, int]:
    """Return the counts of what was set aside; of trades with their share where it is large."""
    trades = figures["trades"] + sum(figures[name] for name in VERDICTS)
    return {
        word + share(figures[name], trades) * (name in VERDICTS): figures[name]
        for name, word in UNUSED.items()
    }


def share(part: int, whole: int) -> str:
    """Return the share of a part as text, or nothing where it is below a hundredth.

    >>> share(30, 200), share(1, 200)
    (' (15 %)', '')
    """
    return f" ({100 * part / whole:.0f} %)" if whole and 100 * part >= whole else ""


def breakdown(counts: dict[str, int]) -> str:
    """Return counts by reason in one line, without those of zero.

    >>> breakdown({"duplicate": 3700, "late": 0, "unlisted": 2})
    '3,700 duplicate, 2 unlisted'
    """
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)


def profit_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines of the table of profits; columns are as wide as they need to be."""
    columns = [[name, *cells(name, rows)] for name in PROFIT_COLUMNS]
    texts, least = PROFIT_COLUMNS[:2], {"strategy": 14, "account": 10, "fills": 6}
    widths = [
        max(least.get(name, MONEY_WIDTH), *map(len, column))
        for name, column in zip(PROFIT_COLUMNS, columns, strict=True)
    ]
    return [
        "  ".join(
            cell.ljust(width) if name in texts else cell.rjust(width)
            for name, cell, width in zip(PROFIT_COLUMNS, line, widths, strict=True)
        )
        for line in zip(*columns, strict=True)
    ]


def cells(name: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the texts of a column of the table of profits."""
    if name in PROFIT_COLUMNS[:2]:
        return [row[name] for row in rows]
    if name == "fills":
        return [f"{row[name]:,}" for row in rows]
    amounts = [Decimal(row[name]) for row in rows]
    places = max(map(places_of, amounts))
    return [f"{amount:,.{places}f}" for amount in amounts]


def places_of(amount: Decimal) -> int:
    """Return the decimals that show an amount: two, or more where it is so small.

    >>> [places_of(Decimal(text)) for text in ("13.7412", "0.05", "0.0123", "-0.00000012", "0")]
    [2, 2, 3, 8, 2]
    """
    exact = -int(amount.normalize().as_tuple().exponent) if amount else 0
    return min(max(PLACES, DIGITS - 1 - amount.adjusted()), max(PLACES, exact), PLACES_MAX)
