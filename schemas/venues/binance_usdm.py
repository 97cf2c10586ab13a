"""Binance USD-M futures: <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

    {"e":"trade","E":1723161256560,"T":1723161256560,"s":"ETHUSDT","t":4308068523,"p":"2681.62",
     "q":"1.000","X":"MARKET","m":true}
    {"e":"bookTicker","u":5123107838717,"s":"ETHUSDT","b":"2681.62","B":"1.165","a":"2681.63",
     "A":"73.077","T":1723161256310,"E":1723161256311}

Only trades with `X` = MARKET are executions in the order book: INSURANCE_FUND, ADL and NA are
outside of it and count in no bar, whatever price and size they show; those of NA are often "0".
Recordings from before there was an `X` hold trades of the order book. `T` is the time of the trade
or change, in ms or us; bookTickers of 2019 have neither `e` nor `T`, mark prices of 2019 no `i`.
Frames come bare, or wrapped on a combined stream; of all symbols (`!markPrice@arr`) as an array.
"""

from tapeflow.schemas.market import ACCEPTED, OFF_MARKET, MarkPrices, Quotes
from tapeflow.schemas.venues import binance
from tapeflow.schemas.venues.dialect import (
    SYMBOL,
    Channel,
    Dialect,
    Field,
    Kind,
    Shape,
    choice,
    decimal,
    decimal_or_none,
    epoch,
    ignored_channels,
    literal,
)

TRADE: Shape = {
    **binance.TRADE,
    "p": decimal("price", only_accepted=True),
    "q": decimal("size", only_accepted=True),
    "X": choice("verdict", {"MARKET": ACCEPTED}, other=OFF_MARKET, optional=True),
}
BOOK_TICKER: Shape = {
    **{name: field for name, field in binance.BOOK_TICKER.items() if name != "u"},
    "e": literal("bookTicker"),
    "T": epoch("event_ns", optional=True),
}
MARK_PRICE: Shape = {  # of contracts that expire r is "", and T is 0
    "e": literal("markPriceUpdate"),
    "s": SYMBOL,
    "E": epoch("event_ns"),
    "p": decimal_or_none("mark"),
    "i": decimal_or_none("index", optional=True),
    "r": Field(Kind.SIGNED_OR_NONE, "funding_rate", optional=True),
    "T": Field(Kind.EPOCH_OR_NONE, "funding_ns", optional=True),
}
MARK_PRICES = Channel("markPriceUpdate", MARK_PRICE, table=MarkPrices)
OF_ALL_SYMBOLS = ignored_channels(
    "e", "24hrTicker", "24hrMiniTicker", "assetIndexUpdate", "forceOrder", "compositeIndex",
    "contractInfo",
)  # fmt: skip
EVENTS = ignored_channels(
    "e", "depthUpdate", "kline", "continuous_kline", "tradingSession", "serverShutdown",
    "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE", "ALGO_UPDATE", "MARGIN_CALL",
    "ACCOUNT_CONFIG_UPDATE", "STRATEGY_UPDATE", "GRID_UPDATE",
    "listenKeyExpired",
)  # fmt: skip

DIALECT = Dialect(
    binance.bare_and_combined(
        Channel("trade", TRADE, trades="trade"),
        Channel("bookTicker", BOOK_TICKER, table=Quotes),
        Channel("bookTicker", binance.BOOK_TICKER, table=Quotes),
        MARK_PRICES,
        binance.AGG_TRADES,
        *EVENTS,
        *OF_ALL_SYMBOLS,
        *binance.ANSWERS,
        binance.in_array(MARK_PRICES),
        *map(binance.in_array, OF_ALL_SYMBOLS),
    )
)
venue_symbol = binance.venue_symbol
