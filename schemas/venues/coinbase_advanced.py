"""Coinbase Advanced Trade: <https://docs.cdp.coinbase.com/advanced-trade/docs/ws-channels>.

    {"channel":"market_trades","timestamp":"2026-08-09T21:05:53.953732465Z","sequence_num":233,
     "events":[{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572102",
     "price":"65083.67","size":"0.00063806","time":"2026-08-09T21:05:53.915769Z","side":"SELL"},..]}]}
    {"channel":"ticker","timestamp":"2026-08-09T21:05:48.348050942Z","sequence_num":11,
     "events":[{"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD",..,
     "best_bid":"65083.66","best_ask":"65083.67","best_bid_quantity":"0.20371215",
     "best_ask_quantity":"0.15556334"}]}]}

`side` is the MAKER's. The trades of a frame come newest first. A snapshot holds the last 100
trades, all older than the subscription. The time of a ticker is its envelope's; a side of it may be
empty (""), its quantities are missing in older recordings, and tickers of a ticker_batch often have
neither side: then they are no quotes.
"""

from tapeflow.schemas.market import ACCEPTED, HISTORICAL, Quotes
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.venues.dialect import (
    ABSENT,
    SYMBOL,
    Channel,
    Shape,
    choice,
    decimal,
    decimal_or_none,
    ignored_channels,
    integer_text,
    literal,
    rfc3339,
)

TRADE: Shape = {
    "product_id": SYMBOL,
    "trade_id": integer_text("trade_id"),
    "price": decimal("price"),
    "size": decimal("size"),
    "time": rfc3339("event_ns"),
    "side": choice("aggressor", {"BUY": SELL, "SELL": BUY}),
}
TICKER: Shape = {
    "product_id": SYMBOL,
    "best_bid": decimal_or_none("bid", optional=True, usual=True),
    "best_ask": decimal_or_none("ask", optional=True, usual=True),
    "best_bid_quantity": decimal_or_none("bid_size", optional=True),
    "best_ask_quantity": decimal_or_none("ask_size", optional=True),
}
NO_QUOTE: Shape = {"best_bid": ABSENT, "best_ask": ABSENT}
MARKET_TRADES: Shape = {
    "channel": literal("market_trades"),
    "events": [
        {"type": choice("verdict", {"update": ACCEPTED, "snapshot": HISTORICAL}), "trades": [TRADE]}
    ],
}


def tickers(name: str) -> tuple[Channel, Channel]:
    """Return a ticker channel, of each change or batched, as it comes without and with quotes."""
    without: Shape = {"channel": literal(name), "events": [{"tickers": [NO_QUOTE]}]}
    shape: Shape = {
        "channel": literal(name),
        "timestamp": rfc3339("event_ns"),
        "events": [{"tickers": [TICKER]}],
    }
    return Channel(name, without, table=None), Channel(name, shape, table=Quotes)


CHANNELS = (
    Channel("market_trades", MARKET_TRADES, newest_first=True),
    *tickers("ticker"),
    *tickers("ticker_batch"),
    *ignored_channels(
        "channel", "l2_data", "level2", "subscriptions", "heartbeats", "candles", "status", "user",
        "futures_balance_summary",
    ),
)  # fmt: skip
