"""Orders that repeat, and orders that pile up.

repeat = "1s"          the same order of a strategy within a second is a fault of the strategy
open_orders_max = 20   working entries of a scope, this one included
"""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive
from tapeflow.schemas.risk import Finding, Proposal


class Duplicate(Struct, frozen=True):
    """Refuse an order equal to one that was approved a moment before: also one that reduces.

    Corrective orders pass: a position is closed in equal parts, and what it may follow was equal.
    """

    code: ClassVar[str] = "DUPLICATE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a time; equal are instrument, side, size and terms."""
        last_ns = proposal.last_equal_ns
        age_ns = None if last_ns is None else proposal.time_ns - last_ns
        return decisive(
            Finding(
                self.code,
                proposal.corrective or age_ns is None or age_ns >= repeat,
                age_ns,
                repeat,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (repeat := view.limits.repeat_ns) is not None
        )


class OpenOrders(Struct, frozen=True):
    """Limit the entries that are at work."""

    code: ClassVar[str] = "OPEN_ORDERS"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit; what only reduces passes."""
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or view.open_orders < limit,
                view.open_orders + 1,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.open_orders_max) is not None
        )


CHECKS = (Duplicate(), OpenOrders())
