"""Binance spot: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>.

    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",
     "q":"0.02000000","T":1723161255342,"m":true,"M":true}
    {"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000",
     "A":"1.54698000"}

`m` is true where the buyer was the maker: then the aggressor sold. `T` is the time of the trade, in
ms. A bookTicker has neither a time nor the event name `e`. On a combined stream each frame is
wrapped: `{"stream":"btcusdt@trade","data":{..}}`.
"""

from msgspec.structs import replace

from tapeflow.schemas.market import BUY, SELL, Quotes
from tapeflow.schemas.venues.dialect import (
    ABSENT,
    PRESENT,
    SYMBOL,
    Channel,
    Dialect,
    Shape,
    boolean,
    decimal,
    decimal_or_zero,
    ignored_channels,
    integer,
    literal,
    millis,
)

TRADE: Shape = {
    "e": literal("trade"),
    "s": SYMBOL,
    "t": integer("trade_id"),
    "p": decimal("price"),
    "q": decimal("size"),
    "T": millis("event_ns"),
    "m": boolean("aggressor", false=BUY, true=SELL),
}
BOOK_TICKER: Shape = {
    "e": ABSENT,
    "u": PRESENT,
    "s": SYMBOL,
    "b": decimal_or_zero("bid"),
    "B": decimal_or_zero("bid_size"),
    "a": decimal_or_zero("ask"),
    "A": decimal_or_zero("ask_size"),
}
EVENTS = ignored_channels(
    "e", "depthUpdate", "aggTrade", "kline", "24hrMiniTicker", "24hrTicker", "1hTicker", "4hTicker",
    "1dTicker", "avgPrice", "serverShutdown",
)  # fmt: skip
ANSWERS = (
    Channel("depth", {"lastUpdateId": PRESENT, "bids": PRESENT, "asks": PRESENT}, table=None),
    Channel("ack", {"result": PRESENT, "id": PRESENT}, table=None),
    Channel("error", {"error": PRESENT}, table=None, reason="the venue reports an error"),
    Channel(
        "error", {"code": PRESENT, "msg": PRESENT}, table=None, reason="the venue reports an error"
    ),
)


def on_combined_stream(channel: Channel) -> Channel:
    """Return the channel as it comes on a combined stream."""
    shape: Shape = {"stream": PRESENT, "data": channel.shape}
    return replace(channel, name=f"combined.{channel.name}", shape=shape)


def bare_and_combined(*bare: Channel) -> tuple[Channel, ...]:
    """Return each channel as it comes on a stream of its own, and on a combined one."""
    return (*bare, *map(on_combined_stream, bare))


DIALECT = Dialect(
    (
        *bare_and_combined(
            Channel("trade", TRADE), Channel("bookTicker", BOOK_TICKER, table=Quotes)
        ),
        *bare_and_combined(*EVENTS, *ANSWERS),
    )
)


def venue_symbol(base: str, quote: str) -> str:
    """Return the symbol that the venue writes for a pair."""
    return base + quote
