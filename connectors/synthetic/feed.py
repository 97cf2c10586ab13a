"""The feed of one instrument at one venue: quotes and trades that follow a latent price.

    latent price --lag, basis, spread--> best bid and ask --taking orders--> trades
                                                 |                             |
                                                 +--latency--> frames <-latency+

Everything but the latent price is whole ticks, lots and microseconds: no digit depends on a
machine's arithmetic.
"""

from math import sqrt

import numpy as np

from tapeflow.connectors.synthetic.listings import (
    FIRST_ID,
    Frames,
    Listing,
    Rng,
    SynthTrades,
    TopOfBook,
)
from tapeflow.connectors.synthetic.prices import CELL_US, CELLS, MEMORY, LatentPrice
from tapeflow.schemas.columns import Floats, Ints

# Counts are exponentials rounded down: their scale, and their mean 1 / (e^(1 / scale) - 1).
FOLLOWERS_SCALE, FOLLOWERS_MEAN = 0.7, 0.3152  # taking orders that follow another in a burst
FURTHER_TRADES_SCALE, TRADES_MEAN = 1.2, 1.7685  # of a taking order; the mean with the first one
DEEPER_SHARE = 0.35  # of the further trades of a sweep: those at a next price
STALL_SHARE = 1 / 3000  # of events: those that wait for a hanging connection, with all after them
LATE_SHARE = 4e-4  # of trades: those that reach the log a second or two too late


