"""Hear reports: each changes its order, and by that money, exposure and other orders.

Report ─▶ life ─▶ Outcome ─┬─ new fill ─▶ Fill, Position
                           ├─ news ─────▶ OrderEvent
                           ├─ exposure is given back for what will not be filled
                           └─ links ────▶ actions: release, cancel, amend other orders
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import heappush

from tapeflow.operators.desk import perform
from tapeflow.operators.desk.booking import book_fill
from tapeflow.operators.desk.life import apply_report
from tapeflow.operators.desk.links import follow
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import DONE, Working
from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order, Report
from tapeflow.schemas.time import LogPosition

Fact = Decision | Order | Fill | Position | Equity | OrderEvent | Command


def hear_all(
    state: State, settings: DeskSettings, reports: Iterable[Report], now: LogPosition
) -> Iterator[Fact]:
    """Hear the reports of the venue that have come by now; the others are on their way."""
    for report in reports:
        if report.position <= now:
            yield from hear(state, settings, report)
        else:
            state.answer_number += 1
            heappush(state.answers, (report.position[0], state.answer_number, report))


def hear(state: State, settings: DeskSettings, report: Report) -> Iterator[Fact]:
    """Apply a report to its order; yield the facts that follow."""
    working = state.orders.get(report.order_id)
    before = exposed_size(working)
    outcome = apply_report(working, report)
    filled = ZERO
    if outcome.is_new_fill:
        assert report.size is not None
        filled = report.size
        if report.source != "desk":  # there it is the fill of a slice, booked as that
            yield from book_fill(state, settings, working, report)
    change_exposure(state, working, exposed_size(working) - before + filled)
    yield from perform.event_of(state, settings, working, outcome)
    for action in follow(state.orders, working, outcome):
        yield from perform.perform(state, settings, action, report.position)


def exposed_size(working: Working) -> Decimal:
    """Return what an order may still add to a position: none where it only reduces.

    A slice counts with the order that it is of.
    """
    order = working.order
    if working.phase == DONE or order.role != "entry" or working.terms.reduce_only:
        return ZERO
    return max(working.size, working.target) - working.filled


def change_exposure(state: State, working: Working, size: Decimal) -> None:
    """Change what an account is approved for by a size of an order, in its direction."""
    order = working.order
    if size and order.role != "child":
        state.accounts[order.account].approved.change(order.instrument, order.side * size)
