"""A strategy that asks for everything there is, as a script says, and writes down what it sees.

script  17 203 5 ..    each call takes some bytes: requests, until they are used up
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from tapeflow import (
    BUY,
    SELL,
    AmendOrder,
    Bar,
    CancelAll,
    CancelOrder,
    Close,
    Context,
    Leg,
    Request,
    Requests,
    SetTimer,
    Side,
    Slicing,
    Strategy,
    Submit,
    Target,
    Terms,
    WatchPrice,
)

MS, S = 1_000_000, 1_000_000_000
WAITS = (-1 * S, 0, 1 * MS, 300 * MS, 1 * S, 3 * S)
MOVES = ("-3", "-0.5", "0", "0.5", "3", "7")
SIZES = ("0.5", "1", "1.3", "2", "0.2", "4")
PRICES = ("trade", "bid", "ask", "mark")


class Call(Struct):
    """One call: what it saw, and what of it comes back later."""

    handler: str
    place: tuple[int, str, int] = (0, "", 0)
    event: str = ""
    market: dict[str, str] = field(default_factory=dict)  # as the context says, by instrument
    holdings: dict[str, Decimal] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)  # ids of what is open
    equity: Decimal | None = None
    watches: list[WatchPrice] = field(default_factory=list)  # that it asked for
    timers: list[SetTimer] = field(default_factory=list)
    sizes: dict[str, Decimal | None] = field(default_factory=dict)
    bar: tuple[str, int, int] | None = None  # instrument, open, close
    fill: tuple[str, Decimal] | None = None  # instrument, signed size
    step: tuple[str, str] | None = None  # order, phase
    waited: tuple[str, str, float] | None = None  # watch: instrument, name, price
    timer: tuple[str, int, int] | None = None  # name, due, now


class Seen(Struct):
    """How far the script is, and all calls."""

    at: int = 0
    calls: list[Call] = field(default_factory=list)


class Witness(Strategy):
    """Asks for what the bytes of its script say."""

    script: bytes = b""
    watched: tuple[str, ...] = ()  # instruments of which it writes down the market
    reads: tuple[str, ...] = ()

    def needs(self) -> tuple[str, ...]:
        """Return what its row says."""
        return self.reads

    def start(self) -> Seen:
        """Return that nothing was seen."""
        return Seen()

    def on_bar(self, state: Seen, bar: Bar, context: Context) -> Requests:
        """Write a bar down."""
        of = (bar.instrument, bar.open_ns, bar.close_ns)
        return self.answer(state, Call("on_bar", bar=of), bar, context)

    def on_fill(self, state: Seen, fill: Any, context: Context) -> Requests:
        """Write a fill down."""
        of = (fill.instrument, fill.side * fill.size)
        return self.answer(state, Call("on_fill", fill=of), fill, context)

    def on_order(self, state: Seen, event: Any, context: Context) -> Requests:
        """Write a step of an order down."""
        return self.answer(
            state, Call("on_order", step=(event.order_id, event.phase)), event, context
        )

    def on_refusal(self, state: Seen, refusal: Any, context: Context) -> Requests:
        """Write a refusal down."""
        return self.answer(state, Call("on_refusal"), refusal, context)

    def on_timer(self, state: Seen, timer: Any, context: Context) -> Requests:
        """Write a timer down."""
        of = (timer.name, timer.due_ns, timer.time_ns)
        return self.answer(state, Call("on_timer", timer=of), timer, context)

    def on_price(self, state: Seen, event: Any, context: Context) -> Requests:
        """Write a price down."""
        of = (event.instrument, event.name, event.price)
        return self.answer(state, Call("on_price", waited=of), event, context)

    def answer(self, state: Seen, call: Call, event: Any, context: Context) -> Iterator[Request]:
        """Write down what is seen, then ask for what the script says."""
        call.place, call.event, call.equity = context.position, repr(event), context.equity()
        call.market = {each: self.market_of(context, each) for each in self.watched}
        call.holdings = {each: context.holding(each) for each in context.instruments}
        call.sizes = {each: context.size(each) for each in context.instruments}
        call.orders = [each.id for each in context.orders()]
        state.calls.append(call)
        for _ in range(self.take(state) % 4 - 1):
            request = self.request(state, context)
            if isinstance(request, WatchPrice):
                call.watches.append(request)
            elif isinstance(request, SetTimer):
                call.timers.append(request)
            yield request

    def market_of(self, context: Context, name: str) -> str:
        """Return what the context says of the market of an instrument."""
        kinds = {each.partition("@")[2] for each in self.reads if each.startswith("bars:")}
        closes = [context.bars(name, kind).close.tolist() for kind in sorted(kinds)]
        features = [
            context.feature(each, name) for each in self.reads if not each.startswith("bars:")
        ]
        return repr((
            context.last(name), context.bid(name), context.ask(name), context.mid(name),
            context.bid_size(name), context.ask_size(name), context.mark(name),
            context.age_ns(name), closes, features,
        ))  # fmt: skip

    def take(self, state: Seen) -> int:
        """Return the next byte of the script; 0 where it is used up."""
        state.at += 1
        return self.script[state.at - 1] if state.at <= len(self.script) else 0

    def request(self, state: Seen, context: Context) -> Request:
        """Return a request of the next bytes."""
        kind, choice, more = self.take(state) % 16, self.take(state), self.take(state)
        name = context.instruments[choice % len(context.instruments)]
        if kind < 7:
            return self.order(context, name, kind, choice, more)
        if kind < 11:
            return self.change(context, name, kind, choice, more)
        if kind < 13:
            return self.watch(context, name, choice, more)
        if kind < 15:
            due_ns = context.time_ns + WAITS[choice % 6] if more % 8 else None
            return SetTimer(due_ns, "ab"[more // 8 % 2])
        return Submit(self.watched[-1] if self.watched else name, BUY, Decimal(1))

    def order(self, context: Context, name: str, kind: int, choice: int, more: int) -> Request:
        """Return a wish for an order or a position."""
        side, size = (BUY if more % 2 else SELL), Decimal(SIZES[more // 2 % 6])
        price = self.price(context, name, more)
        if kind < 2:
            return Submit(name, side, size)
        if kind == 2:
            return self.submit(context, name, side, price, choice // 4)
        if kind == 3:
            stop, take = (max(Decimal(-side * move) + price, Decimal(1)) for move in (3, -3))
            exits = (
                Leg(-side, size, Terms(type="stop", trigger=stop)),
                Leg(-side, size, Terms(type="limit", limit=take)),
            )
            return Submit(name, side, exits=exits, exit_rule=("OUO", "OCO")[more // 16 % 2])
        return Close(name) if kind == 6 else Target(name, side * size)

    def watch(self, context: Context, name: str, choice: int, more: int) -> WatchPrice:
        """Return a price watch near the last price."""
        near = context.last(name) or 100.0
        bounds = ((near - 1.0, near + 1.0), (near - 3, None), (None, near), (None, None))
        below, above = bounds[more % 4]
        watched = (*self.watched, name)[more // 4 % (len(self.watched) + 1)]
        return WatchPrice(watched, below, above, PRICES[choice // 4 % 4], "ab"[more % 2])

    def price(self, context: Context, name: str, more: int) -> Decimal:
        """Return a price near the last one, a multiple of the tick."""
        tick = context.instrument(name).tick
        near = Decimal(repr(context.last(name) or 100.0)) + Decimal(MOVES[more % 6])
        return near // tick * tick

    def submit(self, context: Context, name: str, side: Side, price: Decimal, how: int) -> Submit:
        """Return an order that is not at market, or one in slices."""
        match how % 6:
            case 0:
                terms = Terms(type="limit", limit=price)
            case 1:
                expire_ns = context.time_ns + 2 * S
                terms = Terms(type="limit", limit=price, tif="GTD", expire_ns=expire_ns)
            case 2:
                terms = Terms(type="limit", limit=price, post_only=True)
            case 3:
                terms = Terms(type="stop", trigger=price)
            case 4:
                terms = Terms(type="trailing", trail=Decimal("0.5"))
            case _:
                slices = Slicing("twap", count=2, every_ns=S)
                return Submit(name, side, Decimal(2), slicing=slices)
        return Submit(name, side, terms=terms)

    def change(self, context: Context, name: str, kind: int, choice: int, more: int) -> Request:
        """Return a wish to change an order of its own, or of nobody."""
        if kind == 10:
            return CancelAll((None, name)[more % 2])
        orders = context.orders()
        if not orders:
            return CancelOrder("nobody's")
        order = orders[choice % len(orders)]
        if kind == 7:
            return CancelOrder(order.id)
        size = (None, order.size + 1, Decimal("0.5"))[more % 3]
        limit = None if order.limit is None else order.limit + Decimal("0.5")
        return AmendOrder(order.id, size=size, limit=limit)
