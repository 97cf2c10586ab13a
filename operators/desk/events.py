"""What a desk does below the horizon, in log order: fills, decisions, samples of equity.

    place     sample  fill  decision  fill  |horizon
              due     hit   intent    hit   |

Of one place fills come first, then intents; equity is sampled before the first record at or after
its time, where the market was heard since the sample before.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush

from tapeflow.operators.desk import paper, risk
from tapeflow.operators.desk import positions as ledger
from tapeflow.operators.desk.state import AccountContext, State
from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.decimals import (
    SCALE,
    clamp_for_table,
    round_to_digits,
    round_to_step,
    to_decimal,
)
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import LogPosition

Fact = Decision | Order | Fill | Position | Equity


def process_events(state: State, desk: AccountContext) -> Iterator[Fact]:
    """Do everything below the horizon, in log order."""
    resting, state.resting = state.resting, []
    for order in resting:
        match_or_rest(state, order, desk)
    while True:
        hit = state.hits[0].place if state.hits else None
        wish = state.intents[0][0][0] if state.intents else None
        wish = wish if wish is not None and wish < state.merge.horizon else None
        sample = next_sample(state)
        soonest = min((place for place in (hit, wish, sample) if place is not None), default=None)
        if soonest is None:
            break
        if soonest == sample:
            yield from sample_equity(state, desk, soonest)
        elif soonest == hit:
            yield from fill_order(state, desk, heappop(state.hits))
        else:
            yield from decide(state, desk, heappop(state.intents)[1])
    state.merge.release_before(state.merge.horizon)
    if state.merge.ended and state.sample_ns:
        yield from equity_rows(state, desk, state.merge.log_ns)
        state.sample_ns = 0


def match_or_rest(state: State, order: Order, desk: AccountContext) -> None:
    """Look for the trade that fills an order; if it has not come yet, the order rests."""
    hit = None
    if order.active_ns <= state.merge.horizon[0]:  # else nothing below the horizon is late enough
        trades = state.merge.trades_below_horizon(order.partition)
        hit = paper.find_match(order, desk.number[order.instrument], trades)
    if hit is None:
        state.resting.append(order)
    else:
        heappush(state.hits, hit)


def decide(state: State, desk: AccountContext, intent: Intent) -> Iterator[Fact]:
    """Ask risk; an approved order goes to the venue."""
    signal, instrument = intent.signal, desk.of(intent.signal.instrument)
    ref_price = to_decimal(signal.ref_price)
    units = state.approved.units.get(signal.instrument, risk.ZERO)
    after = units + signal.side * intent.size
    notional = abs(after) * ref_price * instrument.multiplier
    wish = risk.ProposedOrder(signal.instrument, signal.time_ns, ref_price, units, after, notional)
    reason, detail = risk.run_checks(state.approved, wish, desk.limits)
    decision = Decision(
        seq=state.number(),
        order_id=derive_id("order", desk.account, signal.strategy, signal.instrument, signal.id, 0),
        signal_id=signal.id,
        account=desk.account,
        strategy=signal.strategy,
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        side=signal.side,
        size=intent.size,
        ref_price=clamp_for_table(ref_price),
        close_ns=signal.close_ns,
        decision="DENIED" if reason else "APPROVED",
        reason=reason,
        detail=detail,
    )
    yield decision
    if not reason:
        state.approved.add(wish)
        order = make_order(state, desk, decision, intent)
        yield order
        match_or_rest(state, order, desk)


def make_order(state: State, desk: AccountContext, decision: Decision, intent: Intent) -> Order:
    """The order of an approval."""
    return Order(
        seq=state.number(),
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
        active_ns=decision.time_ns + desk.latency_ns,
        partition=intent.signal.partition,
        offset=intent.signal.offset,
    )


def fill_order(state: State, desk: AccountContext, hit: paper.Match) -> Iterator[Fact]:
    """Book a fill."""
    order, instrument = hit.order, desk.of(hit.order.instrument)
    log_ns, partition, offset = hit.place
    price = round_to_step(to_decimal(hit.price), instrument.tick)
    notional = round_to_digits(price * order.size * instrument.multiplier, desk.money_digits)
    fee = round_to_digits(notional * desk.fee_rate, desk.money_digits)
    fill = Fill(
        seq=state.number(),
        id=derive_id("fill", order.id, 0),
        order_id=order.id,
        account=desk.account,
        strategy=order.strategy,
        instrument=order.instrument,
        side=order.side,
        price=price,
        size=order.size,
        fee=fee,
        fee_currency=instrument.quote,
        liquidity="TAKER",
        log_ns=log_ns,
        event_ns=hit.event_ns,
        trade_id=hit.trade_id,
        partition=partition,
        offset=offset,
    )
    yield fill
    yield update_position(state, desk, fill, notional)


def update_position(state: State, desk: AccountContext, fill: Fill, notional: Decimal) -> Position:
    """The position after a fill."""
    key = (fill.strategy, fill.instrument)
    before = state.books.get(key, ledger.PositionState())
    signed = fill.side * fill.size
    book = ledger.apply_fill(before, signed, notional, fill.fee, desk.money_digits)
    state.books[key] = book
    state.sample_ns = state.sample_ns or (fill.log_ns // desk.sample_ns + 1) * desk.sample_ns
    multiplier = desk.of(fill.instrument).multiplier
    return Position(
        seq=state.number(),
        account=desk.account,
        strategy=fill.strategy,
        instrument=fill.instrument,
        time_ns=fill.log_ns,
        quantity=book.quantity,
        cost=book.cost,
        entry_price=round_to_digits(ledger.entry_price(book, multiplier), SCALE),
        realized=book.realized,
        fees=book.fees,
        fill_id=fill.id,
    )


def next_sample(state: State) -> LogPosition | None:
    """Where the next sample of equity is due, if that is decided already."""
    place = (state.sample_ns, "", -1)  # before every record of that time
    if not state.sample_ns or place >= state.merge.horizon or state.sample_ns > state.merge.log_ns:
        return None
    return place


def sample_equity(state: State, desk: AccountContext, place: LogPosition) -> Iterator[Equity]:
    """Mark everything to the market as it stood at a place; over quiet time no sample is taken."""
    state.merge.release_before(place)
    if state.merge.marks_changed:
        state.merge.marks_changed = False
        yield from equity_rows(state, desk, place[0])
        state.sample_ns += desk.sample_ns
    else:
        state.sample_ns = (state.merge.next_mark_change_ns() // desk.sample_ns + 1) * desk.sample_ns


def equity_rows(state: State, desk: AccountContext, time_ns: int) -> Iterator[Equity]:
    """A row each strategy that has ever traded."""
    books: defaultdict[str, list[tuple[str, ledger.PositionState]]] = defaultdict(list)
    for (strategy, instrument_id), book in state.books.items():
        books[strategy].append((instrument_id, book))
    for strategy in sorted(books):
        realized = open_profit = fees = gross = ledger.ZERO
        for instrument_id, book in books[strategy]:
            instrument = desk.of(instrument_id)
            mark = to_decimal(state.merge.mark(desk.number[instrument_id], long=book.quantity > 0))
            open_profit += ledger.unrealized(book, mark, instrument.multiplier, desk.money_digits)
            gross += round_to_digits(
                abs(book.quantity) * mark * instrument.multiplier, desk.money_digits
            )
            realized, fees = realized + book.realized, fees + book.fees
        yield Equity(
            seq=state.number(),
            account=desk.account,
            strategy=strategy,
            time_ns=time_ns,
            realized=realized,
            unrealized=open_profit,
            fees=fees,
            equity=realized + open_profit - fees,
            gross=gross,
        )
