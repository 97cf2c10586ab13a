"""Breaches of the limits of a scope at the present marks, in decimals.

DAILY_LOSS      profit at the begin of the day less that of now > daily_loss
DRAWDOWN        equity < peak x (1 - drawdown)
LOSSES, REJECTS counts above their limit; REPEATS one that has come to it
*_LIMIT, MARGIN worst case by side, as the checks of orders count it
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

from tapeflow.operators.desk.risk.check import is_within
from tapeflow.operators.desk.risk.holdings import holdings_of, notionals, unit_values
from tapeflow.operators.desk.risk.profit import capital_of, equity_of, profit_of
from tapeflow.operators.desk.risk.supervision.memory import Owner, ScopeMemory
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import OnLoss, ScopeLimits

ONE = Decimal(1)


class Breach(NamedTuple):
    """A limit that is exceeded, at a place of the log."""

    scope: str
    rule: str
    act: OnLoss | Literal["reduce", "close_and_lock"]
    observed: str
    limit: str
    closes: bool = False  # a halt closes all of the scope
    owner: Owner | None = None  # of a position


def text_of(value: Decimal | float) -> str:
    """Return a number as a fact shows it.

    >>> text_of(Decimal("12.500")), text_of(0.25)
    ('12.5', '0.25')
    """
    return f"{value.normalize():f}" if isinstance(value, Decimal) else f"{value:.10g}"


def breaches_of(state: State, settings: DeskSettings, limits: ScopeLimits) -> Iterator[Breach]:
    """Yield the breaches of a scope, the gravest first."""
    memory = state.risk.supervision.memory.of(limits.scope)
    for rule, observed, limit in loss_breaches(state, settings, limits, memory):
        act = limits.on_loss
        yield Breach(limits.scope, rule, act, observed, limit, closes=act == "halt")
    if limits.rejects_max is not None:
        begin_ns = state.now[0] - limits.orders_window_ns
        memory.rejects_ns = [each for each in memory.rejects_ns if each > begin_ns]
        count = len(memory.rejects_ns)
        if count > limits.rejects_max:
            yield Breach(limits.scope, "REJECTS", "halt", str(count), str(limits.rejects_max))
    if limits.repeats_max is not None and memory.executions >= limits.repeats_max:
        observed, limit = str(memory.executions), str(limits.repeats_max)
        yield Breach(limits.scope, "REPEATS", "halt", observed, limit)
    if limits.holds_exposure:
        for rule, observed, limit in exposure_breaches(state, settings, limits):
            yield Breach(limits.scope, rule, "reduce", observed, limit)


def loss_breaches(
    state: State, settings: DeskSettings, limits: ScopeLimits, memory: ScopeMemory
) -> Iterator[tuple[str, str, str]]:
    """Yield rule, observed and limit of the losses that are too large."""
    profit = profit_of(state, settings, limits.scope) if limits.asks_profit else None
    if limits.daily_loss is not None and profit is not None and memory.day_profit is not None:
        loss = memory.day_profit - profit
        if loss > limits.daily_loss:
            yield "DAILY_LOSS", text_of(loss), text_of(limits.daily_loss)
    capital = capital_of(settings, limits.scope)
    if limits.drawdown is not None and profit is not None and capital is not None:
        peak, equity = capital + memory.peak_profit, capital + profit
        if peak > 0 and equity < peak * (ONE - Decimal(repr(limits.drawdown))):
            yield "DRAWDOWN", text_of(float(ONE - equity / peak)), text_of(limits.drawdown)
    if limits.losses_max is not None and memory.losses > limits.losses_max:
        yield "LOSSES", str(memory.losses), str(limits.losses_max)


def exposure_breaches(
    state: State, settings: DeskSettings, limits: ScopeLimits
) -> Iterator[tuple[str, str, str]]:
    """Yield rule, observed and limit of the exposures that are too large."""
    account = account_of(state, settings, limits.scope)
    held = holdings_of(state, settings, limits.scope)
    is_held = limits.on_exceed == "reduce"
    if is_held and limits.position_max is not None:
        largest = max((each.worst for each in held.values()), default=Decimal(0))
        if largest > limits.position_max:
            yield "POSITION_LIMIT", text_of(largest), text_of(limits.position_max)
    sums = notionals(held, unit_values(state, settings, account))
    for rule, observed, maximum in (
        ("GROSS_LIMIT", sums.gross, limits.gross_max),
        ("NET_LIMIT", sums.net, limits.net_max),
    ):
        if not is_held or maximum is None or math.isnan(observed):
            continue
        if not is_within(observed, maximum):
            yield rule, text_of(observed), text_of(maximum)
    equity = equity_of(state, settings, limits.scope)
    if equity is None or not sums.gross > 0:
        return
    if is_held and limits.leverage_max is not None:
        leverage = sums.gross / float(equity) if equity > 0 else None
        if leverage is None or not is_within(leverage, limits.leverage_max):
            observed_text = "no equity" if leverage is None else text_of(leverage)
            yield "LEVERAGE_LIMIT", observed_text, text_of(limits.leverage_max)
    least = limits.margin_min
    if least is not None and not is_within(sums.gross * least, float(equity)):
        yield "MARGIN", text_of(float(equity) / sums.gross), text_of(least)


def account_of(state: State, settings: DeskSettings, scope: str) -> str:
    """Return the account that a scope is of, the first of the job where it is of several."""
    kind, _, name = scope.partition(":")
    if kind == "account":
        return name
    if kind == "strategy":
        for account in settings.accounts:
            if name in state.accounts[account].money.books.sums:
                return account
    return next(iter(settings.accounts))
