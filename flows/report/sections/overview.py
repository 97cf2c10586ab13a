"""Key figures, each with its definition."""

from collections.abc import Iterable

from tapeflow.flows.report.forms import number
from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.statistics import Statistics, title_of
from tapeflow.flows.report.sums import find_obstacle

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
    counts = [
        (name, Html(number(source.tuples(sql)[0][0], 2 if name == "fees" else 0)), text)
        for name, sql, text in COUNTS
        if name != "fees" or not find_obstacle(source)
    ]
    if (line := lacking(source, "tearsheet", "pnl_daily")) is not None:
        return Section("overview", "Key figures", join(line, cards(counts)))
    statistics = Statistics(source)
    accounts = statistics.accounts
    if len(accounts) == 1:
        figures = [*figures_of(statistics, accounts[0]), *counts]
        return Section("overview", "Key figures", cards(figures))
    parts = [
        f"<h3>Account {escape(account)}</h3>{cards(figures_of(statistics, account))}"
        for account in accounts
    ]
    return Section("overview", "Key figures", join(*parts, "<h3>All</h3>", cards(counts)))


def figures_of(statistics: Statistics, account: str) -> list[tuple[str, Html, str]]:
    """Return name, value and definition of the key figures of an account."""
    return [
        (title_of(name), statistics.cell(account, "", name), statistics.definitions[name])
        for name in FIGURES
        if name in statistics.definitions
    ]


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
