"""Close all of a scope, or what is above a limit of it: cancel, wait, close, again until done.

    cancel ─▶ wait for the ends ─▶ anything left? ─ no ─▶ FLAT, or REDUCED
                 ▲                       └─▶ reduce-only market orders, of the venue's largest ─┐
                 └──────────────────────────────────────────────────────────────────────────────┘

All orders of the scope are canceled, or where it is only reduced those that may enlarge it.

The orders are of the strategy that holds the position, so that it stays attributed; their
`signal_id` is that of the change that began it. They pass the same checks and can enlarge nothing:
the venue clips each of their fills. Ids derive from scope, change, round and position.
"""

from collections.abc import Iterator

from tapeflow.operators.desk.actions import Cancel
from tapeflow.operators.desk.exposure import exposed_size
from tapeflow.operators.desk.hear import Fact, carry_out
from tapeflow.operators.desk.risk.closing_order import OF_STATES, close_position
from tapeflow.operators.desk.risk.held import positions_in
from tapeflow.operators.desk.risk.reducing import find_excess
from tapeflow.operators.desk.risk.scopes import holds
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
    state: State,
    settings: DeskSettings,
    scope: str,
    number: int,
    cause: Cause,
    *,
    to_limit: bool = False,
) -> Iterator[Fact]:
    """Begin to close a scope, or what is above a limit; one that is being closed goes on so."""
    before = state.risk.trading.closings.get(scope)
    if before is None or (before.to_limit and not to_limit):
        state.risk.trading.closings[scope] = Closing(scope, number, cause, to_limit)
    yield from go_on_closing(state, settings)


def go_on_closing(state: State, settings: DeskSettings) -> Iterator[Fact]:
    """Do what can be done now for each scope that is being closed; yield the facts."""
    for closing in [*state.risk.trading.closings.values()]:
        closing.retry_ns = None
        yield from cancel_others(state, settings, closing)
        if any(of_scope(state, settings, closing)):
            continue
        if closing.to_limit:
            left = find_excess(state, settings, closing)
        else:
            left = [*positions_in(state, settings, closing.scope)]
        if not left:
            del state.risk.trading.closings[closing.scope]
            state.risk.supervision.is_due = True
            yield end_fact(state, settings, closing)
            continue
        closing.round += 1
        reasons = [f"{closing.round} rounds"] if closing.round > ROUNDS_MAX else []
        for owner, units in left:
            reasons += yield from close_position(state, settings, closing, owner, units)
        if reasons:
            yield from note_stuck(state, closing, "; ".join(reasons))
        closing.retry_ns = max(state.now[0], 0) + RETRY_NS


def end_fact(state: State, settings: DeskSettings, closing: Closing) -> StateChange:
    """Return the fact that a closing has come to its end."""
    own, event = state.risk.trading.of(closing.scope), "REDUCED" if closing.to_limit else "FLAT"
    dust = dust_of(state, settings, closing)
    return change_fact(state, closing.scope, closing.cause, before=own, event=event, detail=dust)


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
        if working.pending != "CANCEL" and not is_closing_order(working):
            yield from carry_out(state, settings, Cancel(working.order.id, "RISK"), state.now)


def of_scope(state: State, settings: DeskSettings, closing: Closing) -> list[Working]:
    """Return the orders of a scope that are waited for; slices go with their order."""
    return [
        working
        for working in state.orders.all_living()
        if working.order.role != "child" and holds(settings, closing.scope, working.order)
        if not closing.to_limit or exposed_size(working) or is_closing_order(working)
    ]


def is_closing_order(working: Working) -> bool:
    """Return whether an order is one that closes for the sake of risk, of any scope."""
    return working.order.signal_id.startswith(OF_STATES)


def dust_of(state: State, settings: DeskSettings, closing: Closing) -> str:
    """Return what is left of a scope that is flat: less than a lot each, which nobody buys."""
    if closing.to_limit:
        return ""
    dust = positions_in(state, settings, closing.scope, dust=True)
    found = [f"{units.normalize():f} {owner[2]} of {owner[1]}" for owner, units in dust]
    return f"below a lot: {', '.join(found)}" if found else ""
