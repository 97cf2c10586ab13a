"""Arbitrage: buys where it is cheap and sells where it is dear, beyond what both trades cost.

Source: I. Makarov, A. Schoar, "Trading and arbitrage in cryptocurrency markets", Journal of
Financial Economics 135 (2020).
Loses where one leg is filled and the other is gone; where `cost_bps` leaves out a fee, or the
premium of one currency over the other (USDT is not USD); and where the dear side stays dear.
"""

from tapeflow import (
    BUY, SELL, Bar, Context, Ns, PriceEvent, Requests, Strategy, Submit, Terms, WatchPrice,
)  # fmt: skip


class Arbitrage(Strategy, frozen=True):
    """Takes from two quotes at once where they are crossed across venues; both orders are IOC."""

    cost_bps: float = 20.0  # both fees, and what must be left
    most: int = 3  # sizes that it holds of each instrument, long or short
    quote_age: Ns = 1_000_000_000  # an older quote is none

    def on_bar(self, state: None, bar: Bar, context: Context) -> Requests:
        """Look at the quotes, and set the price watches anew."""
        return self.look(context)

    def on_price(self, state: None, event: PriceEvent, context: Context) -> Requests:
        """Look at the quotes: one has come to where it was worth it."""
        return self.look(context)

    def look(self, context: Context) -> Requests:
        """Trade the best crossed pair, or wait for a price at which one would be."""
        fresh = [name for name in context.instruments if self.is_fresh(name, context)]
        bids = {name: bid for name in fresh if (bid := context.bid(name))}
        asks = {name: ask for name in fresh if (ask := context.ask(name))}
        if not bids or not asks or context.orders():
            return
        dear, cheap = max(bids, key=bids.__getitem__), min(asks, key=asks.__getitem__)
        edge = 1 + self.cost_bps / 1e4
        sizes = [each for each in (context.size(cheap), context.size(dear)) if each]
        if bids[dear] > asks[cheap] * edge and len(sizes) == 2:
            room = self.most * min(sizes)
            if context.holding(cheap) < room and context.holding(dear) > -room:
                for name, side, price in ((cheap, BUY, asks[cheap]), (dear, SELL, bids[dear])):
                    limit = context.instrument(name).round_price(price)
                    terms = Terms(type="limit", limit=limit, tif="IOC")
                    yield Submit(name, side, min(sizes), terms, strength=bids[dear] / asks[cheap])
            return
        for name in context.instruments:
            yield WatchPrice(name, below=bids[dear] / edge, on="ask", name="cheap")
            yield WatchPrice(name, above=asks[cheap] * edge, on="bid", name="dear")

    def is_fresh(self, name: str, context: Context) -> bool:
        """Return whether an instrument has a quote that is young enough."""
        age_ns = context.quote_age_ns(name)
        return age_ns is not None and age_ns <= self.quote_age and context.mid(name) is not None
