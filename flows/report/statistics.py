"""Statistics of a run from the view `tearsheet`, with their definitions and why one is missing."""

from decimal import Decimal
from typing import Any

from tapeflow.flows.report.forms import NONE, duration, number, share
from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.source import Source

SHARES = {"return", "cagr", "volatility", "hit_rate", "exposure_share", "max_drawdown_share"}
COUNTS = {"trips", "fills", "max_consecutive_losses"}
DURATIONS = {"max_drawdown_days"}
SIGNED = {"net_profit", "expectancy", "average_win", "average_loss", "return", "cagr"}
OF_CAPITAL = {"return", "cagr", "volatility", "calmar", "max_drawdown_share"}
DAYS_MIN = 2  # UTC days, for anything of daily returns
LEAST_DAYS = {
    "cagr": DAYS_MIN,
    "volatility": DAYS_MIN,
    "calmar": DAYS_MIN,
    "sharpe": 3,
    "sortino": 3,
}
NAMES = {"cagr": "CAGR", "sharpe": "Sharpe ratio", "sortino": "Sortino ratio",
         "calmar": "Calmar ratio", "trips": "round trips",
         "max_drawdown_days": "longest drawdown"}  # fmt: skip


class Statistics:
    """All statistics of the results, by account and strategy; '' is the whole account."""

    def __init__(self, source: Source) -> None:
        """Read them."""
        rows = source.rows(
            "SELECT account, strategy, statistic, value::DOUBLE AS value, definition FROM tearsheet"
        )
        self.values: dict[tuple[str, str, str], float | None] = {
            (row["account"], row["strategy"], row["statistic"]): row["value"] for row in rows
        }
        self.definitions = {
            row["statistic"]: row["definition"].replace("NULL: ", "not defined if: ")
            for row in rows
        }
        self.names = list(dict.fromkeys(row["statistic"] for row in rows))
        self.scopes = sorted({(row["account"], row["strategy"]) for row in rows})
        self.accounts = sorted({account for account, _ in self.scopes})
        self.days = int(source.tuples("SELECT count(DISTINCT day) FROM pnl_daily")[0][0])
        self.capital = {
            each["name"]: each.get("capital") for each in source.job.get("accounts", [])
        }

    def cell(self, account: str, strategy: str, statistic: str) -> Html:
        """Return a value as HTML; of a missing one, why it is."""
        value = self.value(account, strategy, statistic)
        if value is None:
            return Html(f'<span class="undefined">{escape(self.why(account, statistic))}</span>')
        shown = escape(text_of(statistic, value))
        if statistic not in SIGNED or not value:
            return Html(shown)
        return Html(f'<span class="{"pos" if value > 0 else "neg"}">{shown}</span>')

    def value(self, account: str, strategy: str, statistic: str) -> float | None:
        """Return a value; None where it is not defined, or the log has too few days for it."""
        found = self.values.get((account, strategy, statistic))
        return None if self.is_too_short(statistic) else found

    def is_too_short(self, statistic: str) -> bool:
        """Return whether the log has too few days for a statistic."""
        return self.days < LEAST_DAYS.get(statistic, 0)

    def why(self, account: str, statistic: str) -> str:
        """Return why a statistic has no value."""
        if self.is_too_short(statistic):
            return f"not defined: fewer than {LEAST_DAYS[statistic]} days"
        if statistic in OF_CAPITAL and self.capital.get(account) is None:
            return "not defined: the job declares no capital"
        return "not defined: see its definition"


def title_of(statistic: str) -> str:
    """Return the name of a statistic for people.

    >>> title_of("max_drawdown")
    'max drawdown'
    """
    return NAMES.get(statistic, statistic.replace("_", " "))


def text_of(statistic: str, value: Any) -> str:
    """Return the value of a statistic as text, in its unit.

    >>> text_of("hit_rate", 0.5), text_of("trips", 3.0)
    ('50.00 %', '3')
    """
    if value is None:
        return NONE
    if statistic in SHARES:
        return share(value)
    if statistic in COUNTS:
        return number(value, 0)
    if statistic in DURATIONS:
        return duration(Decimal(str(value)) * 86_400 * 10**9)
    return number(value)
