"""Binance spot: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>.

    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",
     "q":"0.02000000","T":1723161255342,"m":true,"M":true}
    {"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,
     "T":1672515782136,"m":true,"M":true}
    {"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000",
     "A":"1.54698000"}

`m` is true where the buyer was the maker: then the aggressor sold. `T` is the time of the trade, in
ms, or in us where the connection has timeUnit=MICROSECOND. An aggTrade is the trades `f` to `l` of
one order at one price; a job reads either these or single trades. A bookTicker has neither a time
nor the event name `e`. On a combined stream each frame is wrapped:
`{"stream":"btcusdt@trade","data":{..}}`. Streams of all symbols (`!ticker@arr`) send arrays.

Of a trade all of these fields are essential, of a quote all but its time. `E`, `M`, and the order
ids `b` and `a` that trades had until 2024, are skipped.
"""

from msgspec.structs import replace

from tapeflow.schemas.market import Quotes
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.venues.dialect import (
    ABSENT,
    COMBINED,
    PRESENT,
    SYMBOL,
    Channel,
    Dialect,
    Shape,
    boolean,
    decimal,
    decimal_or_none,
    epoch,
    id_range,
    ignored_channels,
    integer,
    literal,
)

TRADE: Shape = {
    "e": literal("trade"),
    "s": SYMBOL,
    "t": integer("trade_id"),
    "p": decimal("price"),
    "q": decimal("size"),
    "T": epoch("event_ns"),
    "m": boolean("aggressor", false=BUY, true=SELL),
}
AGG_TRADE: Shape = {
    "e": literal("aggTrade"),
    "s": SYMBOL,
    "a": integer("trade_id"),
    "p": decimal("price"),
    "q": decimal("size"),
    **id_range("f", "l"),
    "T": epoch("event_ns"),
    "m": boolean("aggressor", false=BUY, true=SELL),
}
BOOK_TICKER: Shape = {
    "e": ABSENT,
    "u": PRESENT,
    "s": SYMBOL,
    "b": decimal_or_none("bid"),
    "B": decimal_or_none("bid_size"),
    "a": decimal_or_none("ask"),
    "A": decimal_or_none("ask_size"),
}
AGG_TRADES = Channel("aggTrade", AGG_TRADE, table=None, trades="aggTrade", unread=True)
TICKERS = ignored_channels("e", "24hrTicker", "24hrMiniTicker", "1hTicker", "4hTicker", "1dTicker")
EVENTS = ignored_channels(
    "e", "depthUpdate", "kline", "avgPrice", "referencePrice", "blockTrade", "serverShutdown",
    "executionReport", "outboundAccountPosition", "balanceUpdate", "listStatus",
    "externalLockUpdate", "listenKeyExpired", "eventStreamTerminated",
)  # fmt: skip
ANSWERS = (
    Channel("depth", {"lastUpdateId": PRESENT, "bids": PRESENT, "asks": PRESENT}, table=None),
    Channel("ack", {"result": PRESENT, "id": PRESENT}, table=None),
    Channel("error", {"error": PRESENT}, table=None, reason="the venue reports an error"),
    Channel(
        "error", {"code": PRESENT, "msg": PRESENT}, table=None, reason="the venue reports an error"
    ),
)


def in_array(channel: Channel) -> Channel:
    """Return the channel as its stream of all symbols sends it."""
    return replace(channel, name=f"{channel.name}@arr", shape=[channel.shape])


def on_combined_stream(channel: Channel) -> Channel:
    """Return the channel as it comes on a combined stream."""
    shape: Shape = {"stream": PRESENT, "data": channel.shape}
    return replace(channel, name=f"{COMBINED}{channel.name}", shape=shape)


def bare_and_combined(*bare: Channel) -> tuple[Channel, ...]:
    """Return each channel as it comes on a stream of its own, and on a combined one."""
    return (*bare, *map(on_combined_stream, bare))


DIALECT = Dialect(
    (
        *bare_and_combined(
            Channel("trade", TRADE, trades="trade"),
            Channel("bookTicker", BOOK_TICKER, table=Quotes),
            AGG_TRADES,
        ),
        *bare_and_combined(*EVENTS, *TICKERS, *ANSWERS, *map(in_array, TICKERS)),
    )
)


def venue_symbol(base: str, quote: str) -> str:
    """Return the symbol that the venue writes for a pair."""
    return base + quote
