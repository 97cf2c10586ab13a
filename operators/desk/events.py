"""The event loop of an account: fills, decisions and equity samples, in log order.

    log order   sample  fill   decision  fill   |horizon
                due     match  intent    match  |

At one position fills come first, then intents; equity.py samples before both.
"""

from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush

from tapeflow.operators.desk import paper, risk
from tapeflow.operators.desk.contracts import average_entry, exact_value, fill_value, notional
from tapeflow.operators.desk.equity import equity_rows, next_sample, notional_rate, sample_equity
from tapeflow.operators.desk.positions import ZERO, apply_fill
from tapeflow.operators.desk.rates import ONE
from tapeflow.operators.desk.reach import reach_of_order, reach_of_position
from tapeflow.operators.desk.state import AccountContext, State
from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.decimals import SCALE, clamp_for_table, round_to_digits, to_table_decimal
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import Intent

Fact = Decision | Order | Fill | Position | Equity


def process_events(state: State, context: AccountContext) -> Iterator[Fact]:
    """Process everything below the horizon, in log order; yield the facts."""
    resting, state.resting = state.resting, []
    for order in resting:
        match_or_rest(state, order, context)
    while True:
        match = state.matches[0].position if state.matches else None
        intent = state.intents[0][0][0] if state.intents else None
        intent = intent if intent is not None and intent < state.merge.horizon else None
        sample = next_sample(state)
        due = [each for each in (match, intent, sample) if each is not None]
        if not due:
            break
        first = min(due)
        if first == sample:
            yield from sample_equity(state, context, first)
        elif first == match:
            yield from fill_order(state, context, heappop(state.matches))
        else:
            yield from decide(state, context, heappop(state.intents)[1])
    state.merge.release_before(state.merge.horizon)
    if state.merge.ended and state.sample_ns:
        yield from equity_rows(state, context, state.merge.log_ns)
        state.sample_ns = 0


def match_or_rest(state: State, order: Order, context: AccountContext) -> None:
    """Find the trade that fills an order; the order rests if no such trade is below the horizon."""
    match = None
    if order.active_ns <= state.merge.horizon[0]:  # else nothing below the horizon is late enough
        trades = state.merge.trades_below_horizon(order.partition)
        match = paper.find_match(order, context.instruments.number[order.instrument], trades)
    if match is None:
        state.resting.append(order)
    else:
        heappush(state.matches, match)


def decide(state: State, context: AccountContext, intent: Intent) -> Iterator[Fact]:
    """Run the risk checks on an intent; send an approved order to the venue. Yield the facts."""
    signal = intent.signal
    proposed = propose_order(state, context, intent)
    reason, detail = risk.run_checks(state.approved, proposed, context.limits)
    decision = Decision(
        seq=state.next_seq(),
        order_id=derive_id(
            "order", context.account, signal.strategy, signal.instrument, signal.id, 0
        ),
        signal_id=signal.id,
        account=context.account,
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
        state.approved.add(proposed)
        state.reach = proposed.reach
        order = make_order(state, context, decision, intent)
        yield order
        match_or_rest(state, order, context)


def propose_order(state: State, context: AccountContext, intent: Intent) -> risk.ProposedOrder:
    """Return an intent with the exposure before and after it."""
    signal, instrument = intent.signal, context.instruments.get(intent.signal.instrument)
    ref_price = risk.reference_price(signal.ref_price)
    units = state.approved.units.get(signal.instrument, ZERO)
    after = units + signal.side * intent.size
    rate = notional_rate(state, context, instrument, signal.position)
    return risk.ProposedOrder(
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        ref_price=ref_price,
        units=units,
        units_after=after,
        notional_after=notional(instrument, abs(after), ref_price) * (rate or ONE),
        unpriced="" if rate is not None else instrument.settlement,
        order_value=exact_value(instrument, intent.size, ref_price),
        money_step=Decimal(1).scaleb(-context.money_digits),
        reach=state.reach + reach_of_order(intent.size, instrument.multiplier),
    )


def make_order(state: State, context: AccountContext, decision: Decision, intent: Intent) -> Order:
    """Return the order of an approval."""
    return Order(
        seq=state.next_seq(),
        id=decision.order_id,
        signal_id=decision.signal_id,
        account=decision.account,
        strategy=decision.strategy,
        instrument=decision.instrument,
        side=decision.side,
        type="market",
        size=decision.size,
        ref_price=decision.ref_price,
        time_ns=decision.time_ns,
        active_ns=decision.time_ns + context.latency_ns,
        partition=intent.signal.partition,
        offset=intent.signal.offset,
    )


def fill_order(state: State, context: AccountContext, match: paper.Match) -> Iterator[Fact]:
    """Fill an order at the trade that matches it; yield the fill and the position after it."""
    order, instrument = match.order, context.instruments.get(match.order.instrument)
    log_ns, partition, offset = match.position
    price = to_table_decimal(match.price)  # as printed: never rounded to the tick
    worth = fill_value(instrument, order.size, price, context.money_digits)
    fee = round_to_digits(worth * context.fee_rate, context.money_digits)
    fill = Fill(
        seq=state.next_seq(),
        id=derive_id("fill", order.id, 0),
        order_id=order.id,
        account=context.account,
        strategy=order.strategy,
        instrument=order.instrument,
        side=order.side,
        price=price,
        size=order.size,
        fee=fee,
        fee_currency=instrument.settlement,
        liquidity="TAKER",
        log_ns=log_ns,
        event_ns=match.event_ns,
        trade_id=match.trade_id,
        partition=partition,
        offset=offset,
    )
    yield fill
    yield update_position(state, context, fill, worth)


def update_position(state: State, context: AccountContext, fill: Fill, worth: Decimal) -> Position:
    """Apply a fill to the position of its strategy; return the position after it."""
    before = state.books.get(fill.strategy, fill.instrument)
    signed = fill.side * fill.size
    row = context.instruments.get(fill.instrument)
    position = apply_fill(
        before, signed, worth, fill.fee, context.money_digits, inverse=row.inverse
    )
    state.books.put(fill.strategy, fill.instrument, position)
    state.sample_ns = state.sample_ns or (fill.log_ns // context.sample_ns + 1) * context.sample_ns
    state.reach -= reach_of_order(fill.size, row.multiplier)
    state.reach += reach_of_position(position, row.multiplier)
    state.reach -= reach_of_position(before, row.multiplier)
    return Position(
        seq=state.next_seq(),
        account=context.account,
        strategy=fill.strategy,
        instrument=fill.instrument,
        time_ns=fill.log_ns,
        quantity=position.quantity,
        cost=position.cost,
        entry_price=round_to_digits(average_entry(row, position), SCALE),
        realized=position.realized,
        fees=position.fees,
        fill_id=fill.id,
        currency="" if row.settlement == row.quote else row.settlement,
    )
