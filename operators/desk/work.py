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

from operators.desk import ledger, paper, risk
from operators.desk.state import Desk, State
from schemas.ids import derive
from schemas.market import Place
from schemas.money import SCALE, exact, to_digits, to_step, to_table
from schemas.trading import Decision, Equity, Fill, Intent, Order, Position

Fact = Decision | Order | Fill | Position | Equity


def work_off(state: State, desk: Desk) -> Iterator[Fact]:
    """Do everything below the horizon, in log order."""
    resting, state.resting = state.resting, []
    for order in resting:
        rest_or_hit(state, order, desk)
    while True:
        hit = state.hits[0].place if state.hits else None
        wish = state.intents[0][0][0] if state.intents else None
        wish = wish if wish is not None and wish < state.merge.horizon else None
        sample = sample_place(state)
        soonest = min((place for place in (hit, wish, sample) if place is not None), default=None)
        if soonest is None:
            break
        if soonest == sample:
            yield from sampled(state, desk, soonest)
        elif soonest == hit:
            yield from filled(state, desk, heappop(state.hits))
        else:
            yield from decided(state, desk, heappop(state.intents)[1])
    state.merge.forget(state.merge.horizon)
    if state.merge.ended and state.sample_ns:
        yield from equities(state, desk, state.merge.log_ns)
        state.sample_ns = 0


def rest_or_hit(state: State, order: Order, desk: Desk) -> None:
    """Look for the trade that fills an order; if it has not come yet, the order rests."""
    hit = None
    if order.active_ns <= state.merge.horizon[0]:  # else nothing below the horizon is late enough
        trades = state.merge.trades_below_horizon(order.partition)
        hit = paper.first_hit(order, desk.number[order.instrument], trades)
    if hit is None:
        state.resting.append(order)
    else:
        heappush(state.hits, hit)


def decided(state: State, desk: Desk, intent: Intent) -> Iterator[Fact]:
    """Ask risk; an approved order goes to the venue."""
    signal, instrument = intent.signal, desk.of(intent.signal.instrument)
    ref_price = exact(signal.ref_price)
    units = state.approved.units.get(signal.instrument, risk.ZERO)
    after = units + signal.side * intent.size
    notional = abs(after) * ref_price * instrument.multiplier
    wish = risk.Wish(signal.instrument, signal.time_ns, ref_price, units, after, notional)
    reason, detail = risk.check(state.approved, wish, desk.limits)
    decision = Decision(
        seq=state.number(),
        order_id=derive("order", desk.account, signal.strategy, signal.instrument, signal.id, 0),
        signal_id=signal.id,
        account=desk.account,
        strategy=signal.strategy,
        instrument=signal.instrument,
        time_ns=signal.time_ns,
        side=signal.side,
        size=intent.size,
        ref_price=to_table(ref_price),
        close_ns=signal.close_ns,
        decision="DENIED" if reason else "APPROVED",
        reason=reason,
        detail=detail,
    )
    yield decision
    if not reason:
        state.approved.add(wish)
        order = ordered(state, desk, decision, intent)
        yield order
        rest_or_hit(state, order, desk)


def ordered(state: State, desk: Desk, decision: Decision, intent: Intent) -> Order:
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


def filled(state: State, desk: Desk, hit: paper.Hit) -> Iterator[Fact]:
    """Book a fill."""
    order, instrument = hit.order, desk.of(hit.order.instrument)
    log_ns, partition, offset = hit.place
    price = to_step(exact(hit.price), instrument.tick)
    notional = to_digits(price * order.size * instrument.multiplier, desk.money_digits)
    fee = to_digits(notional * desk.fee_rate, desk.money_digits)
    fill = Fill(
        seq=state.number(),
        id=derive("fill", order.id, 0),
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
    yield booked(state, desk, fill, notional)


def booked(state: State, desk: Desk, fill: Fill, notional: Decimal) -> Position:
    """The position after a fill."""
    key = (fill.strategy, fill.instrument)
    before = state.books.get(key, ledger.Book())
    signed = fill.side * fill.size
    book = ledger.booked(before, signed, notional, fill.fee, desk.money_digits)
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
        entry_price=to_digits(ledger.entry_price(book, multiplier), SCALE),
        realized=book.realized,
        fees=book.fees,
        fill_id=fill.id,
    )


def sample_place(state: State) -> Place | None:
    """Where the next sample of equity is due, if that is decided already."""
    place = (state.sample_ns, "", -1)  # before every record of that time
    if not state.sample_ns or place >= state.merge.horizon or state.sample_ns > state.merge.log_ns:
        return None
    return place


def sampled(state: State, desk: Desk, place: Place) -> Iterator[Equity]:
    """Mark everything to the market as it stood at a place; over quiet time no sample is taken."""
    state.merge.forget(place)
    if state.merge.heard:
        state.merge.heard = False
        yield from equities(state, desk, place[0])
        state.sample_ns += desk.sample_ns
    else:
        state.sample_ns = (state.merge.quiet_until_ns() // desk.sample_ns + 1) * desk.sample_ns


def equities(state: State, desk: Desk, time_ns: int) -> Iterator[Equity]:
    """A row each strategy that has ever traded."""
    books: defaultdict[str, list[tuple[str, ledger.Book]]] = defaultdict(list)
    for (strategy, instrument_id), book in state.books.items():
        books[strategy].append((instrument_id, book))
    for strategy in sorted(books):
        realized = open_profit = fees = gross = ledger.ZERO
        for instrument_id, book in books[strategy]:
            instrument = desk.of(instrument_id)
            mark = exact(state.merge.mark(desk.number[instrument_id], long=book.quantity > 0))
            open_profit += ledger.unrealized(book, mark, instrument.multiplier, desk.money_digits)
            gross += to_digits(abs(book.quantity) * mark * instrument.multiplier, desk.money_digits)
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
