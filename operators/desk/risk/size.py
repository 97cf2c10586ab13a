"""Limits of one order: its size, and its notional at the worst price that it can have.

A limit order is worth at most its limit, any other its mark. Of several scopes the first that
fails decides. What only reduces passes.
"""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal


class SizeMax(Struct, frozen=True):
    """Limit the size of an order."""

    code: ClassVar[str] = "SIZE_MAX"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or proposal.size <= limit,
                proposal.size,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.size_max) is not None
        )


class NotionalMax(Struct, frozen=True):
    """Limit the notional of an order, in the currencies at par."""

    code: ClassVar[str] = "NOTIONAL_MAX"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit; without a mark the notional is not known."""
        observed = proposal.notional
        return decisive(
            Finding("MARK_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if observed is None
            else Finding(
                self.code,
                proposal.only_reduces or is_within(observed, limit),
                observed,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.notional_max) is not None
        )


CHECKS = (SizeMax(), NotionalMax())
