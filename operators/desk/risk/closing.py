"""Close all of a scope: cancel, wait for the ends, close what is held, again until it is flat.

    cancel all ─▶ wait ─▶ flat? ─▶ FLAT
                   ▲        └─▶ reduce-only market orders, none above the largest of the venue ─┐
                   └────────────────────────────────────────────────────────────────────────────┘

The orders are of the strategy that holds the position, so that it stays attributed; their
`signal_id` is that of the change that began it. They pass the same checks and can enlarge nothing:
the venue clips each of their fills. Ids derive from scope, change, round and position.
"""

from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk.actions import Cancel
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.risk.closing_order import OF_STATES, Owner, close_position
from tapeflow.operators.desk.risk.scopes import holds, holds_owner
from tapeflow.operators.desk.risk.trading_states import Closing
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.states import Cause, StateChange

RETRY_NS = 1_000_000_000
ROUNDS_MAX = 20  # after so many it is said that it does not come to an end


def change_fact(
    state: State, scope: str, cause: Cause, *, before: str, event: str, detail: str = ""
) -> StateChange:
    """Return the fact of a change of a scope, at the place that is processed."""
    log_ns, partition, offset = state.now
    return StateChange(
        seq=state.risk.trading.next_seq(),
        scope=scope,
        time_ns=log_ns,
        partition=partition,
        offset=offset,
        before=before,
        state=state.risk.trading.of(scope),
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
    if scope not in state.risk.trading.closings:
        state.risk.trading.closings[scope] = Closing(scope, number, cause)
    yield from go_on_closing(state, settings)


def go_on_closing(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Do what can be done now for each scope that is being closed; yield the facts."""
    for closing in [*state.risk.trading.closings.values()]:
        closing.retry_ns = None
        yield from cancel_others(state, settings, closing)
        if any(of_scope(state, settings, closing)):
            continue
        held = [*holdings(state, settings, closing.scope)]
        if not held:
            del state.risk.trading.closings[closing.scope]
            own = state.risk.trading.of(closing.scope)
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
        own = state.risk.trading.of(closing.scope)
        yield change_fact(
            state, closing.scope, closing.cause, before=own, event="STUCK", detail=why
        )


def cancel_others(state: State, settings: DeskSettings, closing: Closing) -> Iterator[Fact]:
    """Cancel the orders of a scope that are not its own closing ones."""
    for working in of_scope(state, settings, closing):
        if working.pending != "CANCEL" and not working.order.signal_id.startswith(OF_STATES):
            yield from carry_out(state, settings, Cancel(working.order.id, "RISK"), state.now)


def of_scope(state: State, settings: DeskSettings, closing: Closing) -> list[Working]:
    """Return the orders of a scope that are not over; slices go with their order."""
    return [
        working
        for working in state.orders.all_living()
        if working.order.role != "child" and holds(settings, closing.scope, working.order)
    ]


def holdings(state: State, settings: DeskSettings, scope: str) -> Iterator[tuple[Owner, Decimal]]:
    """Yield what is held in a scope, of a lot at least: less than that cannot be sold."""
    for account in state.accounts.values():
        for strategy, sums in sorted(account.money.books.sums.items()):
            for instrument, position in sorted(sums.open.items()):
                owner = (account.name, strategy, instrument)
                row = settings.instruments.get(instrument)
                if holds_owner(settings, scope, owner) and abs(position.quantity) >= row.lot:
                    yield owner, position.quantity
