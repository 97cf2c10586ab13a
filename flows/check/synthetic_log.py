"""A made-up log to check a strategy over: quotes and trades of every instrument, with holes.

    latent price of a coin ──▶ quotes and trades of each venue ──▶ frames ──▶ pages, step by step

All instruments of one base follow one price. A venue is silent now and then, and what it would have
sent is lost. The frames are of our own dialect, which is read in partitions of every venue.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.instruments import Instrument

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC
LEVEL_TICKS = 20_000  # of a price at the beginning
VOLATILITY, BASIS, JUMP = 4e-4, 3e-4, 0.01  # of a step; between venues; now and then
SILENT_EVERY, SILENT_STEPS = 210, 12  # steps: a venue says nothing for the last of each so many
PAGE_STEPS = 50
DELAY_NS = 2_000_000  # from the venue to the log
SEED = 7
TRADE = '{"tapeflow":"trade","symbol":"%s","id":%d,"price":"%s","size":"%s","side":"%s","event":%d}'
QUOTE = (
    '{"tapeflow":"quote","symbol":"%s","bid":"%s","bid_size":"%s","ask":"%s","ask_size":"%s",'
    '"event":%d}'
)


class Prices:
    """The prices of every instrument, step by step."""

    def __init__(self, rows: Sequence[Instrument]) -> None:
        self.rows, self.rng = rows, np.random.default_rng(SEED)
        bases = sorted({row.base for row in rows})
        self.of_base = np.array([bases.index(row.base) for row in rows])
        ticks = (max(row.tick for row in rows if row.base == base) for base in bases)
        self.latent = np.array([float(tick) * LEVEL_TICKS for tick in ticks])
        self.drift, self.basis = np.zeros(len(bases)), np.zeros(len(rows))

    def step(self) -> Floats:
        """Return the price of each instrument after one more step."""
        rng, bases = self.rng, len(self.latent)
        self.drift = 0.98 * self.drift + VOLATILITY / 8 * rng.standard_normal(bases)
        jumps = np.where(rng.random(bases) < 0.004, JUMP * rng.standard_normal(bases), 0.0)
        self.latent *= np.exp(self.drift + VOLATILITY * rng.standard_normal(bases) + jumps)
        self.basis = 0.95 * self.basis + BASIS * rng.standard_normal(len(self.rows))
        return np.asarray(self.latent[self.of_base] * np.exp(self.basis))


def make_up_log(
    rows: Sequence[Instrument], steps: int, step_ns: int, fork_at: int = -1
) -> Iterator[Page]:
    """Yield the pages of a log of so many steps, of all partitions in turn.

    From step `fork_at` on it is another log.
    """
    prices, rng = Prices(rows), np.random.default_rng(SEED + 1)
    venues = sorted({row.venue.lower() for row in rows})
    ids, offsets = [1] * len(rows), dict.fromkeys(venues, 0)
    for first in range(0, steps, PAGE_STEPS):
        records: dict[str, list[tuple[int, bytes]]] = {each: [] for each in venues}
        last = min(first + PAGE_STEPS, steps)
        for step in range(first, last):
            if step == fork_at:
                prices.rng, rng = np.random.default_rng(SEED + 2), np.random.default_rng(SEED + 3)
            for number, price in enumerate(prices.step().tolist()):
                venue = rows[number].venue.lower()
                event_ns = START_NS + step * step_ns + 1_000_000 * number
                made = list(make_frames(rows[number], ids[number], price, event_ns, rng))
                ids[number] += len(made) - 1
                of_cycle = (step + 70 * venues.index(venue)) % SILENT_EVERY
                if of_cycle < SILENT_EVERY - SILENT_STEPS:
                    records[venue] += enumerate(made, event_ns + DELAY_NS)
        for venue, made_here in records.items():
            times, frames = [each[0] for each in made_here], [each[1] for each in made_here]
            yield Page.from_frames(
                f"{venue}-0", offsets[venue], times, frames, end_of_log=last == steps
            )
            offsets[venue] += len(frames)


def make_frames(
    row: Instrument, first_id: int, price: float, event_ns: int, rng: np.random.Generator
) -> Iterator[bytes]:
    """Yield a quote and some trades at it."""
    bid, draws = row.round_price(price), rng.integers(1, 400, 6).tolist()
    ask = bid + row.tick * int(rng.integers(1, 4))
    size = [str(row.lot * (10 * draw)) for draw in draws]
    yield (QUOTE % (row.venue_symbol, bid, size[0], ask, size[1], event_ns)).encode()
    for number in range(draws[2] % 4):
        is_buy = draws[3 + number] % 2 == 0
        price_size = (ask if is_buy else bid, size[3 + number], "buy" if is_buy else "sell")
        yield (TRADE % (row.venue_symbol, first_id + number, *price_size, event_ns)).encode()
