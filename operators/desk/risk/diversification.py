"""Checks of the spread of a scope: shares of its gross, worst case, with the order.

    BTC 50, ETH 30, SOL 20      concentration 0.50, effective number 1 / (0.25 + 0.09 + 0.04) = 2.6

Asked where the order opens and the gross is above `spread_floor`: the first position of an empty
book is all of it.
"""

import math
from collections.abc import Callable, Iterator
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import TOLERANCE, decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal, ScopeView


def find_share(
    code: str,
    proposal: Proposal,
    limit_of: Callable[[ScopeView], float | None],
    observe: Callable[[ScopeView], float],
) -> Iterator[Finding]:
    """Yield what is found of a share in each scope with a limit."""
    for view in proposal.scopes:
        limit, scope = limit_of(view), view.limits.scope
        if limit is None:
            continue
        if math.isnan(view.gross_after):
            yield Finding("MARK_UNKNOWN", proposal.only_reduces, None, limit, scope)
            continue
        passed = proposal.only_reduces or is_small(view) or is_within(observe(view), limit)
        yield Finding(code, passed, observe(view), limit, scope)


def is_small(view: ScopeView) -> bool:
    """Return whether a scope holds too little for its spread to matter."""
    floor = view.limits.spread_floor
    return floor is not None and view.gross_after <= float(floor)


class Concentration(Struct, frozen=True):
    """Limit the share of one instrument."""

    code: ClassVar[str] = "CONCENTRATION"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        shares = find_share(
            self.code,
            proposal,
            lambda view: view.limits.concentration_max,
            lambda view: view.share_after,
        )
        return decisive(shares)


class VenueShare(Struct, frozen=True):
    """Limit the share of one venue."""

    code: ClassVar[str] = "VENUE_SHARE"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        shares = find_share(
            self.code,
            proposal,
            lambda view: view.limits.venue_share_max,
            lambda view: view.venue_share_after,
        )
        return decisive(shares)


class GroupShare(Struct, frozen=True):
    """Limit the share of any group of instruments that the order is in."""

    code: ClassVar[str] = "GROUP_SHARE"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        shares = find_share(
            self.code,
            proposal,
            lambda view: view.limits.group_share_max,
            lambda view: view.group_share_after,
        )
        return decisive(shares)


class EffectiveNumber(Struct, frozen=True):
    """Demand that exposure is spread as over so many equal positions."""

    code: ClassVar[str] = "EFFECTIVE_NUMBER"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            Finding("MARK_UNKNOWN", proposal.only_reduces, None, least, view.limits.scope)
            if math.isnan(view.gross_after)
            else Finding(
                self.code,
                proposal.only_reduces
                or is_small(view)
                or view.effective_after * TOLERANCE >= least,
                view.effective_after,
                least,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (least := view.limits.effective_min) is not None
        )


class Correlated(Struct, frozen=True):
    """Limit what moves with the instrument: notionals by their correlation with it."""

    code: ClassVar[str] = "CORRELATED"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            Finding("MARK_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if math.isnan(view.correlated_after)
            else Finding(
                self.code,
                proposal.only_reduces or is_within(view.correlated_after, limit),
                view.correlated_after,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.correlated_max) is not None
        )


CHECKS = (Concentration(), VenueShare(), GroupShare(), EffectiveNumber(), Correlated())
