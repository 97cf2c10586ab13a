"""The rules of the venue, asked before it: steps of prices and sizes, and the range of an order.

    tick 0.01      a limit of 100.005 is refused here, not there
    min_size 1     a sale of 0.4 that closes a position is not refused: its rest could never go

Steps and the largest size are asked of every order; what only reduces is never too small.
"""

from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.contracts import notional
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal
from tapeflow.schemas.risk import Finding, Proposal


class Tick(Struct, frozen=True):
    """Demand prices that are multiples of the tick."""

    code: ClassVar[str] = "TICK"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check limit, trigger and activation; an order without one has no step."""
        terms, tick = proposal.terms, proposal.instrument.tick
        found = None
        for price in (terms.limit, terms.trigger, terms.activate):
            if price is not None:
                passed = not DECIMAL_CONTEXT.remainder(price, tick)
                found = Finding(self.code, passed, price, tick)
                if not passed:
                    break
        return found


class Lot(Struct, frozen=True):
    """Demand a size that is a multiple of the lot."""

    code: ClassVar[str] = "LOT"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the size."""
        lot = proposal.instrument.lot
        passed = not DECIMAL_CONTEXT.remainder(proposal.size, lot)
        return Finding(self.code, passed, proposal.size, lot)


class SizeMin(Struct, frozen=True):
    """Demand the least size of the venue."""

    code: ClassVar[str] = "SIZE_MIN"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the size; what only reduces passes."""
        least = proposal.instrument.min_size
        if least is None:
            return None
        passed = proposal.only_reduces or proposal.size >= least
        return Finding(self.code, passed, proposal.size, least)


class VenueSizeMax(Struct, frozen=True):
    """Demand at most the largest size of the venue."""

    code: ClassVar[str] = "SIZE_MAX"
    cuts: ClassVar[str] = "resize"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the size, also of what reduces: the venue takes no larger order."""
        most = proposal.instrument.max_size
        if most is None:
            return None
        return Finding(self.code, proposal.size <= most, proposal.size, most)


class NotionalMin(Struct, frozen=True):
    """Demand the least notional of the venue, in its quote currency."""

    code: ClassVar[str] = "NOTIONAL_MIN"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the notional at the order's own price, else at that of the market."""
        least = proposal.instrument.min_notional
        if least is None:
            return None
        price = Decimal(1) if proposal.instrument.inverse else price_of(proposal)
        if price is None:
            return Finding("MARK_UNKNOWN", proposal.only_reduces, None, least)
        observed = notional(proposal.instrument, proposal.size, price)
        return Finding(self.code, proposal.only_reduces or observed >= least, observed, least)


def price_of(proposal: Proposal) -> Decimal | None:
    """Return the price by which a venue values an order; None where there is none."""
    own = proposal.terms.limit if proposal.terms.limit is not None else proposal.terms.trigger
    if own is not None:
        return own
    touch = proposal.ask if proposal.side > 0 else proposal.bid
    market = touch if touch is not None else proposal.mark
    return None if market is None else to_decimal(market)


CHECKS = (Tick(), Lot(), SizeMin(), VenueSizeMax(), NotionalMin())
