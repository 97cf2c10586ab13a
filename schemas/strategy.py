"""The base class of strategies, and their requests: `from tapeflow import Strategy, Submit, ..`.

    place of the log ──▶ on_bar, on_fill, on_order, on_refusal, on_timer, on_price
                            (state, event, context) ──▶ requests ──▶ risk ──▶ orders

A strategy is a class in the user's own file; its fields are its settings in the job. Its rules are
in docs/strategies.md. What it sees and may ask is `Context`, in context.py.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Literal

from msgspec import Struct

from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.context import Context
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill, LinkRule, Terms
from tapeflow.schemas.sides import Side
from tapeflow.schemas.signals import Leg, Slicing
from tapeflow.schemas.time import Ns

PriceOf = Literal["trade", "bid", "ask", "mark"]


class Target(Struct, frozen=True, gc=False):
    """A wish for a position: the desk sends an order for what is missing or too much.

    What its own working entries will still fill counts as held. A difference below the lot is none.
    """

    instrument: str
    size: Decimal  # signed, of this strategy's position
    terms: Terms | None = None  # of the order; None: as the job declares
    strength: float = 1.0  # of the signal


class Submit(Struct, frozen=True, gc=False):
    """A wish for an order. What is None is as the job declares it."""

    instrument: str
    side: Side
    size: Decimal | None = None  # floored to the lot
    terms: Terms | None = None
    exits: tuple[Leg, ...] | None = None  # orders that close what this one has filled
    exit_rule: LinkRule = "OUO"
    slicing: Slicing | None = None
    strength: float = 1.0  # of the signal


class Close(Struct, frozen=True, gc=False):
    """A wish to be flat: its orders in the instrument are canceled, its position is closed.

    The closing order only reduces.
    """

    instrument: str
    terms: Terms | None = None  # None: at market
    strength: float = 1.0


class CancelOrder(Struct, frozen=True, gc=False):
    """A wish to cancel an order of its own."""

    order_id: str


class CancelAll(Struct, frozen=True, gc=False):
    """A wish to cancel all its orders in an instrument; without one, in all."""

    instrument: str | None = None


class AmendOrder(Struct, frozen=True, gc=False):
    """A wish to change an order of its own; None leaves a field as it is."""

    order_id: str
    size: Decimal | None = None  # the whole size, with what is filled
    limit: Decimal | None = None
    trigger: Decimal | None = None


class WatchPrice(Struct, frozen=True, gc=False):
    """A wish to be called once, at the first row at or beyond one of two prices.

    It takes the place of its watch of the same name and instrument. Without both prices it ends it.
    """

    instrument: str
    below: float | None = None
    above: float | None = None
    on: PriceOf = "trade"
    name: str = ""


class SetTimer(Struct, frozen=True, gc=False):
    """A wish to be called once, before the records of a log time.

    It takes the place of its timer of the same name. A time that is past is due at once.
    """

    due_ns: Ns | None  # None ends the timer
    name: str = ""


Request = Target | Submit | Close | CancelOrder | CancelAll | AmendOrder | WatchPrice | SetTimer
Requests = Iterable[Request]


class PriceEvent(Struct, frozen=True, gc=False):
    """The row that met a price watch."""

    name: str  # of the watch
    instrument: str
    on: PriceOf
    price: float
    time_ns: Ns  # log time


class TimerEvent(Struct, frozen=True, gc=False):
    """A timer that is due."""

    name: str
    due_ns: Ns
    time_ns: Ns  # log time: later than due_ns where it was set too late


class Strategy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A strategy: a subclass declares its settings as fields and handles events.

        class Pairs(Strategy):
            entry: float = 2.0

            def start(self) -> PairsState: ...
            def on_bar(self, state, bar, context): yield Submit(bar.instrument, BUY)

    `state` is what `start` returned, a msgspec Struct of plain values that the handlers change in
    place: it is all that is kept. A handler yields or returns requests; they are decided at once,
    in their order, and meet later rows only.
    """

    version: ClassVar[int] = 1  # of the state: a state of another version is refused

    def needs(self) -> tuple[str, ...]:
        """Return the bars and features it reads: `bars@1h`, `bars:50@1m`, `rsi:14@1m`.

        Without any `bars` entry `on_bar` is called with the bars of the job's own width.
        """
        return ()

    def start(self) -> Any:
        """Return the state before the first event."""
        return None

    def on_bar(self, state: Any, bar: Bar, context: Context) -> Requests:
        """Handle a bar of an instrument that it trades, at the record that closed it."""
        return ()

    def on_fill(self, state: Any, fill: Fill, context: Context) -> Requests:
        """Handle a fill of its own, after the position has changed."""
        return ()

    def on_order(self, state: Any, event: OrderEvent, context: Context) -> Requests:
        """Handle a step in the life of an order of its own; a fill comes to `on_fill` before."""
        return ()

    def on_refusal(self, state: Any, refusal: Decision, context: Context) -> Requests:
        """Handle the refusal of a request by the risk checks."""
        return ()

    def on_timer(self, state: Any, timer: TimerEvent, context: Context) -> Requests:
        """Handle a timer that it has set."""
        return ()

    def on_price(self, state: Any, event: PriceEvent, context: Context) -> Requests:
        """Handle the row that met a price watch."""
        return ()
