"""Coinbase Exchange: <https://docs.cdp.coinbase.com/exchange/docs/websocket-channels>.

    {"type":"match","trade_id":1568268,"maker_order_id":"cac01d6d-8009-4c33-8e0d-f7f853d7c1bc",
     "taker_order_id":"3dec64e4-f6ad-4ca8-ad3f-e5b1a0eb0d06","side":"sell","size":"450",
     "price":"0.791","product_id":"SKL-USD","sequence":201390075,
     "time":"2021-04-17T16:43:37.121358Z"}
    {"type":"ticker","sequence":27883501,"product_id":"SKL-GBP","price":"0.5762",..,
     "best_bid":"0.5742","best_ask":"0.5771","side":"buy","time":"2021-04-17T16:43:37.270697Z",..}

`side` of a match is the MAKER's (of a ticker the taker's): if the maker sells, the aggressor buys.
A last_match, sent after subscribing, is an old trade. A ticker may lack sizes, a side of the book,
and before the first trade of a product its time; one without either side is no quote. `sequence`
and the order ids of a match are skipped: not all recordings have them.
"""

from tapeflow.schemas.market import HISTORICAL, Quotes
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.venues import coinbase_advanced
from tapeflow.schemas.venues.dialect import (
    ABSENT,
    SYMBOL,
    Channel,
    Dialect,
    Shape,
    choice,
    decimal,
    decimal_or_none,
    ignored_channels,
    integer,
    literal,
    rfc3339,
)

MATCH: Shape = {
    "type": literal("match"),
    "trade_id": integer("trade_id"),
    "side": choice("aggressor", {"buy": SELL, "sell": BUY}),
    "size": decimal("size"),
    "price": decimal("price"),
    "product_id": SYMBOL,
    "time": rfc3339("event_ns"),
}
TICKER: Shape = {
    "type": literal("ticker"),
    "product_id": SYMBOL,
    "best_bid": decimal_or_none("bid", optional=True, usual=True),
    "best_bid_size": decimal_or_none("bid_size", optional=True),
    "best_ask": decimal_or_none("ask", optional=True, usual=True),
    "best_ask_size": decimal_or_none("ask_size", optional=True),
    "time": rfc3339("event_ns", optional=True),
}
NO_QUOTE: Shape = {"type": literal("ticker"), "best_bid": ABSENT, "best_ask": ABSENT}

EXCHANGE = (
    Channel("match", MATCH),
    Channel("last_match", {**MATCH, "type": literal("last_match")}, verdict=HISTORICAL),
    Channel("ticker", NO_QUOTE, table=None),
    Channel("ticker", TICKER, table=Quotes),
    *ignored_channels(
        "type", "snapshot", "l2update", "subscriptions", "heartbeat", "status", "received", "open",
        "done", "change", "activate", "auction", "auctionfeed", "rfq_match", "balance", "noop",
        "level3",
    ),
    Channel("error", {"type": literal("error")}, table=None, reason="the venue reports an error"),
)  # fmt: skip

DIALECT = Dialect((*EXCHANGE, *coinbase_advanced.CHANNELS))  # both feeds: one market


def venue_symbol(base: str, quote: str) -> str:
    """Return the symbol that the venue writes for a pair."""
    return f"{base}-{quote}"
