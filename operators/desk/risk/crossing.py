"""Orders that would trade with each other: those of one portfolio are of one owner.

    own sale rests at 101      a buy with a limit of 101 is refused, one of 100.9 passes

What only reduces is asked too: trading with oneself is no way out of a position.
"""

from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.risk import RISK, Finding, Proposal


class SelfTrade(Struct, frozen=True):
    """Refuse an order that would take from a resting order of the same owner."""

    code: ClassVar[str] = "SELF_TRADE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the price up to which it takes at once against the best own one.

        An order that waits for a trigger or only makes takes nothing now; corrective orders pass:
        they cancel what is in their way.
        """
        terms = proposal.terms
        if terms.is_conditional or terms.post_only or proposal.strategy == RISK:
            return None
        own = proposal.own_ask if proposal.side > 0 else proposal.own_bid
        price = price_of(proposal)
        return decisive(
            Finding("MARK_UNKNOWN", False, None, own, view.limits.scope)
            if own is not None and price is None
            else Finding(
                self.code,
                own is None or price is None or proposal.side * (own - price) > 0,
                price,
                own,
                view.limits.scope,
            )
            for view in proposal.scopes
            if view.limits.refuse_self_trade
        )


def price_of(proposal: Proposal) -> Decimal | None:
    """Return the price up to which an order takes: its limit, else the touch, else the mark."""
    if proposal.terms.limit is not None:
        return proposal.terms.limit
    touch = proposal.ask if proposal.side > 0 else proposal.bid
    market = touch if touch is not None else proposal.mark
    return None if market is None else to_decimal(market)


CHECKS = (SelfTrade(),)
