"""Losses beyond which nothing is opened any more, at the present marks.

    daily_loss 500      equity 10,000 at the begin of the UTC day: opens from 9,500 on
    drawdown 0.1        peak 10,000: opens from 9,000 on

What only reduces passes. Supervision holds them between orders too.
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal, ScopeView


def find_loss(
    code: str,
    proposal: Proposal,
    limit_of: Callable[[ScopeView], float | Decimal | None],
    observe: Callable[[ScopeView], float],
) -> Iterator[Finding]:
    """Yield what is found of a loss in each scope with a limit; NaN is not known."""
    for view in proposal.scopes:
        limit, scope = limit_of(view), view.limits.scope
        if limit is None:
            continue
        observed = observe(view)
        if not math.isfinite(observed):
            yield Finding("EQUITY_UNKNOWN", proposal.only_reduces, None, limit, scope)
            continue
        passed = proposal.only_reduces or is_within(observed, limit)
        yield Finding(code, passed, observed, limit, scope)


def loss_of_day(view: ScopeView) -> float:
    """Return what was lost since the begin of the UTC day; NaN: not known."""
    if view.equity is None or view.day_equity is None:
        return math.nan
    return view.day_equity - view.equity


def drawdown_of(view: ScopeView) -> float:
    """Return the share of the greatest equity that was lost; NaN: not known."""
    if view.equity is None or view.peak is None or not view.peak > 0:
        return math.nan
    return 1 - view.equity / view.peak


class DailyLoss(Struct, frozen=True):
    """Limit the loss of the UTC day."""

    code: ClassVar[str] = "DAILY_LOSS"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            find_loss(self.code, proposal, lambda view: view.limits.daily_loss, loss_of_day)
        )


class Drawdown(Struct, frozen=True):
    """Limit the loss since the greatest equity."""

    code: ClassVar[str] = "DRAWDOWN"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            find_loss(self.code, proposal, lambda view: view.limits.drawdown, drawdown_of)
        )


class Losses(Struct, frozen=True):
    """Limit the closed trades that lost, in a row."""

    code: ClassVar[str] = "LOSSES"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            Finding("LOSSES_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if view.losses is None
            else Finding(
                self.code,
                proposal.only_reduces or view.losses <= limit,
                view.losses,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.losses_max) is not None
        )


CHECKS = (DailyLoss(), Drawdown(), Losses())
