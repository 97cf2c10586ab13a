"""Looks into the beginning of a log: which instruments are in it, and the steps of their numbers.

pages ─▶ decode without instruments: symbols ─▶ decode with them: ticks ─▶ decimal steps
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow.connectors.source.reader import Reader
from tapeflow.flows.scaffold.steps import count_places
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.batches import Page, slice_page
from tapeflow.schemas.market import Market, Quotes, Trades
from tapeflow.schemas.venues import VENUES, venue_of

WAIT_S = 0.001  # for what a broker is about to send
WAYS = ("trade", "aggTrade")  # in which a venue may send its trades


class Learnt(Struct):
    """What the frames say of an instrument."""

    venue: str
    symbol: str
    trades: int = 0
    quotes: int = 0
    price_places: int = 0  # decimal places
    size_places: int = 0


class Log(Struct):
    """What the beginning of a log says."""

    instruments: dict[tuple[str, str], Learnt]  # by venue and symbol
    ways: dict[str, str]  # by venue that sends trades in two ways: which of them is there
    frames: int = 0
    first_ns: int = 0  # log times
    last_ns: int = 0
    span_ns: int = 0  # the longest time of a partition that was looked at


def learn(openers: dict[str, Callable[[], Reader]], frames_max: int) -> Log:
    """Read at most so many frames of each partition, and return what is in them."""
    log = Log({}, {})
    for partition, open_partition in openers.items():
        pages = [*read_pages(open_partition(), frames_max)]
        if pages:
            add_partition(log, venue_of(partition), pages)
    return log


def read_pages(reader: Reader, frames_max: int) -> Iterator[Page]:
    """Yield the first pages of a partition."""
    left = frames_max
    try:
        while left > 0 and not reader.ended:
            page = reader.read()
            if page is None:
                time.sleep(WAIT_S)
                continue
            page = slice_page(page, slice(0, left)) if len(page.log_ns) > left else page
            left -= len(page.log_ns)
            yield page
    finally:
        reader.close()


def add_partition(log: Log, venue: str, pages: list[Page]) -> None:
    """Add what the pages of a partition say."""
    symbols = find_symbols(venue, pages)
    way, markets = read_markets(venue, pages, symbols)
    if way:
        log.ways[venue] = way
    for symbol, number in symbols.items():
        known = log.instruments.setdefault((venue, symbol), Learnt(venue, symbol))
        for market in markets:
            add_ticks(known, market, number)
    log.frames += sum(len(page.log_ns) for page in pages)
    first, last = int(pages[0].log_ns[0]), int(pages[-1].log_ns[-1])
    log.first_ns = min(log.first_ns or first, first)
    log.last_ns = max(log.last_ns, last)
    log.span_ns = max(log.span_ns, last - first)


def find_symbols(venue: str, pages: list[Page]) -> dict[str, int]:
    """Return the symbols in frames with ticks, numbered in the order of their names."""
    names: set[str] = set()
    for way in ways_of(venue):
        decoder = decoder_of(venue, {}, way)
        for page in pages:
            names |= {each.symbol for each in decode.step(page, decoder=decoder).unlisted}
    return {name: number for number, name in enumerate(sorted(names))}


def ways_of(venue: str) -> tuple[str, ...]:
    """Return the ways in which a venue may send its trades; "" where there is one."""
    return WAYS if any(each.trades for each in VENUES[venue].dialect.channels) else ("",)


def decoder_of(venue: str, symbols: dict[str, int], way: str) -> Decoder:
    """Build the decoder of a venue that reads its trades in one way."""
    dialect = VENUES[venue].dialect
    return Decoder.from_scanner(Scanner(dialect.with_trades(way) if way else dialect, symbols))


def read_markets(
    venue: str, pages: list[Page], symbols: dict[str, int]
) -> tuple[str, list[Market]]:
    """Return the ticks of the pages, with the trades of the way that has more, and which it is.

    "" where the venue has one way, or none has trades.
    """
    by_way = {}
    for way in ways_of(venue):
        decoder = decoder_of(venue, symbols, way)
        by_way[way] = [decode.step(page, decoder=decoder).market for page in pages]
    counts = {way: sum(len(each.trades) for each in some) for way, some in by_way.items()}
    best = max(counts, key=lambda way: counts[way])
    return best if counts[best] else "", by_way[best]


def add_ticks(known: Learnt, market: Market, number: int) -> None:
    """Add what the ticks of one instrument say."""
    trades, quotes = rows_of(market.trades, number), rows_of(market.quotes, number)
    known.trades += len(trades["price"])
    known.quotes += len(quotes["bid"])
    prices = [trades["price"], quotes["bid"], quotes["ask"]]
    sizes = [trades["size"], quotes["bid_size"], quotes["ask_size"]]
    known.price_places = max(known.price_places, *map(count_places, prices))
    known.size_places = max(known.size_places, *map(count_places, sizes))


def rows_of(table: Trades | Quotes, number: int) -> dict[str, Any]:
    """Return the columns of one instrument's rows."""
    rows = np.flatnonzero(table.instrument == number)
    return {name: getattr(table, name)[rows] for name in table.column_names()}
