"""Carry out actions on orders: new orders are numbered, the venue is told, slices go on.

Place, Release ─▶ PLACE  ─┐
Cancel         ─▶ CANCEL ─┼─▶ paper venue
Amend          ─▶ AMEND  ─┘
"""

from collections.abc import Iterator

from msgspec.structs import replace

from tapeflow.operators.desk import order_facts, slices
from tapeflow.operators.desk.actions import Action, Amend, Cancel, Place, Release, Slice
from tapeflow.operators.desk.exposure import exposed_size
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE, Working, begin
from tapeflow.schemas.order_events import Command
from tapeflow.schemas.orders import Order, Terms
from tapeflow.schemas.sides import SELL
from tapeflow.schemas.time import LogPosition

COMMAND_AGE_NS = 2_000_000_000  # a command that is older is not to be sent
OrderAction = Place | Release | Cancel | Amend


def number_order(
    state: State, settings: DeskSettings, action: Place, position: LogPosition
) -> Order:
    """Return the order of a Place with its number, and when it reaches the venue."""
    order = action.order
    active_ns = position[0] + settings.paper.latency_ns(order.id, "entry")
    return replace(order, seq=state.accounts[order.account].next_seq(), active_ns=active_ns)


def tell_venue(
    state: State,
    settings: DeskSettings,
    working: Working,
    action: OrderAction,
    position: LogPosition,
) -> Iterator[Command]:
    """Tell the paper venue; yield the command, where commands are wanted."""
    if settings.order_events:
        seq = state.accounts[working.order.account].next_command_seq()
        yield order_facts.command(seq, working, action, position[0], COMMAND_AGE_NS)
    if isinstance(action, Cancel):
        state.venue.cancel(working.order.id, position, action.reason)
    elif isinstance(action, Amend):
        change = {"size": action.size, "limit": action.limit, "trigger": action.trigger}
        state.venue.amend(working.order.id, position, **change)
    else:
        terms = terms_at_venue(settings, working)
        state.venue.place(working.order, terms, working.size, position)


def terms_at_venue(settings: DeskSettings, working: Working) -> Terms:
    """Return the terms that the paper venue has: it sells no spot that is not there.

    An exit and a sale of its own may both be at work; who comes second finds the rest.
    """
    order = working.order
    is_spot = settings.instruments.get(order.instrument).is_spot
    if settings.risk.counting == "net" or order.side != SELL or not is_spot:
        return working.terms
    return replace(working.terms, reduce_only=True)


def hold_order(state: State, order: Order) -> Working:
    """Add an order that was approved: it waits for its parent, or to be sent."""
    working = state.orders.add(begin(order))
    state.risk.open_sizes.add(order, exposed_size(working))
    return working


def slice_actions(
    state: State, action: Release | Cancel | Amend | Slice, position: LogPosition
) -> list[Action]:
    """Return what an action means for an order in slices, which no venue knows."""
    orders = state.orders
    if isinstance(action, Slice):
        return slices.go_on(orders, action.order_id, position)
    parent = orders.get(action.order_id)
    if parent is None or parent.phase == DONE:
        return []
    if isinstance(action, Cancel):
        return slices.cancel(orders, parent, action.reason, position)
    assert isinstance(action, Amend), "an order in slices is never sent"
    return slices.amend(orders, parent, action, position)
