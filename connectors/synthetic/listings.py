"""The synthetic market's coins, venues and instruments, and the columns of what happens there.

Prices and sizes are whole ticks and lots, so that no digit depends on a machine's arithmetic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from tapeflow.schemas.columns import Ints

Frames = list[bytes]
Rng = np.random.Generator
FIRST_ID = 1_000_000_000  # trade id of every instrument's first trade


class Coin(NamedTuple):
    """One coin; its ticks and lots are powers of ten, in the order of the venues."""

    base: str
    price: float  # at the start, in dollars
    sigma_bps: float  # standard deviation of its price over one second, about
    share: float  # of a venue's records; 1 for all coins together
    trade_notional_mean: float  # in dollars
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
    off_market: Ints  # 1: the insurance fund took over a position, at a price off the market
    sweep: Ints  # 0, 1, ...: the taking order; its trades are consecutive


@dataclass(frozen=True, slots=True)
class TopOfBook:
    """Best bid and ask of one instrument over time."""

    event_us: Ints
    update_id: Ints  # increases with each change
    bid: Ints  # ticks
    bid_size: Ints  # lots
    ask: Ints
    ask_size: Ints


class Venue(NamedTuple):
    """One venue: its names, its share of the market, its forms of frames."""

    number: int  # its index in the ticks and lots of a coin
    name: str
    id: str  # pattern of an instrument id, {} for the coin
    symbol: str  # pattern of its symbol there
    share: float  # of all records; 1 for the three together
    lag: int  # cells of the latent price by which its own follows, at least 3
    latency_us: int  # from the event to the log, at least
    basis_bps: float  # of its prices over the latent one
    quote_share: float  # of its records; 0: one quote after each taking order, and no others
    off_market: float  # share of its trades at a price that is not the market's
    decimals: int  # of every number; 0: as many as the tick or lot has
    templates: tuple[str, str]  # of a trade, of a quote
    foreign: tuple[str, ...]  # templates; the first one of an unlisted symbol
    format_trades: Callable[["Listing", SynthTrades, Rng], Frames]
    format_quotes: Callable[["Listing", TopOfBook, SynthTrades], Frames]
    subscription_ack: Callable[[list["Listing"], int, Rng], Frames]


class Listing:
    """One instrument at one venue, with the templates of its frames."""

    def __init__(self, venue: Venue, coin: Coin) -> None:
        self.venue, self.coin = venue, coin
        self.tick, self.lot = coin.ticks[venue.number], coin.lots[venue.number]
        self.id, self.symbol = venue.id.format(coin.base), venue.symbol.format(coin.base)
        self.per_dollar = float(1 / Decimal(self.tick))  # ticks
        self.per_coin = float(1 / Decimal(self.lot))  # lots
        decimals = decimals_of(self.tick)
        values = {
            "low": f"{coin.price * 0.96:.{decimals}f}",
            "open": f"{coin.price * 0.99:.{decimals}f}",
            "high": f"{coin.price * 1.04:.{decimals}f}",
            "day": f"{coin.trade_notional_mean * 2e5 / coin.price:.8f}",
            "month": f"{coin.trade_notional_mean * 6e6 / coin.price:.8f}",
            "S": self.symbol,
            "s": self.symbol.lower(),
            "p": f"%.{venue.decimals or decimals}f",
            "q": f"%.{venue.decimals or decimals_of(self.lot)}f",
        }
        self.trade_template, self.quote_template = (
            fill_template(template, values) for template in venue.templates
        )

    def dollars(self, ticks: Ints) -> list[float]:
        """Return prices in dollars.

        Dividing by a power of ten gives the float nearest to the decimal.
        """
        return (ticks / self.per_dollar).tolist()  # type: ignore[no-any-return]

    def coins(self, lots: Ints) -> list[float]:
        """Return sizes in coins, as `dollars` does prices."""
        return (lots / self.per_coin).tolist()  # type: ignore[no-any-return]


def decimals_of(step: str) -> int:
    """Return the number of decimals of a tick or lot.

    >>> decimals_of("0.001"), decimals_of("1")
    (3, 0)
    """
    return len(step.partition(".")[2])


def fill_template(template: str, values: dict[str, str]) -> bytes:
    """Replace each `<name>` by its value; each `%` remains for the frames.

    >>> fill_template('"s":"<S>","p":%.2f', {"S": "BTCUSDT"})
    b'"s":"BTCUSDT","p":%.2f'
    """
    for name, text in values.items():
        template = template.replace(f"<{name}>", text)
    return template.encode()
