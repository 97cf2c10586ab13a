"""One order that closes a position for the sake of risk, or as much as the venue takes at once.

held 7, largest order 5     a reduce-only market order of 5, with a decision of its own
"""

from collections.abc import Generator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.actions import Release
from tapeflow.operators.desk.equity import exact_mark
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.perform import hold_order
from tapeflow.operators.desk.prices import quote_fields
from tapeflow.operators.desk.risk.findings import describe, encode_findings
from tapeflow.operators.desk.risk.held import Owner
from tapeflow.operators.desk.risk.run import Checked, Handling, run_checks
from tapeflow.operators.desk.risk.trading_states import Closing
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, Terms, terms_fields
from tapeflow.schemas.sides import BUY, SELL

TO_CLOSE = Terms(reduce_only=True)
OF_STATES = "states/"  # begins the `signal_id` of orders that close


def close_position(
    state: State, settings: DeskSettings, closing: Closing, owner: Owner, units: Decimal
) -> Generator[Fact, None, list[str]]:
    """Send an order that closes a position of some units; yield the facts.

    Returns why it cannot be closed now, as a list of at most one reason.
    """
    number = settings.instruments.number[owner[2]]
    price = state.merge.marks.closing_price(number, long=units > 0).price
    if not price > 0:
        return [f"no price of {owner[2]} is known"]
    order = closing_order(state, settings, closing, owner, units)
    checked = run_checks(state, settings, order, price, Handling(corrective=True))
    holder = state.accounts[order.account]
    yield decision_of(state, settings, order, checked)
    if checked.refusal is not None:
        return [f"{order.instrument}: {describe(checked.refusal)}"]
    numbered = replace(order, seq=holder.next_seq())
    yield numbered
    hold_order(state, numbered)
    yield from carry_out(state, settings, Release(order.id, order.size), state.now)
    return []


def closing_order(
    state: State, settings: DeskSettings, closing: Closing, owner: Owner, units: Decimal
) -> Order:
    """Return the order that closes a position, decided at the place that is processed."""
    account, strategy, instrument = owner
    row, number = settings.instruments.get(instrument), settings.instruments.number[instrument]
    size = row.floor_size(abs(units))
    log_ns, partition, offset = state.now
    name = derive_id("risk", closing.scope, closing.number, closing.round, *owner)
    mark, _ = exact_mark(state.merge.marks, number, long=units > 0)
    return Order(
        seq=0,
        id=name,
        signal_id=cause_id(closing),
        account=account,
        strategy=strategy,
        instrument=instrument,
        side=SELL if units > 0 else BUY,
        size=size if row.max_size is None else min(size, row.floor_size(row.max_size)),
        ref_price=clamp_for_table(mark),
        time_ns=log_ns,
        active_ns=log_ns + settings.paper.latency_ns(name, "entry"),
        partition=partition,
        offset=offset,
        **terms_fields(TO_CLOSE),
    )


def decision_of(state: State, settings: DeskSettings, order: Order, checked: Checked) -> Decision:
    """Return the decision about an order that closes."""
    refusal = checked.refusal
    return Decision(
        seq=state.accounts[order.account].next_seq(),
        order_id=order.id,
        signal_id=order.signal_id,
        account=order.account,
        strategy=order.strategy,
        instrument=order.instrument,
        time_ns=order.time_ns,
        side=order.side,
        size=order.size,
        ref_price=order.ref_price,
        close_ns=order.time_ns,
        decision="APPROVED" if refusal is None else "DENIED",
        reason="" if refusal is None else refusal.code,
        detail="" if refusal is None else describe(refusal),
        checks=encode_findings(checked.findings),
        **quote_fields(state, settings, order.instrument, order.position),
    )


def cause_id(closing: Closing) -> str:
    """Return the `signal_id` of the orders that close a scope.

    >>> from tapeflow.schemas.states import Cause
    >>> cause_id(Closing("portfolio", 7, Cause("rule", "DRAWDOWN")))
    'states/7'
    """
    return f"{OF_STATES}{closing.number}"
