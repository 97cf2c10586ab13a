"""Limits of notional over all instruments of a scope, at the present marks.

    gross     sum of the worst case of each instrument
    net       what all longs, or all shorts, come to
    leverage  gross by equity; equity below 0, or not known: nothing is within it

A mark or a rate that is not known makes a sum that is not known: MARK_UNKNOWN.
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal, ScopeView


def find(
    code: str,
    proposal: Proposal,
    limit_of: Callable[[ScopeView], Decimal | None],
    observe: Callable[[ScopeView], float],
) -> Iterator[Finding]:
    """Yield what is found in each scope with this limit."""
    for view in proposal.scopes:
        limit = limit_of(view)
        if limit is None:
            continue
        observed, scope = observe(view), view.limits.scope
        if proposal.only_reduces:
            yield Finding(code, True, finite(observed), limit, scope)
        elif math.isnan(observed):
            yield Finding("MARK_UNKNOWN", False, None, limit, scope)
        else:
            yield Finding(code, is_within(observed, limit), observed, limit, scope)


def finite(value: float) -> float | None:
    """Return a number, None where there is none: JSON has no NaN."""
    return value if math.isfinite(value) else None


class GrossLimit(Struct, frozen=True):
    """Limit the sum of all notionals."""

    code: ClassVar[str] = "GROSS_LIMIT"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope; what only reduces passes."""
        limits = find(
            self.code, proposal, lambda view: view.limits.gross_max, lambda view: view.gross_after
        )
        return decisive(limits)


class NetLimit(Struct, frozen=True):
    """Limit what longs and shorts come to together."""

    code: ClassVar[str] = "NET_LIMIT"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope; what only reduces passes."""
        limits = find(
            self.code, proposal, lambda view: view.limits.net_max, lambda view: view.net_after
        )
        return decisive(limits)


class LeverageLimit(Struct, frozen=True):
    """Limit the gross exposure by equity."""

    code: ClassVar[str] = "LEVERAGE_LIMIT"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope; what only reduces passes, equity that is not known does not."""
        return decisive(self._find(proposal))

    def _find(self, proposal: Proposal) -> Iterator[Finding]:
        for view in proposal.scopes:
            limit, scope = view.limits.leverage_max, view.limits.scope
            if limit is None:
                continue
            if proposal.only_reduces:
                yield Finding(self.code, True, finite(view.gross_after), limit, scope)
            elif math.isnan(view.gross_after):
                yield Finding("MARK_UNKNOWN", False, None, limit, scope)
            elif view.equity is None:
                yield Finding("EQUITY_UNKNOWN", False, None, limit, scope)
            elif view.equity <= 0:
                yield Finding(self.code, False, None, limit, scope)
            else:
                observed = view.gross_after / view.equity
                yield Finding(self.code, is_within(observed, limit), observed, limit, scope)


CHECKS = (GrossLimit(), NetLimit(), LeverageLimit())