class Feed:
    """The quotes and trades of one instrument at one venue, block by block."""

    def __init__(self, listing: Listing, market_rate: float, rng: Rng) -> None:
        """Begin a feed with its share of `market_rate`, which counts all records in a second."""
        self.listing, self.rng = listing, rng
        venue, coin = listing.venue, listing.coin
        rate = market_rate * venue.share * coin.share
        if venue.quote_share:  # one quote after each sweep, the rest of them at any time
            self.sweep_rate = rate * (1 - venue.quote_share) / TRADES_MEAN
            self.quote_rate = rate * venue.quote_share - self.sweep_rate
        else:
            self.sweep_rate, self.quote_rate = rate / (TRADES_MEAN + 1), 0.0
        self.bp_ticks = coin.price * listing.per_dollar * 1e-4  # a basis point of the price
        self.gap_ticks_max = 1 + int(self.bp_ticks / 20)  # to the next price of the book
        self.trade_lots_mean = coin.trade_notional_mean / coin.price * listing.per_coin
        self.trade_lots_min = 1 + int(listing.per_coin * 1e-4)
        self.basis_bps = venue.basis_bps * (1 + 0.2 * self.rng.random())
        self.basis_noise_bps = 0.0
        self.next_id, self.last_update_id = FIRST_ID, 50 * FIRST_ID
        self.trades_us = self.tops_us = 0  # log time of the last trade, of the last quote

    def block(self, latent: LatentPrice, first_us: int) -> tuple[Ints, Frames]:
        """Return log times (µs, not sorted) and frames of a stretch that begins at `first_us`."""
        bid, ask = self._book(latent)
        last_us = len(bid) * CELL_US - 1
        sweeps_us, buy = self._sweeps(latent, last_us)
        quotes_us = arrivals(self.rng, self._activity(latent) * self.quote_rate)
        wait_us = self.rng.integers(100, 900, len(sweeps_us)) if self.quote_rate else 0
        tops_us = np.concatenate([np.minimum(sweeps_us + wait_us, last_us), quotes_us])
        order = np.argsort(tops_us, kind="stable")
        tops_us = tops_us[order]
        # an order takes what the last quote shows, not what the venue is about to show
        last = np.searchsorted(tops_us, sweeps_us, side="right") - 1
        quoted = tops_us[np.maximum(last, 0)] // CELL_US
        touch = np.where(buy, ask[quoted], bid[quoted])
        trades, impact = self._trades(sweeps_us + first_us, touch, buy)
        impacts = np.concatenate([impact, np.zeros(len(quotes_us), np.int64)])[order]
        cell = tops_us // CELL_US
        tops = self._tops(tops_us + first_us, bid[cell] + impacts, ask[cell] + impacts)
        venue = self.listing.venue
        frames = venue.format_trades(self.listing, trades, self.rng)
        frames += venue.format_quotes(self.listing, tops, trades)
        return self._log_us(trades, tops), frames

    def _activity(self, latent: LatentPrice) -> Floats:
        """Return how busy this venue is in each cell."""
        lag = self.listing.venue.lag
        return latent.activity[MEMORY - lag : len(latent.activity) - lag]

    def _book(self, latent: LatentPrice) -> tuple[Ints, Ints]:
        """Return best bid and ask of each cell, in ticks."""
        lag = self.listing.venue.lag
        price = latent.price[MEMORY - lag : len(latent.price) - lag]
        basis = []
        for shock in self.rng.standard_normal(len(price) // CELLS).tolist():
            self.basis_noise_bps = 0.98 * self.basis_noise_bps + 0.06 * shock
            basis.append(1e-4 * (self.basis_bps + self.basis_noise_bps))
        middle = price * (1 + np.repeat(basis, CELLS)) * self.listing.per_dollar
        excess = np.maximum(self._activity(latent) - 1.5, 0.0)  # widens the spread
        spread = 1 + (excess * self.bp_ticks / 8).astype(np.int64)
        bid = np.floor(middle - spread / 2 + 0.5).astype(np.int64)
        return bid, bid + spread

    def _sweeps(self, latent: LatentPrice, last_us: int) -> tuple[Ints, Ints]:
        """Return the times of taking orders, single or in bursts, and whether each buys (1)."""
        leaders = arrivals(
            self.rng, self._activity(latent) * (self.sweep_rate / (1 + FOLLOWERS_MEAN))
        )
        followers = (self.rng.standard_exponential(len(leaders)) * FOLLOWERS_SCALE).astype(np.int64)
        sweeps = np.repeat(leaders, 1 + followers)
        later = np.ones(len(sweeps), np.int64)
        later[np.cumsum(1 + followers) - 1 - followers] = 0
        sweeps += later * self.rng.integers(0, 30_000, len(sweeps))
        sweeps = np.sort(np.minimum(sweeps, last_us))
        # informed orders come before this venue follows: the price is about to go their way
        now = sweeps // CELL_US + MEMORY - self.listing.venue.lag
        move = latent.price[now + 3] / latent.price[now - 1] - 1
        bias = np.clip(move / (0.6e-4 * self.listing.coin.sigma_bps), -0.4, 0.4)
        return sweeps, (self.rng.random(len(sweeps)) < 0.5 + bias).astype(np.int64)

    def _trades(self, sweeps_us: Ints, touch: Ints, buy: Ints) -> tuple[SynthTrades, Ints]:
        """Return the trades of each sweep from the touch on, and its price impact in ticks."""
        rng = self.rng
        counts = 1 + (rng.standard_exponential(len(buy)) * FURTHER_TRADES_SCALE).astype(np.int64)
        sweep = np.repeat(np.arange(len(buy)), counts)
        ends = np.cumsum(counts)
        step = (rng.random(len(sweep)) < DEEPER_SHARE) * rng.integers(
            1, self.gap_ticks_max + 1, len(sweep)
        )
        step[ends - counts] = 0
        depth = np.cumsum(step)
        depth -= depth[ends - counts][sweep]
        side = 2 * buy - 1
        price = touch[sweep] + side[sweep] * depth
        off = (rng.random(len(sweep)) < self.listing.venue.off_market).astype(np.int64)
        far = 1 + int(30 * self.bp_ticks)
        price += off * rng.integers(-far, far + 1, len(sweep))
        draw = rng.standard_exponential(len(sweep))  # its cube has a heavy tail, and 6 on average
        size = self.trade_lots_min + (draw * draw * draw * (self.trade_lots_mean / 6)).astype(
            np.int64
        )
        ids = self.next_id + np.arange(len(sweep))
        self.next_id += len(sweep)
        trades = SynthTrades(sweeps_us[sweep], ids, price, size, buy[sweep], off, sweep)
        return trades, side * depth[ends - 1]

    def _tops(self, event_us: Ints, bid: Ints, ask: Ints) -> TopOfBook:
        """Return quotes at these prices."""
        draw = self.rng.standard_exponential((2, len(bid)))
        sizes = 1 + (draw * draw * (4 * self.trade_lots_mean)).astype(np.int64)
        ids = self.last_update_id + np.cumsum(self.rng.integers(1, 60, len(bid)))
        self.last_update_id = int(ids[-1]) if len(ids) else self.last_update_id
        return TopOfBook(event_us, ids, bid, sizes[0], ask, sizes[1])

    def _log_us(self, trades: SynthTrades, tops: TopOfBook) -> Ints:
        """Return when each trade, then each quote, reaches the log; only late trades overtake."""
        trades_us = self._arrive(trades.event_us, self.trades_us)
        if self.quote_rate:
            tops_us = self._arrive(tops.event_us, self.tops_us)
        else:  # one socket and one sequence: a ticker comes right after its last match
            ends = np.searchsorted(trades.sweep, np.arange(len(tops.update_id)), side="right")
            tops_us = trades_us[ends - 1] + 20
        self.trades_us = int(trades_us.max(initial=self.trades_us))
        self.tops_us = int(tops_us.max(initial=self.tops_us))
        # only now, so that nothing else waits for late trades
        late = self.rng.random(len(trades_us)) < LATE_SHARE
        trades_us += late * self.rng.integers(1_000_000, 2_000_000, len(late))
        return np.concatenate([trades_us, tops_us])

    def _arrive(self, event_us: Ints, before_us: int) -> Ints:
        """Return log times after a latency with jitter and stalls, never going back."""
        number = len(event_us)
        jitter = (self.rng.standard_exponential(number) * 400).astype(np.int64)
        stall = (self.rng.random(number) < STALL_SHARE) * self.rng.integers(20_000, 120_000, number)
        arrived = event_us + self.listing.venue.latency_us + jitter + stall
        return np.maximum.accumulate(np.maximum(arrived, before_us))


def arrivals(rng: Rng, rate: Floats) -> Ints:
    """Draw the times (µs, ascending) of a Poisson process; `rate`: (cells,) per second."""
    expected = np.cumsum(rate * (1 / CELLS))
    count_max = int(expected[-1] + 8 * sqrt(expected[-1])) + 30
    when = np.cumsum(rng.standard_exponential(count_max))
    cell = np.searchsorted(expected, when[: np.searchsorted(when, expected[-1])], side="right")
    return np.sort(cell * CELL_US + rng.integers(0, CELL_US, len(cell)))
