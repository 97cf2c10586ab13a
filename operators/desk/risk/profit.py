"""Compute what a scope has made at the marks, and its equity: with the capital of its accounts.

portfolio          all accounts        strategy:trend     what it made; it has no capital
account:main       its strategies      others             have no profit of their own
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial

from tapeflow.operators.desk.equity import exact_mark
from tapeflow.operators.desk.rates import marked_rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State

ZERO = Decimal(0)
OF_PROFIT = ("portfolio", "account", "strategy")  # kinds of scopes that have a profit
OF_CAPITAL = ("portfolio", "account")


def parts_of(
    state: State, settings: DeskSettings, scope: str
) -> Iterator[tuple[AccountState, Iterable[str]]]:
    """Yield the accounts of a scope, each with its strategies in it that have ever traded."""
    kind, _, name = scope.partition(":")
    names = [name] if kind == "account" else [*settings.accounts]
    for each in names:
        account = state.accounts[each]
        traded = account.money.books.sums
        yield account, [*traded] if kind != "strategy" else [*({name} & traded.keys())]


def profit_of(state: State, settings: DeskSettings, scope: str) -> Decimal | None:
    """Return the profit of a scope since the beginning; None where a rate is not known."""
    if scope.partition(":")[0] not in OF_PROFIT:
        return None
    total, mark_of = ZERO, partial(exact_mark, state.merge.marks)
    for account, strategies in parts_of(state, settings, scope):
        at_par = settings.accounts[account.name].at_par
        rates = marked_rates(settings.instruments, at_par, state.merge.marks)
        for strategy in strategies:
            worth = account.money.worth(strategy, rates, mark_of, settings.money.digits)
            if worth.unvalued:
                return None
            total += worth.equity
    return total


def capital_of(settings: DeskSettings, scope: str) -> Decimal | None:
    """Return the capital of a scope; None where it has none, or an account declares none."""
    kind, _, name = scope.partition(":")
    if kind not in OF_CAPITAL:
        return None
    total = ZERO
    for each in [name] if kind == "account" else settings.accounts:
        capital = settings.accounts[each].capital
        if capital is None:
            return None
        total += capital
    return total


def equity_of(state: State, settings: DeskSettings, scope: str) -> Decimal | None:
    """Return the equity of a scope at the marks; None where capital or a rate is not known."""
    capital = capital_of(settings, scope)
    profit = None if capital is None else profit_of(state, settings, scope)
    return None if capital is None or profit is None else capital + profit
