"""Risk: every intent becomes an order or is denied; the first check that fails gives the reason.

    intent --> PRICE_RANGE --> POSITION_LIMIT --> GROSS_LIMIT --> RATE_LIMIT --> order
                    |                |                 |               |
                    +----------------+-----------------+---------------+--> DENIED, reason, detail

Exposure is what was approved, filled or not. A value equal to a limit passes. What cannot be
computed right is denied too: NO_RATE before all others, MONEY_STEP and MONEY_RANGE after them. The
detail names them only where they deny.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from tapeflow.operators.desk.exact_sum import ExactSum
from tapeflow.operators.desk.reach import REACH_MAX
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN, to_decimal

ZERO = Decimal(0)


@dataclass(slots=True)
class ApprovedExposure:
    """The exposure that an account was approved for so far, changed in place."""

    units: dict[str, Decimal] = field(default_factory=dict)  # by instrument, signed
    # by instrument: |units| at the reference price of its last approved order, and that of one unit
    notional: dict[str, Decimal] = field(default_factory=dict)
    unit_notional: dict[str, Decimal] = field(default_factory=dict)
    times_ns: deque[int] = field(default_factory=deque)  # of approvals in the rate window
    gross: ExactSum = field(init=False)  # of `notional`: no check goes over all instruments

    def __post_init__(self) -> None:
        self.gross = ExactSum(self.notional.values())

    def add(self, proposed: "ProposedOrder") -> None:
        """Add a proposed order that was approved."""
        self.units[proposed.instrument] = proposed.units_after
        self.unit_notional[proposed.instrument] = proposed.unit_notional
        self.set_notional(proposed.instrument, proposed.notional_after)
        self.times_ns.append(proposed.time_ns)

    def of(self, instrument: str) -> "Approval":
        """Return what is approved in an instrument, to go back to it."""
        units, unit = (each.get(instrument, ZERO) for each in (self.units, self.unit_notional))
        return Approval(units, unit, self.notional.get(instrument, ZERO), len(self.times_ns))

    def go_back(self, instrument: str, before: "Approval") -> None:
        """Take back the approvals since then."""
        self.units[instrument], self.unit_notional[instrument] = before[:2]
        self.set_notional(instrument, before.notional)
        while len(self.times_ns) > before.approvals:
            self.times_ns.pop()

    def change(self, instrument: str, units: Decimal) -> None:
        """Change the units by what an order will not fill, or fills beyond its approval."""
        after = self.units.get(instrument, ZERO) + units
        self.units[instrument] = after
        self.set_notional(instrument, abs(after) * self.unit_notional.get(instrument, ZERO))

    def set_notional(self, instrument: str, notional: Decimal) -> None:
        """Replace the notional of an instrument."""
        self.gross.replace(self.notional.get(instrument), notional)
        self.notional[instrument] = notional


class Approval(NamedTuple):
    """What was approved in one instrument at some time."""

    units: Decimal
    unit_notional: Decimal
    notional: Decimal
    approvals: int  # in the rate window of the account


class ProposedOrder(Struct, frozen=True):
    """An intent with the exposure before and after it, for the checks."""

    instrument: str
    time_ns: int
    ref_price: Decimal
    units: Decimal  # approved before
    units_after: Decimal
    notional_after: Decimal  # in currencies at par
    order_value: Decimal  # in the settlement currency
    money_step: Decimal  # what money is rounded to
    unpriced: str = ""  # the settlement currency, where no price of it is known: see rates.py
    reach: Decimal = ZERO  # of the account after the order: see reach.py
    unit_notional: Decimal = ZERO  # of one unit of size, at the reference price

    @property
    def reduces(self) -> bool:
        """Whether the position after the order is not larger than before."""
        return abs(self.units_after) <= abs(self.units)


class CheckResult(Struct, frozen=True):
    """The result of one check: what it observed, and its limit."""

    reason: str
    passed: bool
    observed: Decimal | int
    limit: Decimal | int

    def __str__(self) -> str:
        return f"{self.reason}: observed={self.observed}, limit={self.limit}"


def reference_price(price: float) -> Decimal:
    """Return a price as a decimal; one that is no number as PRICE_MAX, which is never traded."""
    return to_decimal(price) if math.isfinite(price) else Decimal(int(PRICE_MAX))


def price_range(approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits) -> CheckResult:
    """Check that the reference price is in [PRICE_MIN, PRICE_MAX)."""
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
    """Check the notional of all instruments; an order that reduces a position always passes."""
    others = approved.gross.without(approved.notional.get(proposed.instrument))
    observed = others + proposed.notional_after
    passed = proposed.reduces or observed <= limits.gross_max
    return CheckResult("GROSS_LIMIT", passed, observed, limits.gross_max)


def rate_limit(approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits) -> CheckResult:
    """Check the orders approved in the window that ends now, this one included."""
    since_ns = proposed.time_ns - limits.orders_window_ns
    while approved.times_ns and approved.times_ns[0] <= since_ns:
        approved.times_ns.popleft()
    observed = len(approved.times_ns) + 1
    return CheckResult("RATE_LIMIT", observed <= limits.orders_max, observed, limits.orders_max)


def money_step(proposed: ProposedOrder) -> CheckResult:
    """Check that an order is worth at least the step of money: a smaller one would cost nothing."""
    observed, limit = proposed.order_value, proposed.money_step
    return CheckResult("MONEY_STEP", proposed.reduces or observed >= limit, observed, limit)


def money_range(proposed: ProposedOrder) -> CheckResult:
    """Check that no sum of the account can leave the tables, at any price."""
    return CheckResult("MONEY_RANGE", proposed.reach < REACH_MAX, proposed.reach, REACH_MAX)


CHECKS: tuple[Callable[[ApprovedExposure, ProposedOrder, Limits], CheckResult], ...] = (
    price_range,
    position_limit,
    gross_limit,
    rate_limit,
)  # in the order in which they run


def run_checks(
    approved: ApprovedExposure, proposed: ProposedOrder, limits: Limits
) -> tuple[str, str]:
    """Run the checks; return the reason of the one that fails, or "", and the observed values."""
    if proposed.unpriced:
        return "NO_RATE", f"NO_RATE: no price of {proposed.unpriced} is known yet"
    results = []
    for check in CHECKS:
        result = check(approved, proposed, limits)
        if not result.passed:
            return result.reason, str(result)
        results.append(str(result))
    for result in (money_step(proposed), money_range(proposed)):
        if not result.passed:
            return result.reason, str(result)
    return "", "; ".join(results)
