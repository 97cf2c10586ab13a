"""May it be traded? Every intent becomes an order or a refusal; the first check that fails decides.

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
    """What an account has been allowed so far; the desk owns it and changes it in place."""

    units: dict[str, Decimal] = field(default_factory=dict)  # by instrument, signed
    notional: dict[str, Decimal] = field(
        default_factory=dict
    )  # |units| at the last reference price
    times_ns: deque[int] = field(default_factory=deque)  # of approvals that the rate still counts

    def add(self, wish: "ProposedOrder") -> None:
        """Allow a wish."""
        self.units[wish.instrument] = wish.units_after
        self.notional[wish.instrument] = wish.notional_after
        self.times_ns.append(wish.time_ns)


class ProposedOrder(Struct, frozen=True):
    """An intent in the terms that checks speak of."""

    instrument: str
    time_ns: int
    ref_price: Decimal
    units: Decimal  # approved before
    units_after: Decimal
    notional_after: Decimal


class CheckResult(Struct, frozen=True):
    """What a check saw."""

    reason: str
    passed: bool
    observed: Decimal | int
    limit: Decimal | int

    def __str__(self) -> str:
        return f"{self.reason}: observed={self.observed}, limit={self.limit}"


def price_range(approved: ApprovedExposure, wish: ProposedOrder, limits: Limits) -> CheckResult:
    """A price that money can be counted at."""
    passed = PRICE_MIN <= wish.ref_price < PRICE_MAX
    return CheckResult("PRICE_RANGE", passed, wish.ref_price, Decimal(int(PRICE_MAX)))


def position_limit(approved: ApprovedExposure, wish: ProposedOrder, limits: Limits) -> CheckResult:
    """The position in the instrument, long or short."""
    observed = abs(wish.units_after)
    return CheckResult(
        "POSITION_LIMIT", observed <= limits.position_max, observed, limits.position_max
    )


def gross_limit(approved: ApprovedExposure, wish: ProposedOrder, limits: Limits) -> CheckResult:
    """The notional of all instruments; what reduces a position always passes."""
    others = sum((n for name, n in approved.notional.items() if name != wish.instrument), ZERO)
    observed = others + wish.notional_after
    reduces = abs(wish.units_after) <= abs(wish.units)
    return CheckResult(
        "GROSS_LIMIT", reduces or observed <= limits.gross_max, observed, limits.gross_max
    )


def rate_limit(approved: ApprovedExposure, wish: ProposedOrder, limits: Limits) -> CheckResult:
    """Orders approved in the window that ends now, this one included."""
    since_ns = wish.time_ns - limits.orders_window_ns
    while approved.times_ns and approved.times_ns[0] <= since_ns:
        approved.times_ns.popleft()
    observed = len(approved.times_ns) + 1
    return CheckResult("RATE_LIMIT", observed <= limits.orders_max, observed, limits.orders_max)


CHECKS: tuple[Callable[[ApprovedExposure, ProposedOrder, Limits], CheckResult], ...] = (
    price_range,
    position_limit,
    gross_limit,
    rate_limit,
)  # in the order they are asked


def run_checks(approved: ApprovedExposure, wish: ProposedOrder, limits: Limits) -> tuple[str, str]:
    """The reason that denies, or "", and what was seen."""
    findings = []
    for ask in CHECKS:
        finding = ask(approved, wish, limits)
        if not finding.passed:
            return finding.reason, str(finding)
        findings.append(str(finding))
    return "", "; ".join(findings)
