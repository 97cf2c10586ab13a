"""Hear reports and carry out actions: each changes an order, and by that money and other orders.

Report ─▶ life ─▶ Outcome ─┬─ new fill ─▶ Fill, Position
  ▲                        ├─ news ─────▶ OrderEvent
  │                        ├─ exposure is given back for what will not be filled
  └──── Action ◀── links ──┘
          └─▶ Command, venue
"""

from collections.abc import Iterable, Iterator
from heapq import heappush

from tapeflow.operators.desk import order_facts, perform
from tapeflow.operators.desk.action_reports import reports_of
from tapeflow.operators.desk.actions import Action, Apply, Place, Slice, Timer
from tapeflow.operators.desk.exposure import change_exposure, exposed_size, open_size
from tapeflow.operators.desk.fill_facts import fill_facts
from tapeflow.operators.desk.life import apply_report
from tapeflow.operators.desk.links import follow
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.risk.supervision.notes import note_reject
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE, HELD, Outcome, Working
from tapeflow.schemas.accounts import Decision, Equity, Funding, Position
from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order, Report
from tapeflow.schemas.quality import Metric
from tapeflow.schemas.signals import Signal
from tapeflow.schemas.states import StateChange
from tapeflow.schemas.time import LogPosition

Fact = (
    Signal
    | Decision
    | Order
    | Fill
    | Position
    | Equity
    | Funding
    | OrderEvent
    | Command
    | ControlCommand
    | Metric
    | StateChange
)


def hear_all(
    state: State, settings: DeskSettings, reports: Iterable[Report], now: LogPosition
) -> Iterator[Fact]:
    """Hear the reports of the venue that have come by now; the others are on their way."""
    for report in reports:
        if report.position <= now:
            yield from hear(state, settings, report)
        else:
            state.add_answer(report)


def hear(state: State, settings: DeskSettings, report: Report) -> Iterator[Fact]:
    """Apply a report to its order; yield the facts that follow."""
    state.orders.forget(report.position[0])
    working = state.orders.get(report.order_id)
    assert working is not None, f"a report of order {report.order_id}, which is forgotten"
    exposed, opened = exposed_size(working), open_size(working)
    outcome = apply_report(working, report)
    filled = ZERO
    if outcome.is_new_fill and report.size is not None:
        filled = report.size
        if report.source != "desk":  # there it is the fill of a slice, booked as that
            for fact in fill_facts(state, settings, working, report):
                state.strategies.note(fact)
                yield fact
    change_exposure(state, working, exposed, opened, filled)
    if report.kind == "REJECTED" and settings.supervises:
        note_reject(state, settings, working.order, report.position[0])
    yield from event_of(state, settings, working, outcome)
    if outcome.has_ended:
        state.orders.note_end(working)
    for action in follow(state.orders, working, outcome):
        yield from carry_out(state, settings, action, report.position)


def carry_out(
    state: State, settings: DeskSettings, action: Action, position: LogPosition
) -> Iterator[Fact]:
    """Carry out an action that was decided at a position; yield the facts of it."""
    if isinstance(action, Apply):
        yield from hear(state, settings, action.report)
    elif isinstance(action, Timer):
        heappush(state.slice_timers, (action.due_ns, action.order_id))
    elif isinstance(action, Place):
        order = perform.number_order(state, settings, action, position)
        yield order
        perform.hold_order(state, order)
        yield from request(state, settings, action, position)
    elif action.order_id in state.orders.slices:
        for each in perform.slice_actions(state, action, position):
            yield from carry_out(state, settings, each, position)
    elif not isinstance(action, Slice):
        yield from request(state, settings, action, position)


def request(
    state: State, settings: DeskSettings, action: perform.OrderAction, position: LogPosition
) -> Iterator[Fact]:
    """Request an action of the venue, unless the order is over; yield the facts of it."""
    name = action.order.id if isinstance(action, Place) else action.order_id
    working = state.orders.get(name)
    if working is None:
        return
    was_held = working.phase == HELD
    reports = reports_of(action, working, position)
    for report in reports:
        yield from hear(state, settings, report)
    if reports and working.phase != DONE and not (was_held and working.phase == HELD):
        yield from perform.tell_venue(state, settings, working, action, position)


def event_of(
    state: State, settings: DeskSettings, working: Working, outcome: Outcome
) -> Iterator[OrderEvent]:
    """Yield the event of an outcome, where it is news and events are wanted.

    A strategy that handles events is called with it in any case.
    """
    order = working.order
    if not outcome.is_news:
        return
    if settings.order_events:
        event = order_facts.order_event(
            state.accounts[order.account].next_event_seq(), working, outcome
        )
        state.strategies.note(event)
        yield event
    elif state.strategies.listens(order.strategy, "on_order"):
        state.strategies.note(order_facts.order_event(0, working, outcome))
