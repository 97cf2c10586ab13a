"""Risk: every intent becomes an order or a refusal; the first check that fails decides.

    intent --> PRICE_RANGE --> POSITION_LIMIT --> GROSS_LIMIT --> RATE_LIMIT --> order
                    |                |                 |               |
                    +----------------+-----------------+---------------+--> DENIED, reason, detail

What counts as held is what was approved, filled or not. Exactly at a limit passes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN

ZERO = Decimal(0)


@dataclass(slots=True)
class ApprovedExposure:
    """What an account was allowed so far, changed in place."""

    units: dict[str, Decimal] = field(default_factory=dict)  # by instrument, signed
    notional: dict[str, Decimal] = field(
        default_factory=dict
    )  # |units| at the last reference price
    times_ns: deque[int] = field(default_factory=deque)  # of approvals that the rate still counts

    def add(self, proposed: "ProposedOrder") -> None:
        """Add a proposed order that was approved."""
        self.units[proposed.instrument] = proposed.units_after
        self.notional[proposed.instrument] = proposed.notional_after
        self.times_ns.append(proposed.time_ns)


class ProposedOrder(Struct, frozen=True):
    """An intent as the checks look at it."""

    instrument: str
    time_ns: int
    ref_price: Decimal
    units: Decimal  # approved before
    units_after: Decimal
    notional_after: Decimal


class CheckResult(Struct, frozen=True):
    """The result of one check: what it observed, and its limit."""

    reason: str
    passed: bool
    observed: Decimal | int
    limit: Decimal | int

    def __str__(self) -> str:
        return f"{self.reason}: observed={self.observed}, limit={self.limit}"


def price_range(approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits) -> CheckResult:
    """Check that money can be counted at the price."""
    passed = PRICE_MIN <= proposed.ref_price < PRICE_MAX
    return CheckResult("PRICE_RANGE", passed, proposed.ref_price, Decimal(int(PRICE_MAX)))


def position_limit(
    approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits
) -> CheckResult:
    """Check the position in the instrument, long or short."""
    observed = abs(proposed.units_after)
    return CheckResult(
        "POSITION_LIMIT", observed <= limits.position_max, observed, limits.position_max
    )


def gross_limit(approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits) -> CheckResult:
    """Check the notional of all instruments; what reduces a position always passes."""
    others = sum((n for name, n in approved.notional.items() if name != proposed.instrument), ZERO)
    observed = others + proposed.notional_after
    reduces = abs(proposed.units_after) <= abs(proposed.units)
    return CheckResult(
        "GROSS_LIMIT", reduces or observed <= limits.gross_max, observed, limits.gross_max
    )


def rate_limit(approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits) -> CheckResult:
    """Check the orders approved in the window that ends now, this one included."""
    since_ns = proposed.time_ns - limits.orders_window_ns
    while approved.times_ns and approved.times_ns[0] <= since_ns:
        approved.times_ns.popleft()
    observed = len(approved.times_ns) + 1
    return CheckResult("RATE_LIMIT", observed <= limits.orders_max, observed, limits.orders_max)


CHECKS: tuple[Callable[[ApprovedExposure, ProposedOrder, Limits], CheckResult], ...] = (
    price_range,
    position_limit,
    gross_limit,
    rate_limit,
)  # in the order in which they run


def run_checks(
    approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits
) -> tuple[str, str]:
    """Run the checks; return the code of the one that denies, or "", and what was observed."""
    results = []
    for check in CHECKS:
        result = check(approved, proposed, limits)
        if not result.passed:
            return result.reason, str(result)
        results.append(str(result))
    return "", "; ".join(results)
