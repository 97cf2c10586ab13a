"""Methods of its own, named nearly as handlers are; and a base class that handles nothing."""

from tapeflow import BUY, Bar, Close, Context, Requests, Strategy, Submit


class Sized(Strategy):
    """What its strategies have in common."""

    most: int = 2


class Helped(Sized):
    """Calls methods of its own."""

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        return (
            self.on_crossing(bar, context) if bar.close > bar.open else self.restart(bar, context)
        )

    def on_crossing(self, bar: Bar, context: Context) -> Requests:
        if context.holding(bar.instrument) < self.most and not context.orders(bar.instrument):
            yield Submit(bar.instrument, BUY)

    def restart(self, bar: Bar, context: Context) -> Requests:
        return [Close(bar.instrument)] if context.holding(bar.instrument) else []
