"""Limits of how many orders are sent in a window of log time.

orders_max 10      8 orders that open, and 2 more only for what reduces
"""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive
from tapeflow.schemas.risk import Finding, Proposal

RESERVE = 5  # one part in so many is left for what reduces


class RateLimit(Struct, frozen=True):
    """Limit the orders of a window that open or enlarge a position."""

    code: ClassVar[str] = "RATE_LIMIT"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope, this order included."""
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or view.orders < limit,
                view.orders + 1,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if view.limits.orders_max is not None
            for limit in (view.limits.orders_max - view.limits.orders_max // RESERVE,)
        )


CHECKS = (RateLimit(),)
