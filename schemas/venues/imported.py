"""Our own dialect: what `tapeflow import` writes, the same for every venue, in its partitions.

    {"tapeflow":"trade","symbol":"BTCUSDT","id":3735683259,"price":"61837.63000000",
     "size":"0.02000000","side":"sell","event":1723161255342,"received":1723161255398211000}
    {"tapeflow":"aggTrade","symbol":"BTCUSDT","id":12345,"price":"0.001","size":"100","side":"buy",
     "first":100,"last":105,"event":1672515782136}
    {"tapeflow":"quote","symbol":"BTC-USD","bid":"65083.66","bid_size":"0.2","ask":"65083.67",
     "ask_size":"","event":1786309553953732}

Prices and sizes are the text of the source. `symbol` is as the venue writes it, `side` the
aggressor's. `event`, the venue's time, is in s, ms, us or ns, as its digits show; a quote may have
none. `received` is there where the source has it; the log time of the record says it too, unless it
was moved so as not to go back: so it is not read.

A partition may hold these frames and the venue's own. An aggTrade is read whatever `[market]
trades` says: an import is of one kind of trades.
"""

from tapeflow.schemas.market import Quotes
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.venues.dialect import (
    SYMBOL,
    Channel,
    Shape,
    choice,
    decimal,
    decimal_or_none,
    epoch,
    id_range,
    integer,
    literal,
)

KIND = "tapeflow"  # the key that distinguishes our frames from those of every venue
TRADE: Shape = {
    KIND: literal("trade"),
    "symbol": SYMBOL,
    "id": integer("trade_id"),
    "price": decimal("price"),
    "size": decimal("size"),
    "side": choice("aggressor", {"buy": BUY, "sell": SELL}),
    "event": epoch("event_ns"),
}
AGG_TRADE: Shape = {**TRADE, KIND: literal("aggTrade"), **id_range("first", "last")}
QUOTE: Shape = {
    KIND: literal("quote"),
    "symbol": SYMBOL,
    "bid": decimal_or_none("bid"),
    "bid_size": decimal_or_none("bid_size"),
    "ask": decimal_or_none("ask"),
    "ask_size": decimal_or_none("ask_size"),
    "event": epoch("event_ns", optional=True),
}
CHANNELS = (
    Channel("imported.trade", TRADE, imported=True),
    Channel("imported.aggTrade", AGG_TRADE, imported=True),
    Channel("imported.quote", QUOTE, table=Quotes, imported=True),
)
