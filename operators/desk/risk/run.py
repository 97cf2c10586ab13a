"""Run the checks over an order: the first that fails refuses it, or cuts it to what passes.

order ─▶ TICK ─▶ COLLAR ─▶ FLIP ─▶ POSITION_LIMIT ─▶ .. ─▶ SPOT_SHORT ─▶ MONEY_STEP ─▶ approved
│ cut       │ cut, where the job says "resize"
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from tapeflow.operators.desk.proposal import propose_order
from tapeflow.operators.desk.risk import (
    approval,
    churn,
    crossing,
    data,
    diversification,
    exposure,
    loss,
    net,
    position,
    price,
    rate,
    repetition,
    short,
    size,
    trading,
    venue_rules,
)
from tapeflow.operators.desk.risk.check import Check
from tapeflow.operators.desk.risk.proposals import limits_of, make_proposal
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Finding, Proposal

CHECKS: tuple[Check, ...] = (
    *trading.CHECKS,
    *venue_rules.CHECKS,
    *data.CHECKS,
    *price.CHECKS,
    *crossing.CHECKS,
    *short.BEFORE_LIMITS,
    *size.CHECKS,
    *position.CHECKS,
    *exposure.CHECKS,
    *diversification.CHECKS,
    *repetition.CHECKS,
    *rate.CHECKS,
    *churn.CHECKS,
    *loss.CHECKS,
    *approval.CHECKS,
    *short.AFTER_LIMITS,
)  # in the order in which they run
# the venue sees the slices of an order, and not the whole
OF_SLICED = tuple(each for each in CHECKS if not isinstance(each, venue_rules.VenueSizeMax))


class Checked(NamedTuple):
    """The result of the checks: what was found, and the order as it may be sent."""

    order: Order
    findings: tuple[Finding, ...]
    only_reduces: bool = False

    @property
    def refusal(self) -> Finding | None:
        """The finding that refuses the order, None where it is approved."""
        last = self.findings[-1] if self.findings else None
        return None if last is None or last.passed else last


class Handling(NamedTuple):
    """How an order comes to the checks, and what they may do with it."""

    may_be_cut: bool = False
    in_slices: bool = False  # the venue sees its slices only
    corrective: bool = False  # it closes for the sake of risk
    approved_by: str = ""  # who has approved it, beside who wants it


def run_checks(
    state: State, settings: DeskSettings, order: Order, ref_price: float, handling: Handling
) -> Checked:
    """Run all checks over an order at a reference price."""
    account = state.accounts[order.account]
    first = of_price(propose_order(state, settings, account, order, ref_price))
    if not first.passed:
        return Checked(order, (first,))
    findings = [first]
    propose = partial(
        make_proposal, corrective=handling.corrective, approved_by=handling.approved_by
    )
    proposal = propose(state, settings, order)
    for check in OF_SLICED if handling.in_slices else CHECKS:
        found, fitting = check.check(proposal), None
        if found is None:
            continue
        findings.append(found)
        if found.passed:
            continue
        if handling.may_be_cut and cuts(state, settings, order, check):
            fitting = fitting_size(state, settings, order, proposal, check)
        if fitting is None:
            return Checked(order, tuple(findings))
        order = replace(order, size=fitting)
        proposal = propose(state, settings, order)
        found = check.check(proposal)
        assert found is not None and found.passed, f"{check.code}: {fitting} does not fit"
        findings.append(found)
    proposed = propose_order(state, settings, account, order, ref_price)
    findings += of_money(proposed, proposal)
    return Checked(order, tuple(findings), proposal.only_reduces)


def of_price(proposed: net.ProposedOrder) -> Finding:
    """Return what is found of the price and the rate of an order."""
    if proposed.unpriced:
        return Finding("NO_RATE", False, None, proposed.unpriced)
    passed = PRICE_MIN <= proposed.ref_price < PRICE_MAX
    return Finding("PRICE_RANGE", passed, proposed.ref_price, Decimal(int(PRICE_MAX)))


def of_money(proposed: net.ProposedOrder, proposal: Proposal) -> Iterator[Finding]:
    """Yield what is found of the money of an order, where it does not pass."""
    worth, step = proposed.order_value, proposed.money_step
    if not proposal.only_reduces and worth < step:
        yield Finding("MONEY_STEP", False, worth, step)
    result = net.money_range(proposed)
    if not result.passed:
        yield Finding(result.reason, False, result.observed, result.limit)


def cuts(state: State, settings: DeskSettings, order: Order, check: Check) -> bool:
    """Return whether an order may be made smaller for the sake of a check."""
    declared = [
        each.on_breach for each in limits_of(state, settings, order) if each.on_breach is not None
    ]
    on_breach = declared[-1] if declared else settings.risk.on_breach
    return check.cuts == "always" or (check.cuts == "resize" and on_breach == "resize")


def fitting_size(
    state: State, settings: DeskSettings, order: Order, proposal: Proposal, check: Check
) -> Decimal | None:
    """Return the largest size, in lots and not below the least one, that passes a check.

    What reduces is cut to itself, however small.
    """
    row = settings.instruments.get(order.instrument)
    if check.cuts == "always":
        return row.floor_size(proposal.reduces) or None
    least = least_lots(row)
    low, high = least - 1, int(order.size / row.lot)
    while high - low > 1:
        middle = (low + high) // 2
        smaller = replace(order, size=row.lot * middle)
        found = check.check(make_proposal(state, settings, smaller))
        low, high = (middle, high) if found is None or found.passed else (low, middle)
    return row.lot * low if low >= least else None


def least_lots(row: Instrument) -> int:
    """Return the least size of an order of an instrument, in lots."""
    least = row.min_size or row.lot
    return max(int(-(-least // row.lot)), 1)
