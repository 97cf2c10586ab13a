"""Collars: how far the price of an order may be from the market, in basis points.

    mark 100, collar_bps 50       a buy with a limit of 100.5 passes, one of 100.51 does not
    ask 100, touch_bps 10         a buy that would take at up to 100.1 passes

They are asked of every price that an order has, exits too: a wrong price closes nothing well.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive, is_within
from tapeflow.schemas.risk import Finding, Proposal

BPS = 10_000


class Collar(Struct, frozen=True):
    """Limit the distance of limit and trigger from the mark, on either side."""

    code: ClassVar[str] = "COLLAR"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check both prices in each scope; without a mark the distance is not known."""
        return decisive(self._find(proposal))

    def _find(self, proposal: Proposal) -> Iterator[Finding]:
        prices = [each for each in (proposal.terms.limit, proposal.terms.trigger) if each]
        for view in proposal.scopes:
            limit, scope = view.limits.collar_bps, view.limits.scope
            if limit is None or not prices:
                continue
            if proposal.mark is None:
                yield Finding("MARK_UNKNOWN", False, None, limit, scope)
                continue
            observed = max(distance_bps(each, proposal.mark) for each in prices)
            yield Finding(self.code, is_within(observed, limit), observed, limit, scope)


class Touch(Struct, frozen=True):
    """Limit how far through the best price of the other side a limit order may take."""

    code: ClassVar[str] = "TOUCH"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope; without a quote the touch is not known."""
        return decisive(self._find(proposal))

    def _find(self, proposal: Proposal) -> Iterator[Finding]:
        price = proposal.terms.limit
        touch = proposal.ask if proposal.side > 0 else proposal.bid
        for view in proposal.scopes:
            limit, scope = view.limits.touch_bps, view.limits.scope
            if limit is None or price is None or proposal.terms.post_only:
                continue
            if touch is None:
                yield Finding("TOUCH_UNKNOWN", False, None, limit, scope)
                continue
            through = proposal.side * (float(price) / touch - 1) * BPS
            observed = max(through, 0.0)  # a price that would rest is not through
            yield Finding(self.code, is_within(observed, limit), observed, limit, scope)


def distance_bps(price: Decimal, mark: float) -> float:
    """Return how far a price is from a mark, in basis points of the mark.

    >>> distance_bps(Decimal("100.5"), 100.0)
    50.0
    """
    return abs(float(price) - mark) / mark * BPS


CHECKS = (Collar(), Touch())
