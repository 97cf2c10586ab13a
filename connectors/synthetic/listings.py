"""What the venues of the made-up market list, and what is to be told of it.

Prices and sizes are whole ticks and lots, so that no digit depends on how a machine computes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from tapeflow.schemas.columns import Ints

Frames = list[bytes]
Rng = np.random.Generator
FIRST_ID = 1_000_000_000  # of the trades of every instrument


class Coin(NamedTuple):
    """One coin; its ticks and lots, powers of ten, are in the order of the venues."""

    base: str
    price: float  # at the start, in dollars
    bps: float  # standard deviation of its price over one second, about
    share: float  # of a venue's records; of all coins together 1
    usual: float  # size of a trade in dollars, on average
    ticks: tuple[str, ...]
    lots: tuple[str, ...]


SATOSHI = "0.00000001"
COINS = (
    Coin("BTC", 91500.0, 0.8, 0.30, 1500.0, ("0.01", "0.1", "0.01"), ("0.00001", "0.001", SATOSHI)),
    Coin("ETH", 3150.0, 1.1, 0.22, 1000.0, ("0.01", "0.01", "0.01"), ("0.0001", "0.001", SATOSHI)),
    Coin("SOL", 135.0, 1.4, 0.14, 600.0, ("0.01", "0.01", "0.01"), ("0.001", "0.01", SATOSHI)),
    Coin("XRP", 2.1, 1.4, 0.10, 500.0, ("0.0001", "0.0001", "0.0001"), ("0.1", "0.1", "0.000001")),
    Coin("DOGE", 0.142, 1.6, 0.08, 300.0, ("0.00001", "0.00001", "0.00001"), ("1", "1", "0.1")),
    Coin("ADA", 0.385, 1.6, 0.06, 250.0, ("0.0001", "0.0001", "0.0001"), ("0.1", "1", SATOSHI)),
    Coin("LINK", 13.2, 1.5, 0.05, 300.0, ("0.01", "0.001", "0.001"), ("0.01", "0.01", "0.01")),
    Coin("LTC", 81.5, 1.3, 0.05, 250.0, ("0.01", "0.01", "0.01"), ("0.001", "0.001", SATOSHI)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SynthTrades:
    """Trades of one instrument in the order of their ids."""

    event_us: Ints
    trade_id: Ints
    price: Ints  # ticks
    size: Ints  # lots
    buy: Ints  # 1: a buyer took, 0: a seller
    off_market: Ints  # 1: the insurance fund took a position over, at a price off the market
    sweep: Ints  # 0, 1, ...: the taking order, whose trades stand together


@dataclass(frozen=True, slots=True)
class TopOfBook:
    """Best bid and ask of one instrument over time."""

    event_us: Ints
    number: Ints  # growing with each change
    bid: Ints  # ticks
    bid_size: Ints  # lots
    ask: Ints
    ask_size: Ints


class Venue(NamedTuple):
    """How one venue names and writes things."""

    number: int  # its place among the ticks and lots of a coin
    name: str
    id: str  # of an instrument, {} for the coin
    symbol: str
    share: float  # of all records; of the three together 1
    lag: int  # cells of the hidden price until it follows, at least 3
    latency_us: int  # from the event to the log, at least
    basis_bps: float  # how far its prices lie from the hidden one
    quotes: float  # of its records; 0: only one after each taking order
    off_market: float  # of its trades, those at a price that is not the market's
    decimals: int  # of every number; 0: as many as the tick or lot has
    forms: tuple[str, str]  # of prints and tops
    others: tuple[str, ...]  # the first one of an unlisted symbol
    prints: Callable[["Listing", SynthTrades, Rng], Frames]
    tops: Callable[["Listing", TopOfBook, SynthTrades], Frames]
    subscription_ack: Callable[[list["Listing"], int, Rng], Frames]


class Listing:
    """An instrument as its venue lists it, and the templates of its frames."""

    def __init__(self, venue: Venue, coin: Coin) -> None:
        self.venue, self.coin = venue, coin
        self.tick, self.lot = coin.ticks[venue.number], coin.lots[venue.number]
        self.id, self.symbol = venue.id.format(coin.base), venue.symbol.format(coin.base)
        self.per_dollar = float(1 / Decimal(self.tick))  # ticks
        self.per_coin = float(1 / Decimal(self.lot))  # lots
        decimals = decimals_of(self.tick)
        known = {
            "low": f"{coin.price * 0.96:.{decimals}f}",
            "open": f"{coin.price * 0.99:.{decimals}f}",
            "high": f"{coin.price * 1.04:.{decimals}f}",
            "day": f"{coin.usual * 2e5 / coin.price:.8f}",
            "month": f"{coin.usual * 6e6 / coin.price:.8f}",
            "S": self.symbol,
            "s": self.symbol.lower(),
            "p": f"%.{venue.decimals or decimals}f",
            "q": f"%.{venue.decimals or decimals_of(self.lot)}f",
        }
        self.print_form, self.top_form = (filled(form, known) for form in venue.forms)

    def dollars(self, ticks: Ints) -> list[float]:
        """Prices; dividing by a power of ten gives the float nearest to the decimal."""
        return (ticks / self.per_dollar).tolist()  # type: ignore[no-any-return]

    def coins(self, lots: Ints) -> list[float]:
        """Sizes, likewise."""
        return (lots / self.per_coin).tolist()  # type: ignore[no-any-return]


def decimals_of(step: str) -> int:
    """Decimals of a tick or lot."""
    return len(step.partition(".")[2])


def filled(form: str, known: dict[str, str]) -> bytes:
    """Put what is known into a form: `<name>` is replaced, each `%` is left for the frames."""
    for name, text in known.items():
        form = form.replace(f"<{name}>", text)
    return form.encode()
