"""Scopes: which limits, states and commands an order is in."""

from fnmatch import fnmatchcase

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.risk import PORTFOLIO_SCOPE


def holds(settings: DeskSettings, scope: str, account: str, strategy: str, instrument: str) -> bool:
    """Return whether a scope holds what a strategy has in an instrument, in an account."""
    kind, _, name = scope.partition(":")
    if kind == "instrument":
        return fnmatchcase(instrument, name)
    venue = settings.instruments.get(instrument).venue
    of = {"account": account, "strategy": strategy, "venue": venue}
    return scope == PORTFOLIO_SCOPE or of.get(kind) == name


def is_known(settings: DeskSettings, scope: str) -> bool:
    """Return whether a scope is one of the job."""
    kind, _, name = scope.partition(":")
    if kind == "account":
        return name in settings.accounts
    if kind == "strategy":
        return any(strategy == name for _, strategy in settings.traded or ())
    if kind == "venue":
        return any(each.venue == name for each in settings.instruments.rows)
    if kind == "instrument":
        return any(fnmatchcase(each, name) for each in settings.instruments.ids)
    return scope == PORTFOLIO_SCOPE
