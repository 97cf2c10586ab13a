"""A made-up log to check a strategy over: quotes and trades of every instrument, with holes.

    latent price of a coin ──▶ quotes and trades of each venue ──▶ frames ──▶ pages, step by step

All instruments of one base follow one price. A venue is silent now and then, and loses trades.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.instruments import Instrument

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC
LEVEL_TICKS = 20_000  # of a price at the beginning
VOLATILITY, BASIS, JUMP = 4e-4, 3e-4, 0.01  # of a step; between venues; now and then
SILENT_EVERY, SILENT_STEPS = 210, 12  # steps: a venue says nothing for the last of each so many
PAGE_STEPS = 50
SEED = 7


class Trade(NamedTuple):
    """A trade of a made-up log."""

    row: Instrument
    id: int
    event_ns: int
    price: str
    size: str
    is_buy: bool


class Quote(NamedTuple):
    """A best bid and ask of a made-up log."""

    row: Instrument
    id: int
    event_ns: int
    bid: str
    ask: str
    sizes: tuple[str, str]


def binance_trade(each: Trade) -> str:
    """Return a trade as Binance spot and futures send it."""
    event_ms, maker_buys = each.event_ns // 10**6, "false" if each.is_buy else "true"
    return (
        f'{{"e":"trade","E":{event_ms},"s":"{each.row.venue_symbol}","t":{each.id},'
        f'"p":"{each.price}","q":"{each.size}","T":{event_ms},"m":{maker_buys},"M":true}}'
    )


def usdm_trade(each: Trade) -> str:
    """Return a trade as Binance USD-M sends it."""
    return binance_trade(each).replace(',"M":true', ',"X":"MARKET"')


def binance_quote(each: Quote) -> str:
    """Return a quote as Binance spot sends it."""
    return (
        f'{{"u":{each.id},"s":"{each.row.venue_symbol}","b":"{each.bid}","B":"{each.sizes[0]}",'
        f'"a":"{each.ask}","A":"{each.sizes[1]}"}}'
    )


def usdm_quote(each: Quote) -> str:
    """Return a quote as Binance USD-M sends it."""
    event_ms = each.event_ns // 10**6
    times = f',"T":{event_ms},"E":{event_ms}}}'
    return '{"e":"bookTicker",' + binance_quote(each)[1:-1] + times


def coinbase_trade(each: Trade) -> str:
    """Return a trade as Coinbase Exchange sends it; its side is the maker's."""
    return (
        f'{{"type":"match","trade_id":{each.id},"maker_order_id":"m","taker_order_id":"t",'
        f'"side":"{"sell" if each.is_buy else "buy"}","size":"{each.size}",'
        f'"price":"{each.price}","product_id":"{each.row.venue_symbol}","sequence":{each.id},'
        f'"time":"{format_event(each.event_ns)}"}}'
    )


def coinbase_quote(each: Quote) -> str:
    """Return a quote as Coinbase Exchange sends it."""
    return (
        f'{{"type":"ticker","sequence":{each.id},"product_id":"{each.row.venue_symbol}",'
        f'"price":"{each.bid}","open_24h":"{each.bid}","volume_24h":"1","low_24h":"{each.bid}",'
        f'"high_24h":"{each.ask}","volume_30d":"1","best_bid":"{each.bid}",'
        f'"best_bid_size":"{each.sizes[0]}","best_ask":"{each.ask}",'
        f'"best_ask_size":"{each.sizes[1]}","side":"buy","time":"{format_event(each.event_ns)}",'
        f'"trade_id":{each.id},"last_size":"1"}}'
    )


