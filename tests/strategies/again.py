"""Buys with a stop below, and buys again as soon as the stop has sold."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import BUY, SELL, Bar, Context, Fill, Leg, Requests, Strategy, Submit, Terms


class Entries(Struct):
    """How often it was stopped out."""

    stops: int = 0


class Again(Strategy):
    """Enters at a bar where it has nothing, and at the fill of its own stop."""

    distance: Decimal = Decimal(2)
    most: int = 3  # times in a row that it enters at once

    def start(self) -> Entries:
        """Return that it never was stopped out."""
        return Entries()

    def enter(self, instrument: str, price: Decimal, context: Context) -> Submit:
        """Return an order with a stop, at a multiple of the tick."""
        tick = context.instrument(instrument).tick
        trigger = (price - self.distance) // tick * tick
        size = context.size(instrument)
        assert size is not None
        stop = Leg(SELL, size, Terms(type="stop", trigger=trigger))
        return Submit(instrument, BUY, exits=(stop,))

    def on_bar(self, state: Entries, bar: Bar, context: Context) -> Requests:
        """Enter where it has neither a position nor an order."""
        if not context.holding(bar.instrument) and not context.orders(bar.instrument):
            yield self.enter(bar.instrument, Decimal(repr(bar.close)), context)

    def on_fill(self, state: Entries, fill: Fill, context: Context) -> Requests:
        """Enter again where its stop was filled."""
        if fill.side == SELL:
            state.stops += 1
            if state.stops % self.most:
                yield self.enter(fill.instrument, fill.price, context)
