"""Decide an intent: the risk checks, then an order at the venue, or a refusal.

intent ─▶ risk ─▶ Decision ─┬─ DENIED
                            └─ Order ─▶ HELD ─▶ Command ─▶ venue
"""

from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk import risk
from tapeflow.operators.desk.contracts import exact_value, notional
from tapeflow.operators.desk.equity import notional_rate
from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.perform import place_order
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.rates import ONE
from tapeflow.operators.desk.reach import reach_of_order
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, terms_fields
from tapeflow.schemas.signals import Intent


def decide(state: State, settings: DeskSettings, intent: Intent) -> Iterator[Fact]:
    """Run the risk checks on an intent; send an approved order to the venue. Yield the facts."""
    account, signal = state.accounts[intent.account], intent.signal
    proposed = propose_order(state, settings, account, intent)
    limits = settings.accounts[account.name].limits
    reason, detail = risk.run_checks(account.approved, proposed, limits)
    decision = Decision(
        seq=account.next_seq(),
        order_id=derive_id("order", account.name, signal.strategy, signal.instrument, signal.id, 0),
        signal_id=signal.id,
        account=account.name,
        strategy=signal.strategy,
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        side=signal.side,
        size=intent.size,
        ref_price=clamp_for_table(proposed.ref_price),
        close_ns=signal.close_ns,
        decision="DENIED" if reason else "APPROVED",
        reason=reason,
        detail=detail,
    )
    yield decision
    if not reason:
        account.approved.add(proposed)
        account.reach = proposed.reach
        order = make_order(account, settings, decision, intent)
        yield order
        yield from place_order(state, settings, order, intent.signal.position)


def propose_order(
    state: State, settings: DeskSettings, account: AccountState, intent: Intent
) -> risk.ProposedOrder:
    """Return an intent with the exposure before and after it."""
    signal, instrument = intent.signal, settings.instruments.get(intent.signal.instrument)
    ref_price = risk.reference_price(signal.ref_price)
    units = account.approved.units.get(signal.instrument, ZERO)
    after = units + signal.side * intent.size
    if instrument.contract == "quanto":
        state.merge.release_before(signal.position)  # the rate is that of now
    rate = notional_rate(state, settings, account.name, instrument)
    return risk.ProposedOrder(
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        ref_price=ref_price,
        units=units,
        units_after=after,
        unit_notional=notional(instrument, ONE, ref_price) * (rate or ONE),
        notional_after=notional(instrument, abs(after), ref_price) * (rate or ONE),
        unpriced="" if rate is not None else instrument.settlement,
        order_value=exact_value(instrument, intent.size, ref_price),
        money_step=Decimal(1).scaleb(-settings.money_digits),
        reach=account.reach + reach_of_order(intent.size, instrument.multiplier),
    )


def make_order(
    account: AccountState, settings: DeskSettings, decision: Decision, intent: Intent
) -> Order:
    """Return the order of an approval."""
    return Order(
        seq=account.next_seq(),
        id=decision.order_id,
        signal_id=decision.signal_id,
        account=decision.account,
        strategy=decision.strategy,
        instrument=decision.instrument,
        side=decision.side,
        size=decision.size,
        ref_price=decision.ref_price,
        time_ns=decision.time_ns,
        active_ns=decision.time_ns + settings.paper.latency_ns(decision.order_id, "entry"),
        partition=intent.signal.partition,
        offset=intent.signal.offset,
        **terms_fields(intent.terms),
    )
