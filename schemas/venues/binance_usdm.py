"""Binance USD-M futures: <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

    {"e":"trade","E":1723161256560,"T":1723161256560,"s":"ETHUSDT","t":4308068523,"p":"2681.62",
     "q":"1.000","X":"MARKET","m":true}
    {"e":"bookTicker","u":5123107838717,"s":"ETHUSDT","b":"2681.62","B":"1.165","a":"2681.63",
     "A":"73.077","T":1723161256310,"E":1723161256311}

Only trades with `X` = MARKET are executions in the order book: INSURANCE_FUND and ADL are outside
of it and count in no bar. `T` is the time of the trade or change, in ms. Frames come bare, or
wrapped on a combined stream.
"""

from tapeflow.schemas.market import ACCEPTED, OFF_MARKET, MarkPrices, Quotes
from tapeflow.schemas.venues import binance
from tapeflow.schemas.venues.dialect import (
    SYMBOL,
    Channel,
    Dialect,
    Shape,
    choice,
    decimal_or_zero,
    ignored_channels,
    literal,
    millis,
)

TRADE: Shape = {**binance.TRADE, "X": choice("verdict", {"MARKET": ACCEPTED}, other=OFF_MARKET)}
BOOK_TICKER: Shape = {
    **{name: field for name, field in binance.BOOK_TICKER.items() if name != "u"},
    "e": literal("bookTicker"),
    "T": millis("event_ns"),
}
MARK_PRICE: Shape = {
    "e": literal("markPriceUpdate"),
    "s": SYMBOL,
    "E": millis("event_ns"),
    "p": decimal_or_zero("mark"),
    "i": decimal_or_zero("index"),
}
EVENTS = ignored_channels(
    "e", "depthUpdate", "aggTrade", "kline", "continuous_kline", "forceOrder",
    "24hrMiniTicker", "24hrTicker", "compositeIndex", "contractInfo", "assetIndexUpdate",
)  # fmt: skip

DIALECT = Dialect(
    binance.bare_and_combined(
        Channel("trade", TRADE),
        Channel("bookTicker", BOOK_TICKER, table=Quotes),
        Channel("markPriceUpdate", MARK_PRICE, table=MarkPrices),
        *EVENTS,
        *binance.ANSWERS,
    )
)
venue_symbol = binance.venue_symbol
