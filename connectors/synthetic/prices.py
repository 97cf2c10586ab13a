"""How the made-up market moves: a coin's hidden price, and what an instrument's feed makes of it.

    hidden price --lag, basis, spread--> best bid and ask --who takes, and when?--> trades
                                                 |                                    |
                                                 +----latency----> frames <----latency+

Prices are computed with + - * / and sqrt alone, whose results IEEE 754 fixes on every machine;
everything else is whole ticks, lots and microseconds.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from tapeflow.connectors.synthetic.listings import (
    FIRST_ID,
    Coin,
    Frames,
    Listing,
    Rng,
    SynthTrades,
    TopOfBook,
)
from tapeflow.schemas.columns import Floats, Ints

SECOND_US = 1_000_000
CELLS = 50  # of the hidden price, each second
CELL_US = SECOND_US // CELLS
MEMORY = 8  # cells that a stretch of the hidden price goes back


# --- the hidden price ---------------------------------------------------------------------


class LatentPrice(NamedTuple):
    """A stretch of the hidden price of a coin; the first MEMORY cells come from before it."""

    price: Floats  # of each cell, in dollars
    activity: Floats  # of each cell: how busy the market is, about 1 on average


class HiddenPrice:
    """What a coin is worth: regimes of some tens of seconds, told second by second."""

    def __init__(self, coin: Coin, rng: Rng) -> None:
        self.coin, self.rng = coin, rng
        self.sigma = coin.bps * 1e-4
        self.worth = 0.0  # about the logarithm of price / first price
        self.shown = 0.0  # what quotes follow: it moves by small steps, not all the time
        self.anchor = 0.0  # where a stretch that reverts comes back to
        self.drift, self.pull, self.seconds_left = 0.0, 0.0, 0
        self.volatility = 1.0
        self.shown_cells = [0.0] * MEMORY
        self.heat_cells = [1.0] * MEMORY

    def extend(self, seconds: int) -> LatentPrice:
        """Tell the next stretch."""
        self.shown_cells, self.heat_cells = self.shown_cells[-MEMORY:], self.heat_cells[-MEMORY:]
        for _ in range(seconds):
            self._second()
        shown = np.array(self.shown_cells)
        # exp() to the second order, which is never below 1/2; a library's own differs by machine
        return LatentPrice(
            self.coin.price * (1 + shown + shown * shown / 2), np.array(self.heat_cells)
        )

    def _second(self) -> None:
        shock, *steps = self.rng.standard_normal(CELLS + 1).tolist()
        luck, jump, turn, side, length = self.rng.random(5).tolist()
        if self.seconds_left == 0:
            self._turn(turn, side, length)
        self.seconds_left -= 1
        self.volatility += 0.08 * (0.9 - self.volatility) + 0.22 * self.volatility * shock
        self.volatility = min(max(self.volatility, 0.4), 3.0)
        if luck < 1 / 90:
            self.worth += (10 * jump - 5 + (3 if jump > 1 / 2 else -3)) * self.sigma
            self.volatility = 3.0  # a jump is followed by unrest
        noise = self.sigma * self.volatility / sqrt(CELLS)
        for step in steps:
            self.worth += noise * step + self.drift / CELLS
            self.worth += self.pull * (self.anchor - self.worth) / CELLS
            if abs(self.worth - self.shown) > self.sigma / 4:
                self.shown = self.worth
            self.shown_cells.append(self.shown)
            self.heat_cells.append(self.volatility * (0.46 + 0.575 * abs(step)))

    def _turn(self, turn: float, side: float, length: float) -> None:
        """Begin a trend of 10 to 50 s, or 15 to 55 s of coming back to where we are."""
        trends = turn < 0.5
        size = (0.2 + 0.4 * turn) * self.sigma
        self.drift = (size if side < 1 / 2 else -size) if trends else 0.0
        self.pull = 0.0 if trends else 0.08 + 0.3 * (turn - 0.5)
        self.anchor = self.worth
        self.seconds_left = int((10 if trends else 15) + 40 * length)


# --- quotes and trades of one instrument --------------------------------------------------

FOLLOWERS, MORE_PRINTS = 0.7, 1.2  # scales of the exponentials that these are rounded down from
MEAN_FOLLOWERS, MEAN_PRINTS = 0.3152, 1.7685  # 1 / (e^(1 / scale) - 1), of prints one more
DEEPER = 0.35  # of the further prints of a sweep, those at a next price
STALLED = 1 / 3000  # of events, those that wait for a connection that hangs, and all after them
LATE = 4e-4  # of trades, those that reach the log a second or two too late


class Feed:
    """One instrument: what its venue sends of it, a block after the other."""

    def __init__(self, listing: Listing, market_rate: float, rng: Rng) -> None:
        self.listing, self.rng = listing, rng
        venue, coin = listing.venue, listing.coin
        rate = market_rate * venue.share * coin.share
        if venue.quotes:  # one after each sweep, the rest of them at any time
            self.sweep_rate = rate * (1 - venue.quotes) / MEAN_PRINTS
            self.quote_rate = rate * venue.quotes - self.sweep_rate
        else:
            self.sweep_rate, self.quote_rate = rate / (MEAN_PRINTS + 1), 0.0
        self.per_bp = coin.price * listing.per_dollar * 1e-4  # ticks
        self.gap = 1 + int(self.per_bp / 20)  # ticks to the next price of the book, at most
        self.lots = coin.usual / coin.price * listing.per_coin  # of a trade, on average
        self.least = 1 + int(listing.per_coin * 1e-4)  # lots; what is smaller nobody trades
        self.basis_bps = venue.basis_bps * (1 + 0.2 * self.rng.random())
        self.wobble_bps = 0.0  # of the basis
        self.next_id, self.next_number = FIRST_ID, 50 * FIRST_ID
        self.prints_us = self.tops_us = 0  # log time of the last of each

    def block(self, hidden: LatentPrice, first_us: int) -> tuple[Ints, Frames]:
        """Log times in µs, not sorted, and frames of what happens while the price goes this way."""
        bid, ask = self._book(hidden)
        last_us = len(bid) * CELL_US - 1
        sweeps_us, buy = self._sweeps(hidden, last_us)
        quotes_us = arrivals(self.rng, self._heat(hidden) * self.quote_rate)
        wait_us = self.rng.integers(100, 900, len(sweeps_us)) if self.quote_rate else 0
        tops_us = np.concatenate([np.minimum(sweeps_us + wait_us, last_us), quotes_us])
        order = np.argsort(tops_us, kind="stable")
        tops_us = tops_us[order]
        # who takes, takes what the last quote shows, not what the venue is about to show
        last = np.searchsorted(tops_us, sweeps_us, side="right") - 1
        seen = tops_us[np.maximum(last, 0)] // CELL_US
        prints, push = self._prints(sweeps_us + first_us, np.where(buy, ask[seen], bid[seen]), buy)
        pushed = np.concatenate([push, np.zeros(len(quotes_us), np.int64)])[order]
        cell = tops_us // CELL_US
        tops = self._tops(tops_us + first_us, bid[cell] + pushed, ask[cell] + pushed)
        venue = self.listing.venue
        frames = venue.prints(self.listing, prints, self.rng)
        frames += venue.tops(self.listing, tops, prints)
        return self._log_us(prints, tops), frames

    def _heat(self, hidden: LatentPrice) -> Floats:
        """How busy this venue is in each cell."""
        lag = self.listing.venue.lag
        return hidden.activity[MEMORY - lag : len(hidden.activity) - lag]

    def _book(self, hidden: LatentPrice) -> tuple[Ints, Ints]:
        """Best bid and ask in ticks, of each cell."""
        lag = self.listing.venue.lag
        price = hidden.price[MEMORY - lag : len(hidden.price) - lag]
        basis = []
        for shock in self.rng.standard_normal(len(price) // CELLS).tolist():
            self.wobble_bps = 0.98 * self.wobble_bps + 0.06 * shock
            basis.append(1e-4 * (self.basis_bps + self.wobble_bps))
        middle = price * (1 + np.repeat(basis, CELLS)) * self.listing.per_dollar
        unrest = np.maximum(self._heat(hidden) - 1.5, 0.0)  # makes for wide spreads
        spread = 1 + (unrest * self.per_bp / 8).astype(np.int64)
        bid = np.floor(middle - spread / 2 + 0.5).astype(np.int64)
        return bid, bid + spread

    def _sweeps(self, hidden: LatentPrice, last_us: int) -> tuple[Ints, Ints]:
        """When somebody takes, alone or first of a burst, and whether to buy."""
        leaders = arrivals(self.rng, self._heat(hidden) * (self.sweep_rate / (1 + MEAN_FOLLOWERS)))
        followers = (self.rng.standard_exponential(len(leaders)) * FOLLOWERS).astype(np.int64)
        sweeps = np.repeat(leaders, 1 + followers)
        later = np.ones(len(sweeps), np.int64)
        later[np.cumsum(1 + followers) - 1 - followers] = 0
        sweeps += later * self.rng.integers(0, 30_000, len(sweeps))
        sweeps = np.sort(np.minimum(sweeps, last_us))
        # those who know take before this venue follows: the price is about to go their way
        now = sweeps // CELL_US + MEMORY - self.listing.venue.lag
        move = hidden.price[now + 3] / hidden.price[now - 1] - 1
        lean = np.clip(move / (0.6e-4 * self.listing.coin.bps), -0.4, 0.4)
        return sweeps, (self.rng.random(len(sweeps)) < 0.5 + lean).astype(np.int64)

    def _prints(self, sweeps_us: Ints, touch: Ints, buy: Ints) -> tuple[SynthTrades, Ints]:
        """Make the trades of each sweep from the touch on; give how far it pushes, in ticks."""
        rng = self.rng
        counts = 1 + (rng.standard_exponential(len(buy)) * MORE_PRINTS).astype(np.int64)
        sweep = np.repeat(np.arange(len(buy)), counts)
        ends = np.cumsum(counts)
        step = (rng.random(len(sweep)) < DEEPER) * rng.integers(1, self.gap + 1, len(sweep))
        step[ends - counts] = 0
        depth = np.cumsum(step)
        depth -= depth[ends - counts][sweep]
        side = 2 * buy - 1
        price = touch[sweep] + side[sweep] * depth
        off = (rng.random(len(sweep)) < self.listing.venue.off_market).astype(np.int64)
        far = 1 + int(30 * self.per_bp)
        price += off * rng.integers(-far, far + 1, len(sweep))
        draw = rng.standard_exponential(len(sweep))  # its cube has a heavy tail, and 6 on average
        size = self.least + (draw * draw * draw * (self.lots / 6)).astype(np.int64)
        ids = self.next_id + np.arange(len(sweep))
        self.next_id += len(sweep)
        prints = SynthTrades(sweeps_us[sweep], ids, price, size, buy[sweep], off, sweep)
        return prints, side * depth[ends - 1]

    def _tops(self, event_us: Ints, bid: Ints, ask: Ints) -> TopOfBook:
        """Quotes at these prices."""
        draw = self.rng.standard_exponential((2, len(bid)))
        sizes = 1 + (draw * draw * (4 * self.lots)).astype(np.int64)
        number = self.next_number + np.cumsum(self.rng.integers(1, 60, len(bid)))
        self.next_number = int(number[-1]) if len(number) else self.next_number
        return TopOfBook(event_us, number, bid, sizes[0], ask, sizes[1])

    def _log_us(self, prints: SynthTrades, tops: TopOfBook) -> Ints:
        """When each frame reaches the log; each kind comes in its order, but for the late."""
        prints_us = self._arrive(prints.event_us, self.prints_us)
        if self.quote_rate:
            tops_us = self._arrive(tops.event_us, self.tops_us)
        else:  # one socket and one sequence: a ticker comes right after the last match it tells of
            ends = np.searchsorted(prints.sweep, np.arange(len(tops.number)), side="right")
            tops_us = prints_us[ends - 1] + 20
        self.prints_us = int(prints_us.max(initial=self.prints_us))
        self.tops_us = int(tops_us.max(initial=self.tops_us))
        # only now, so that nothing else waits for the late
        late = self.rng.random(len(prints_us)) < LATE
        prints_us += late * self.rng.integers(1_000_000, 2_000_000, len(late))
        return np.concatenate([prints_us, tops_us])

    def _arrive(self, event_us: Ints, before_us: int) -> Ints:
        number = len(event_us)
        jitter = (self.rng.standard_exponential(number) * 400).astype(np.int64)
        stall = (self.rng.random(number) < STALLED) * self.rng.integers(20_000, 120_000, number)
        arrived = event_us + self.listing.venue.latency_us + jitter + stall
        return np.maximum.accumulate(np.maximum(arrived, before_us))


def arrivals(rng: Rng, rate: Floats) -> Ints:
    """Draw the times in µs of a Poisson process, ascending; `rate` per second, of each cell."""
    expected = np.cumsum(rate * (1 / CELLS))
    most = int(expected[-1] + 8 * sqrt(expected[-1])) + 30
    when = np.cumsum(rng.standard_exponential(most))
    cell = np.searchsorted(expected, when[: np.searchsorted(when, expected[-1])], side="right")
    return np.sort(cell * CELL_US + rng.integers(0, CELL_US, len(cell)))
