"""The variants of a sweep as a table on the terminal, the best first; or as values for JSON.

rank  variant              trades       profit  fees  drawdown  Sharpe in  Sharpe out  deflated
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec import structs

from tapeflow.schemas.time import format_time
from tapeflow.schemas.variants import Variant

HEADS = ("rank", "variant", "trades", "profit", "fees", "max drawdown", "Sharpe", "deflated")
LEFT = {"variant"}
NONE = "-"


def format_variants(rows: Sequence[Variant], shown: int) -> str:
    """Return the best variants as a table, with a line on what the columns are of."""
    sample = "out" if any(row.sample == "out" for row in rows) else "all"
    ranked = [row for row in rows if row.fold == 0 and row.sample == sample]
    table = [HEADS, *(cells_of(row) for row in ranked[:shown])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if head in LEFT else cell.rjust(width)
            for head, cell, width in zip(HEADS, line, widths, strict=True)
        ).rstrip()
        for line in table
    ]
    return "\n".join([*head_lines(rows, ranked, sample), "", *lines, "", *tail_lines(rows, ranked)])


def head_lines(rows: Sequence[Variant], ranked: Sequence[Variant], sample: str) -> Iterator[str]:
    """Yield what was compared."""
    folds = max(row.fold for row in rows)
    whole = next(row for row in rows if row.sample == "all")
    begin, end = format_time(whole.begin_ns), format_time(whole.end_ns)
    yield f"variants     {len(ranked):,} over the log from {begin} to {end}"
    if sample == "out":
        first, last = format_time(ranked[0].begin_ns), format_time(ranked[0].end_ns)
        count = f"{folds} fold{'s' * (folds > 1)}"
        yield f"table        out of sample: {count}, tested from {first} to {last}"


def tail_lines(rows: Sequence[Variant], ranked: Sequence[Variant]) -> Iterator[str]:
    """Yield what choosing in sample would have made, why values are missing, what to do next."""
    for fold in sorted({row.fold for row in rows if row.fold}):
        yield walk_forward_line(rows, fold)
    for note in dict.fromkeys(ranked[0].note.split("; ")) if ranked[0].note else ():
        yield f"hint: {note}"
    yield 'next: tapeflow query "SELECT * FROM variants"'


def walk_forward_line(rows: Iterable[Variant], fold: int) -> str:
    """Return what the variant made in the test of a fold that was the best in its training."""
    of_fold = [row for row in rows if row.fold == fold]
    train = [row for row in of_fold if row.sample == "in"]
    best = min(train, key=lambda row: (-(row.sharpe or 0.0), -row.profit, row.variant))
    test = next(row for row in of_fold if row.sample == "out" and row.variant == best.variant)
    return (
        f"fold {fold}: {best.variant} was the best in sample with {format_money(best.profit)}, and "
        f"made {format_money(test.profit)} out of sample"
    )


def cells_of(row: Variant) -> tuple[str, ...]:
    """Return the cells of a variant."""
    return (
        str(row.rank),
        row.variant,
        f"{row.trades:,}",
        format_money(row.profit),
        format_money(row.fees),
        format_money(row.max_drawdown),
        format_ratio(row.sharpe),
        format_ratio(row.deflated_sharpe),
    )


def format_money(amount: Decimal) -> str:
    """Return an amount with two decimals."""
    return f"{amount:,.2f}"


def format_ratio(ratio: float | None) -> str:
    """Return a ratio with two decimals; a dash where it is not known."""
    return NONE if ratio is None else f"{ratio:.2f}"


def variant_values(rows: Iterable[Variant]) -> list[dict[str, Any]]:
    """Return the rows as values for JSON, money as text."""
    return [
        {name.removesuffix("_"): value for name, value in structs.asdict(row).items()}
        for row in rows
    ]
