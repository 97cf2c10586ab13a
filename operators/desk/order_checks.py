"""Check the orders of an intent, each after those before it are approved.

    intent ─▶ is it still traded, its time, its exits ─▶ each entry: risk/run.py, or risk/net.py
                                                          └─▶ it counts in the exposure at once

Exits only reduce what their entry has filled: they have no exposure of their own.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.proposal import propose_order
from tapeflow.operators.desk.reach import reach_of_order
from tapeflow.operators.desk.risk import net
from tapeflow.operators.desk.risk.findings import describe
from tapeflow.operators.desk.risk.proposals import limits_of, make_proposal
from tapeflow.operators.desk.risk.run import Checked, Handling, run_checks
from tapeflow.operators.desk.risk.state import Approval
from tapeflow.operators.desk.risk.supervision.notes import count_request
from tapeflow.operators.desk.risk.trading import Locked, StateCheck
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Finding
from tapeflow.schemas.signals import Intent, Signal
from tapeflow.schemas.time import format_time


class Verdict(NamedTuple):
    """Result of the risk checks of an order: the reason of a refusal, or "", and the details."""

    reason: str = ""
    detail: str = ""
    findings: tuple[Finding, ...] = ()
    wanted_size: Decimal | None = None  # before the checks have cut it


def check_orders(
    state: State,
    settings: DeskSettings,
    account: AccountState,
    orders: Sequence[Order],
    intent: Intent,
    approved_by: str = "",
) -> tuple[int | None, list[Order], list[Verdict]]:
    """Run the risk checks on orders, each after those before it are approved.

    Returns the number of the order that was refused, the orders as they may be sent, and the
    verdict on each: where one is refused, none of them counts in what the account is approved for.
    """
    whole = check_stale(state, settings, intent)
    whole = whole if whole.reason else check_exits(settings, intent)
    if whole.reason:
        return 0, [*orders], [whole] * len(orders)
    before, reach = account.approved.of(intent.signal.instrument), account.reach
    sent: list[Order] = []
    verdicts: list[Verdict] = []
    for order in orders:
        smaller, verdict = check_one(state, settings, account, order, intent, approved_by)
        verdicts.append(verdict)
        sent.append(smaller)
        if verdict.reason:
            account.approved.go_back(intent.signal.instrument, before)
            account.reach = reach
            break
    for approval in state.risk.end_deciding(approved=not verdicts[-1].reason):
        count_request(state, settings, approval.order, approval.order.time_ns)
    for each in sent[: len(verdicts) - bool(verdicts[-1].reason)]:
        state.risk.open_sizes.add(each, -added_size(each))  # they are added as they are held
    if not verdicts[-1].reason:
        return None, sent, verdicts
    left = len(orders) - len(sent)
    return len(sent) - 1, [*sent, *orders[len(sent) :]], verdicts + [Verdict()] * left


def check_one(
    state: State,
    settings: DeskSettings,
    account: AccountState,
    order: Order,
    intent: Intent,
    approved_by: str,
) -> tuple[Order, Verdict]:
    """Run the checks on one order; it counts at once where it passes.

    Returns it as it may be sent, and the verdict.
    """
    if order.role == "exit":
        multiplier = settings.instruments.get(order.instrument).multiplier
        account.reach += reach_of_order(order.size, multiplier)
        return order, Verdict("", "EXIT: only reduces what its entry has filled")
    ref_price = intent.signal.ref_price
    if settings.risk.counting == "net":
        refused = check_state(state, settings, order)
        if refused is not None:
            return order, Verdict(refused.code, describe(refused))
        proposed = propose_order(state, settings, account, order, ref_price)
        limits = settings.accounts[account.name].limits
        verdict, only_reduces = Verdict(*net.run_checks(account.approved, proposed, limits)), True
    else:
        in_slices = intent.slicing is not None
        checked = run_checks(
            state, settings, order, ref_price, Handling(True, in_slices, approved_by=approved_by)
        )
        verdict = verdict_of(checked, order)
        order, only_reduces = checked.order, checked.only_reduces
        proposed = propose_order(state, settings, account, order, ref_price)
    if not verdict.reason:
        account.approved.add(proposed)
        account.reach = proposed.reach
        state.risk.open_sizes.add(order, added_size(order))
        scopes = tuple(limits_of(state, settings, order))
        state.risk.deciding.append(Approval(order, only_reduces, scopes))
    return order, verdict


def check_state(state: State, settings: DeskSettings, order: Order) -> Finding | None:
    """Return what refuses an order by its trading state or a lock, None where nothing does."""
    trading, locks = state.risk.trading, state.risk.supervision.memory.locks
    if not (trading.of_scope or trading.closings or locks):
        return None
    proposal = make_proposal(state, settings, order)
    found = (check.check(proposal) for check in (StateCheck(), Locked()))
    return next((each for each in found if each is not None and not each.passed), None)


def added_size(order: Order) -> Decimal:
    """Return what an order that is approved may add to a position."""
    return order.size if order.role == "entry" and not order.reduce_only else ZERO


def verdict_of(checked: Checked, wanted: Order) -> Verdict:
    """Return the verdict of what was found of an order."""
    refusal, was_cut = checked.refusal, checked.order.size != wanted.size
    failed = refusal or next((each for each in checked.findings if not each.passed), None)
    return Verdict(
        reason="" if refusal is None else refusal.code,
        detail="" if failed is None else describe(failed),
        findings=checked.findings,
        wanted_size=wanted.size if was_cut else None,
    )


def check_stale(state: State, settings: DeskSettings, intent: Intent) -> Verdict:
    """Refuse an intent of what the job does not trade any more, or of a time in which it does not.

    NOT_TRADED and PAST come only of a state whose job has changed: what a partition that is new to
    it tells is of the past until it has come to where the state was.
    """
    signal = intent.signal
    if not settings.may_trade(intent.account, signal.strategy, signal.instrument):
        return Verdict("NOT_TRADED", f"NOT_TRADED: {signal.strategy} of the job that goes on")
    if state.merge.is_past(signal.position):
        return Verdict("PAST", "PAST: the state was past it when its partition was new")
    return check_warm_up(state, settings, signal)


def check_warm_up(state: State, settings: DeskSettings, signal: Signal) -> Verdict:
    """Refuse a signal in the warm-up of the log."""
    begin_ns = settings.trading_begin_ns(state.merge.first_ns)
    if signal.time_ns < begin_ns:
        return Verdict("WARM_UP", f"WARM_UP: nothing is traded before {format_time(begin_ns)}")
    return Verdict()


def check_exits(settings: DeskSettings, intent: Intent) -> Verdict:
    """Refuse an intent with an exit that would close nothing: its position would be without it."""
    lot = settings.instruments.get(intent.signal.instrument).lot
    for number, leg in enumerate(intent.exits):
        if leg.size < lot:
            detail = f"exit {number} would close {leg.size}, which is below the lot {lot}"
            return Verdict("SIZE_BELOW_LOT", f"SIZE_BELOW_LOT: {detail}")
    return Verdict()
