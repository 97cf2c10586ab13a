"""Sales of what is not held: a position is not turned by chance, and spot is never sold short.

    long 10, 5 on sale      sell 8: 5 of it reduce, and 3 would turn the position: cut to 5

FLIP comes before the limits, so that these see only what reduces; SPOT_SHORT after them.
"""

from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from tapeflow.schemas.risk import Finding, Proposal
from tapeflow.schemas.sides import SELL


class Flip(Struct, frozen=True):
    """Refuse to carry a position through zero, where flips are not allowed; of spot nowhere."""

    code: ClassVar[str] = "FLIP"
    cuts: ClassVar[str] = "always"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the position that would be left if the order and those open all fill."""
        is_allowed = proposal.flips and not proposal.instrument.is_spot
        held = -proposal.position * proposal.side  # that the order would reduce
        if is_allowed or held <= 0 or proposal.terms.reduce_only:
            return None
        left = max(held - (proposal.buys if proposal.side > 0 else proposal.sells), Decimal(0))
        return Finding(self.code, proposal.size <= left, proposal.size, left)


class SpotShort(Struct, frozen=True):
    """Refuse to sell spot that the strategy does not hold."""

    code: ClassVar[str] = "SPOT_SHORT"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check a sale of spot: all of it must be held, and not on sale already."""
        if proposal.side != SELL or not proposal.instrument.is_spot or proposal.terms.reduce_only:
            return None
        free = max(proposal.position - proposal.sells, Decimal(0))
        return Finding(self.code, proposal.size <= free, proposal.size, free)


BEFORE_LIMITS = (Flip(),)
AFTER_LIMITS = (SpotShort(),)
