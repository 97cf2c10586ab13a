"""Close all of a scope: cancel, wait for the ends, close what is held, again until it is flat.

    cancel all ─▶ wait ─▶ flat? ─▶ FLAT
                   ▲        └─▶ reduce-only market orders, none above the largest of the venue ─┐
                   └────────────────────────────────────────────────────────────────────────────┘

The orders are of the strategy that holds the position, so that it stays attributed; their
`signal_id` is that of the change that began it. They pass the same checks and can enlarge nothing:
the venue clips each of their fills. Ids derive from scope, change, round and position.
"""

from collections.abc import Generator, Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeflow.operators.desk.actions import Cancel, Release
from tapeflow.operators.desk.equity import exact_mark
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.perform import hold_order
from tapeflow.operators.desk.risk.findings import describe, encode_findings
from tapeflow.operators.desk.risk.run import run_checks
from tapeflow.operators.desk.risk.scopes import holds, holds_owner
from tapeflow.operators.desk.risk.trading_states import Closing
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.decimals import clamp_for_table
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, Terms, terms_fields
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.states import Cause, StateChange

RETRY_NS = 1_000_000_000
ROUNDS_MAX = 20  # after so many it is said that it does not come to an end
TO_CLOSE = Terms(reduce_only=True)


def change_fact(
    state: State, scope: str, cause: Cause, *, before: str, event: str, detail: str = ""
) -> StateChange:
    """Return the fact of a change of a scope, at the place that is processed."""
    log_ns, partition, offset = state.now
    return StateChange(
        seq=state.trading.next_seq(),
        scope=scope,
        time_ns=log_ns,
        partition=partition,
        offset=offset,
        before=before,
        state=state.trading.of(scope),
        event=event,
        cause=cause.kind,
        rule=cause.rule,
        by=cause.by,
        observed=cause.observed,
        limit=cause.limit,
        detail=detail,
    )


def begin_closing(
    state: State, settings: DeskSettings, scope: str, number: int, cause: Cause
) -> Iterator[Fact]:
    """Begin to close a scope; one that is being closed goes on as it is."""
    if scope not in state.trading.closings:
        state.trading.closings[scope] = Closing(scope, number, cause)
    yield from go_on_closing(state, settings)


def go_on_closing(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Do what can be done now for each scope that is being closed; yield the facts."""
    for closing in [*state.trading.closings.values()]:
        closing.retry_ns = None
        yield from cancel_others(state, settings, closing)
        if any(of_scope(state, settings, closing)):
            continue
        held = [*holdings(state, settings, closing.scope)]
        if not held:
            del state.trading.closings[closing.scope]
            own = state.trading.of(closing.scope)
            yield change_fact(state, closing.scope, closing.cause, before=own, event="FLAT")
            continue
        closing.round += 1
        reasons = [f"{closing.round} rounds"] if closing.round > ROUNDS_MAX else []
        for owner, units in held:
            reasons += yield from close_position(state, settings, closing, owner, units)
        if reasons:
            yield from note_stuck(state, closing, "; ".join(reasons))
        closing.retry_ns = max(state.now[0], 0) + RETRY_NS


def note_stuck(state: State, closing: Closing, why: str) -> Iterator[StateChange]:
    """Yield the fact that something cannot be closed now; once for each reason."""
    if why.partition(" rounds")[0].isdigit():
        why = f"more than {ROUNDS_MAX} rounds{why.partition(' rounds')[2]}"
    if why != closing.stuck:
        closing.stuck = why
        own = state.trading.of(closing.scope)
        yield change_fact(
            state, closing.scope, closing.cause, before=own, event="STUCK", detail=why
        )


def cancel_others(state: State, settings: DeskSettings, closing: Closing) -> Iterator[Fact]:
    """Cancel the orders of a scope that are not its own closing ones."""
    for working in of_scope(state, settings, closing):
        if working.pending != "CANCEL" and working.order.signal_id != cause_id(closing):
            yield from carry_out(state, settings, Cancel(working.order.id, "RISK"), state.now)


def of_scope(state: State, settings: DeskSettings, closing: Closing) -> list[Working]:
    """Return the orders of a scope that are not over; slices go with their order."""
    return [
        working
        for orders in state.orders.living.values()
        for working in orders.values()
        if working.order.role != "child" and holds(settings, closing.scope, working.order)
    ]


Owner = tuple[str, str, str]  # account, strategy, instrument


def holdings(state: State, settings: DeskSettings, scope: str) -> Iterator[tuple[Owner, Decimal]]:
    """Yield what is held in a scope, of a lot at least: less than that cannot be sold."""
    for account in state.accounts.values():
        for strategy, sums in sorted(account.money.books.sums.items()):
            for instrument, position in sorted(sums.open.items()):
                owner = (account.name, strategy, instrument)
                row = settings.instruments.get(instrument)
                if holds_owner(settings, scope, owner) and abs(position.quantity) >= row.lot:
                    yield owner, position.quantity


def close_position(
    state: State, settings: DeskSettings, closing: Closing, owner: Owner, units: Decimal
) -> Generator[Fact, None, list[str]]:
    """Send an order that closes a position, or as much as the venue takes at once.

    Returns why it cannot be closed now, as a list of at most one reason.
    """
    account, strategy, instrument = owner
    row = settings.instruments.get(instrument)
    number = settings.instruments.number[instrument]
    price = state.merge.marks.closing_price(number, long=units > 0).price
    if not price > 0:
        return [f"no price of {instrument} is known"]
    size = row.floor_size(abs(units))
    size = size if row.max_size is None else min(size, row.floor_size(row.max_size))
    log_ns, partition, offset = state.now
    name = derive_id("risk", closing.scope, closing.number, closing.round, *owner)
    order = Order(
        seq=0,
        id=name,
        signal_id=cause_id(closing),
        account=account,
        strategy=strategy,
        instrument=instrument,
        side=SELL if units > 0 else BUY,
        size=size,
        ref_price=clamp_for_table(exact_mark(state.merge.marks, number, long=units > 0)[0]),
        time_ns=log_ns,
        active_ns=log_ns + settings.paper.latency_ns(name, "entry"),
        partition=partition,
        offset=offset,
        **terms_fields(TO_CLOSE),
    )
    checked = run_checks(state, settings, order, price, may_be_cut=False, corrective=True)
    refusal, holder = checked.refusal, state.accounts[account]
    yield Decision(
        seq=holder.next_seq(),
        order_id=order.id,
        signal_id=order.signal_id,
        account=account,
        strategy=strategy,
        instrument=instrument,
        time_ns=log_ns,
        side=order.side,
        size=size,
        ref_price=order.ref_price,
        close_ns=log_ns,
        decision="APPROVED" if refusal is None else "DENIED",
        reason="" if refusal is None else refusal.code,
        detail="" if refusal is None else describe(refusal),
        checks=encode_findings(checked.findings),
    )
    if refusal is not None:
        return [f"{instrument}: {describe(refusal)}"]
    numbered = replace(order, seq=holder.next_seq())
    yield numbered
    hold_order(state, numbered)
    yield from carry_out(state, settings, Release(order.id, size), state.now)
    return []


def cause_id(closing: Closing) -> str:
    """Return the `signal_id` of the orders that close a scope.

    >>> cause_id(Closing("portfolio", 7, Cause("rule", "DRAWDOWN")))
    'states/7'
    """
    return f"states/{closing.number}"
