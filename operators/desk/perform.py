"""Carry out what was decided about orders: a report of the desk itself, and a command to the venue.

Place, Release ─▶ SENT           ─▶ PLACE  ─┐
Cancel         ─▶ CANCEL_ASKED   ─▶ CANCEL ─┼─▶ paper venue
Amend          ─▶ AMEND_ASKED    ─▶ AMEND  ─┘
"""

from collections.abc import Iterator

from tapeflow.operators.desk import order_facts
from tapeflow.operators.desk.actions import Action, Amend, Cancel, Place, Release
from tapeflow.operators.desk.life import apply_report
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import Outcome, Working, begin
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Order, Report
from tapeflow.schemas.time import LogPosition

COMMAND_AGE_NS = 2_000_000_000  # a command that is older is not to be sent
OrderFact = Order | OrderEvent | Command


def place_order(
    state: State, settings: DeskSettings, order: Order, position: LogPosition
) -> Iterator[OrderFact]:
    """Add an order that was approved and send it to the venue."""
    working = begin(order)
    state.orders.add(working)
    yield from send(state, settings, working, position)


def hold_order(state: State, order: Order) -> None:
    """Add an order that was approved and waits: for its parent to fill, or to be sliced."""
    state.orders.add(begin(order))


def send(
    state: State, settings: DeskSettings, working: Working, position: LogPosition
) -> Iterator[OrderFact]:
    """Send an order that is HELD to the venue."""
    yield from note(
        state,
        settings,
        working,
        Report(working.order.id, "SENT", position, position[0], source="desk"),
    )
    yield from note_command(state, settings, working, Place(working.order), position)
    state.venue.place(working.order, working.terms, working.size, position)


def note(
    state: State, settings: DeskSettings, working: Working, report: Report
) -> Iterator[OrderEvent]:
    """Apply a report of the desk itself to an order; yield its event."""
    yield from event_of(state, settings, working, apply_report(working, report))


def event_of(
    state: State, settings: DeskSettings, working: Working, outcome: Outcome
) -> Iterator[OrderEvent]:
    """Yield the event of an outcome, where it is one and events are wanted."""
    if settings.order_events and outcome.is_news:
        account = state.accounts[working.order.account]
        yield order_facts.order_event(account.next_event_seq(), working, outcome)


def note_command(
    state: State,
    settings: DeskSettings,
    working: Working,
    action: Place | Release | Cancel | Amend,
    position: LogPosition,
) -> Iterator[Command]:
    """Yield the command of an action, where commands are wanted."""
    if settings.order_events:
        account = state.accounts[working.order.account]
        seq = account.next_command_seq()
        yield order_facts.command(seq, working, action, position[0], COMMAND_AGE_NS)


def perform(
    state: State, settings: DeskSettings, action: Action, position: LogPosition
) -> Iterator[OrderFact]:
    """Carry out an action that was decided at a position; yield the facts of it."""
    raise NotImplementedError
