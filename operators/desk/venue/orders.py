"""An order as the venue has it, in the four stages of its life there.

WAY ──▶ RESTING | WAITING | UNTRIGGERED        UNTRIGGERED ──▶ WAY, triggered
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, Side
from tapeflow.schemas.time import LogPosition, Ns

Stage = Literal["WAY", "UNTRIGGERED", "WAITING", "RESTING"]
ZERO = Decimal(0)


class Amendment(Struct, frozen=True):
    """A change that is on its way; None leaves a field as it is."""

    at_ns: Ns  # venue time of its arrival
    size: Decimal | None
    limit: Decimal | None
    trigger: Decimal | None
    number: int  # among the amendments of its order


class Cancellation(Struct, frozen=True):
    """A cancel that is on its way."""

    at_ns: Ns
    reason: str


class PaperOrder(Struct, omit_defaults=True):
    """An order at the venue, or on its way there."""

    id: str
    number: int  # running number of approvals over all accounts
    account: str
    strategy: str
    instrument: int
    side: Side
    terms: Terms
    size: Decimal
    active_ns: Ns  # A: it sees rows from this venue time on
    placed_at: LogPosition  # P: it sees rows after this place
    tif_ns: Ns | None = None  # end by GTD or DAY
    stage: Stage = "WAY"
    triggered: bool = False
    retake: bool = False  # amended: it takes at the next row where it is within the touch
    filled: Decimal = ZERO
    fills: int = 0
    best: float | None = None  # of a trailing order that has begun
    ahead: Decimal | None = None  # of a resting order, model touch; None: not known
    cancels: list[Cancellation] = []
    amendments: list[Amendment] = []
    amended: int = 0  # amendments so far
    scheduled: list[tuple[int, int, int]] = []  # what timers exist for: see `times_of`

    @property
    def leaves(self) -> Decimal:
        """What may still be filled."""
        return self.size - self.filled

    @property
    def waits_for_trigger(self) -> bool:
        """Whether it is conditional and not triggered."""
        return self.terms.is_conditional and not self.triggered

    @property
    def has_limit(self) -> bool:
        """Whether it takes and rests only within a limit."""
        return self.terms.type in ("limit", "stop_limit", "take_profit_limit")

    @property
    def limit(self) -> float:
        """Its limit as prices are compared."""
        assert self.terms.limit is not None
        return float(self.terms.limit)

    def accepts(self, price: float) -> bool:
        """Return whether a price is within its limit; it is for one without a limit."""
        if not self.has_limit:
            return True
        return price <= self.limit if self.side == BUY else price >= self.limit
