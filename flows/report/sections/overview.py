"""Key figures, each with its definition."""

from collections.abc import Iterable

from tapeflow.flows.report.markup import Html, escape, number
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.statistics import Statistics, title_of

FIGURES = (
    "net_profit", "return", "sharpe", "max_drawdown", "hit_rate", "profit_factor", "expectancy",
    "trips",
)  # fmt: skip
COUNTS = (
    ("fills", "SELECT count(*) FROM fills", "orders, or parts of them, executed"),
    ("fees", "SELECT coalesce(sum(coalesce(fee_value, fee)), 0) FROM fills",
     "paid on all fills, in the currency of profit"),
    ("refusals", "SELECT count(*) FROM decisions WHERE decision = 'DENIED'",
     "intents that a risk check denied"),
    ("bars", "SELECT count(*) FROM bars", "accepted trades of an instrument over a time"),
)  # fmt: skip


def section(source: Source) -> Section:
    """Return the key figures of each account, and counts of all."""
    parts = []
    if (line := lacking(source, "tearsheet", "pnl_daily")) is not None:
        parts.append(line)
    else:
        statistics = Statistics(source)
        for account in statistics.accounts:
            if len(statistics.accounts) > 1:
                parts.append(Html(f"<h3>Account {escape(account)}</h3>"))
            parts.append(
                cards(
                    (
                        title_of(name),
                        statistics.cell(account, "", name),
                        statistics.definitions[name],
                    )
                    for name in FIGURES
                    if name in statistics.definitions
                )
            )
    counts = [
        (name, Html(number(source.tuples(sql)[0][0], 2 if name == "fees" else 0)), text)
        for name, sql, text in COUNTS
    ]
    return Section("overview", "Key figures", join(*parts, cards(counts)))


def cards(figures: Iterable[tuple[str, Html, str]]) -> Html:
    """Return figures: name, value, and the definition that the name opens."""
    return Html(
        '<div class="cards">'
        + "".join(
            f'<div class="card"><details><summary>{escape(name)}</summary>'
            f"<p>{escape(definition)}</p></details><strong>{value}</strong></div>"
            for name, value, definition in figures
        )
        + "</div>"
    )
