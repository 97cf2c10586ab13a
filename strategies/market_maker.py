"""Market making: quotes both sides of the mid, moved against what it holds.

Source: M. Avellaneda, S. Stoikov, "High-frequency trading in a limit order book", Quantitative
Finance 8 (2008): a reservation price that falls with the inventory, and a spread around it.
Loses where those who trade with it know more: it buys before falls and sells before rises, and
holds the rest. Latency makes that worse; `[paper] model = "touch"` tells the most of it.
"""

from tapeflow import (
    BUY, SELL, AmendOrder, Bar, CancelOrder, Context, Fill, PriceEvent, Requests, Side, Strategy,
    Submit, Terms, WatchPrice,
)  # fmt: skip


class MarketMaker(Strategy, frozen=True):
    """Keeps one order at each side, at most `most` sizes of inventory either way."""

    half_spread_bps: float = 5.0  # from the reservation price to a quote
    skew_bps: float = 2.0  # of the reservation price, for each size that it holds
    most: int = 5  # sizes that it holds, long or short
    move_bps: float = 1.0  # it quotes anew where the bid has moved so far since the last time

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        """Quote anew."""
        return self.quote(bar.instrument, context)

    def on_fill(self, state: None, fill: Fill, context: Context) -> Requests:
        """Quote anew: its inventory has changed."""
        return self.quote(fill.instrument, context)

    def on_price(self, state: None, event: PriceEvent, context: Context) -> Requests:
        """Quote anew: the market has moved."""
        return self.quote(event.instrument, context)

    def quote(self, name: str, context: Context) -> Requests:
        """Ask for one order at each side, or none where the inventory is full."""
        bid, ask, size = context.bid(name), context.ask(name), context.size(name)
        if bid is None or ask is None or not size:
            return
        move, tick = self.move_bps / 1e4, float(context.instrument(name).tick)
        yield WatchPrice(name, below=bid * (1 - move), above=bid * (1 + move), on="bid")
        held = float(context.holding(name) / size)
        center = (bid + ask) / 2 * (1 - held * self.skew_bps / 1e4)
        sides: tuple[Side, Side] = (BUY, SELL)
        for side in sides:
            price = center * (1 - side * self.half_spread_bps / 1e4)
            price = min(price, ask - tick) if side == BUY else max(price, bid + tick)
            limit = context.instrument(name).round_price(price)
            working = [each for each in context.orders(name) if each.side == side]
            if held * side + 1 > self.most:
                yield from (CancelOrder(each.id) for each in working if not each.pending)
            elif not working:
                yield Submit(name, side, size, Terms(type="limit", limit=limit, post_only=True))
            elif not working[0].pending and working[0].limit != limit:
                yield AmendOrder(working[0].id, limit=limit)
