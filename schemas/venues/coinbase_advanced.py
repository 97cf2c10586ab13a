"""Coinbase Advanced Trade: <https://docs.cdp.coinbase.com/advanced-trade/docs/ws-channels>.

    {"channel":"market_trades","timestamp":"2026-08-09T21:05:53.953732465Z","sequence_num":233,
     "events":[{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572102",
     "price":"65083.67","size":"0.00063806","time":"2026-08-09T21:05:53.915769Z","side":"SELL"},..]}]}
    {"channel":"ticker","timestamp":"2026-08-09T21:05:48.348050942Z","sequence_num":11,
     "events":[{"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD",..,
     "best_bid":"65083.66","best_ask":"65083.67","best_bid_quantity":"0.20371215",
     "best_ask_quantity":"0.15556334"}]}]}

`side` is the MAKER's. The trades of a frame come newest first. A snapshot holds the last 100
trades, all older than the subscription. The time of a ticker is its envelope's.
"""

from tapeflow.schemas.market import ACCEPTED, BUY, HISTORICAL, SELL, Quotes
from tapeflow.schemas.venues.dialect import (
    SYMBOL,
    Channel,
    Shape,
    choice,
    decimal,
    decimal_or_zero,
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
    "best_bid": decimal_or_zero("bid"),
    "best_ask": decimal_or_zero("ask"),
    "best_bid_quantity": decimal_or_zero("bid_size"),
    "best_ask_quantity": decimal_or_zero("ask_size"),
}
MARKET_TRADES: Shape = {
    "channel": literal("market_trades"),
    "events": [
        {"type": choice("verdict", {"update": ACCEPTED, "snapshot": HISTORICAL}), "trades": [TRADE]}
    ],
}


def tickers(name: str) -> Channel:
    """Return a ticker channel: of each change, or batched every five seconds."""
    shape: Shape = {
        "channel": literal(name),
        "timestamp": rfc3339("event_ns"),
        "events": [{"tickers": [TICKER]}],
    }
    return Channel(name, shape, table=Quotes)


CHANNELS = (
    Channel("market_trades", MARKET_TRADES, newest_first=True),
    tickers("ticker"),
    tickers("ticker_batch"),
    *ignored_channels(
        "channel", "l2_data", "subscriptions", "heartbeats", "candles", "status", "user"
    ),
)
