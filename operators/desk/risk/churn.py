"""Orders that come and go: cancels in a window, time at rest, orders for each fill, executions.

    cancels_max = 10           of cancels, in any `orders_window`
    rest_min = "500ms"         an order is not canceled before
    order_to_trade_max = 50    orders and changes of the UTC day for each fill of it
    repeats_max = 100          executions since trading was enabled: then somebody looks

The first two are asked of cancels alone.
"""

from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import RISK, Finding, Proposal


class CancelRate(Struct, frozen=True):
    """Limit the cancels of a window."""

    code: ClassVar[str] = "CANCEL_RATE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit, this cancel included."""
        return decisive(
            Finding(
                self.code,
                proposal.strategy == RISK or view.cancels < limit,
                view.cancels + 1,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.cancels_max) is not None
        )


class MinRest(Struct, frozen=True):
    """Demand that an order has been there for a time before it is canceled."""

    code: ClassVar[str] = "MIN_REST"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a time, since the approval of the order."""
        placed_ns = proposal.placed_ns
        if placed_ns is None:
            return None
        age_ns = proposal.time_ns - placed_ns
        return decisive(
            Finding(
                self.code,
                proposal.strategy == RISK or age_ns >= least,
                age_ns,
                least,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (least := view.limits.rest_min_ns) is not None
        )


class OrderToTrade(Struct, frozen=True):
    """Limit the orders and changes of the UTC day for each of its fills."""

    code: ClassVar[str] = "ORDER_TO_TRADE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit, this order included; no fill counts as one."""
        return decisive(
            Finding("COUNT_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if view.day_orders is None or view.day_fills is None
            else Finding(
                self.code,
                proposal.only_reduces
                or is_within((view.day_orders + 1) / max(view.day_fills, 1), limit),
                (view.day_orders + 1) / max(view.day_fills, 1),
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.order_to_trade_max) is not None
        )


class Repeats(Struct, frozen=True):
    """Limit the executions since trading was enabled."""

    code: ClassVar[str] = "REPEATS"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit; the order may execute once more."""
        return decisive(
            Finding("COUNT_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if view.repeats is None
            else Finding(
                self.code,
                proposal.only_reduces or view.repeats < limit,
                view.repeats + 1,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.repeats_max) is not None
        )


CHECKS = (OrderToTrade(), Repeats())
CANCEL_CHECKS = (CancelRate(), MinRest())
