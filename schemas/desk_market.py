"""The ticks that the desk receives: the rows that it uses, and of them the columns it reads.

Market                                  DeskMarket
trades       11 columns, all            those that were accepted
quotes        8 columns, all            all, or the last of an instrument between two samples
mark_prices   8 columns, all            the same, and those that funding depends on

`venue_ns` is the time at which a row happened at its venue, by our clock: see desk/venue_clock.py.
"""

from tapeflow.schemas.columns import Columns, Floats, Ints
from tapeflow.schemas.market import Tables


class DeskTicks(Columns, frozen=True, eq=False):
    """Rows of one kind of market data, in log order; the columns are those of `Ticks`."""

    offset: Ints
    log_ns: Ints
    instrument: Ints
    event_ns: Ints  # the venue's time; NO_TIME where it sends none
    venue_ns: Ints  # the log time until the desk has set it


class DeskTrades(DeskTicks, frozen=True, eq=False):
    """Accepted trades at prices that are traded: each may fill an order."""

    trade_id: Ints
    price: Floats
    size: Floats


class DeskQuotes(DeskTicks, frozen=True, eq=False):
    """Best bid and ask."""

    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats


class DeskMarkPrices(DeskTicks, frozen=True, eq=False):
    """Mark prices, and what the venue says with them of funding."""

    mark: Floats
    funding_rate: Floats
    funding_ns: Ints


class DeskMarket(Tables, frozen=True, eq=False):
    """The ticks of some records as the desk receives them."""

    trades: DeskTrades = DeskTrades.empty()
    quotes: DeskQuotes = DeskQuotes.empty()
    mark_prices: DeskMarkPrices = DeskMarkPrices.empty()