def format_event(event_ns: int) -> str:
    """Return a time of an event as Coinbase writes it."""
    return datetime.fromtimestamp(event_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{event_ns // 1000 % 10**6:06d}Z"
    )


FORMATS: dict[str, tuple[Callable[[Trade], str], Callable[[Quote], str]]] = {
    "binance": (binance_trade, binance_quote),
    "binance-usdm": (usdm_trade, usdm_quote),
    "coinbase": (coinbase_trade, coinbase_quote),
}


class Prices:
    """The prices of every instrument, step by step."""

    def __init__(self, rows: Sequence[Instrument], seed: int) -> None:
        self.rows, self.rng = rows, np.random.default_rng(seed)
        self.bases = sorted({row.base for row in rows})
        self.of_base = np.array([self.bases.index(row.base) for row in rows])
        ticks = {base: max(row.tick for row in rows if row.base == base) for base in self.bases}
        self.latent = np.array([float(ticks[base]) * LEVEL_TICKS for base in self.bases])
        self.drift, self.basis = np.zeros(len(self.bases)), np.zeros(len(rows))

    def step(self) -> Floats:
        """Return the price of each instrument after one more step."""
        rng, bases = self.rng, len(self.bases)
        self.drift = 0.98 * self.drift + VOLATILITY / 8 * rng.standard_normal(bases)
        jumps = np.where(rng.random(bases) < 0.004, JUMP * rng.standard_normal(bases), 0.0)
        self.latent *= np.exp(self.drift + VOLATILITY * rng.standard_normal(bases) + jumps)
        self.basis = 0.95 * self.basis + BASIS * rng.standard_normal(len(self.rows))
        return np.asarray(self.latent[self.of_base] * np.exp(self.basis))


def made_up_log(
    rows: Sequence[Instrument], steps: int, step_ns: int, fork_at: int = -1
) -> Iterator[Page]:
    """Yield the pages of a log of so many steps, of all partitions in turn.

    From step `fork_at` on it is another log.
    """
    prices, rng = Prices(rows, SEED), np.random.default_rng(SEED + 1)
    venues = sorted({row.venue.lower() for row in rows})
    ids, offsets = [1] * len(rows), dict.fromkeys(venues, 0)
    for first in range(0, steps, PAGE_STEPS):
        times: dict[str, list[int]] = {each: [] for each in venues}
        frames: dict[str, list[bytes]] = {each: [] for each in venues}
        last = min(first + PAGE_STEPS, steps)
        for step in range(first, last):
            now_ns = START_NS + step * step_ns
            if step == fork_at:
                prices.rng, rng = np.random.default_rng(SEED + 2), np.random.default_rng(SEED + 3)
            for number, price in enumerate(prices.step().tolist()):
                venue = rows[number].venue.lower()
                event_ns = now_ns + 1_000_000 * number
                made = list(make_frames(rows[number], ids[number], price, event_ns, rng))
                ids[number] += len(made)
                if (step + 70 * venues.index(venue)) % SILENT_EVERY < SILENT_EVERY - SILENT_STEPS:
                    log_ns = event_ns + 2_000_000
                    times[venue] += range(log_ns, log_ns + len(made))
                    frames[venue] += made
        for venue in venues:
            yield Page.from_frames(
                f"{venue}-0", offsets[venue], times[venue], frames[venue], end_of_log=last == steps
            )
            offsets[venue] += len(frames[venue])


def make_frames(
    row: Instrument, first_id: int, price: float, event_ns: int, rng: np.random.Generator
) -> Iterator[bytes]:
    """Yield a quote and some trades at it."""
    format_trade, format_quote = FORMATS[row.venue.lower()]
    bid = row.round_price(price)
    ask, draws = bid + row.tick * int(rng.integers(1, 4)), rng.integers(1, 400, 6).tolist()
    size = [str(row.lot * (10 * draw)) for draw in draws]
    quote = Quote(row, first_id, event_ns, str(bid), str(ask), (size[0], size[1]))
    yield format_quote(quote).encode()
    for number in range(draws[2] % 4):
        is_buy = draws[3 + number] % 2 == 0
        at = str(ask if is_buy else bid)
        trade = Trade(row, first_id + 1 + number, event_ns, at, size[3 + number], is_buy)
        yield format_trade(trade).encode()
