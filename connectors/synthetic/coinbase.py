"""The frames of the synthetic market's Coinbase Exchange.

SynthTrades --coinbase_trades--> b'{"type":"match",..}', ...
TopOfBook   --coinbase_quotes--> b'{"type":"ticker",..}', ...
"""

import numpy as np

from tapeflow.connectors.synthetic.frames import book_columns, format_frames, rfc3339_columns
from tapeflow.connectors.synthetic.listings import (
    FIRST_ID,
    Frames,
    Listing,
    Rng,
    SynthTrades,
    TopOfBook,
    Venue,
)
from tapeflow.schemas.columns import Ints

MATCH = (
    '{"type":"match","trade_id":%d,"maker_order_id":"%b","taker_order_id":"%b","side":"%b",'
    '"size":"%.12g","price":"<p>","product_id":"<S>","sequence":%d,"time":"%b.%06dZ"}'
)
TICKER = (
    '{"type":"ticker","sequence":%d,"product_id":"<S>","price":"<p>","open_24h":"<open>",'
    '"volume_24h":"<day>","low_24h":"<low>","high_24h":"<high>","volume_30d":"<month>",'
    '"best_bid":"<p>","best_bid_size":"%.8f","best_ask":"<p>","best_ask_size":"%.8f","side":"%b",'
    '"time":"%b.%06dZ","trade_id":%d,"last_size":"%.12g"}'
)
TAKER, MAKER = (b"sell", b"buy"), (b"buy", b"sell")  # for a taker that sells, that buys
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
UUID_LENGTH = 36
DASH_INDEXES = (8, 13, 18, 23)
DIGIT_INDEXES = np.setdiff1d(np.arange(UUID_LENGTH), DASH_INDEXES)


def coinbase_trades(listing: Listing, trades: SynthTrades, rng: Rng) -> Frames:
    """Return matches, each order with an id of its own."""
    count = len(trades.sweep)
    makers = uuids(count, rng)
    takers = uuids(int(trades.sweep[-1]) + 1 if count else 0, rng)
    return format_frames(
        listing.trade_template,
        trades.trade_id.tolist(),
        makers,
        map(takers.__getitem__, trades.sweep.tolist()),
        map(MAKER.__getitem__, trades.buy.tolist()),
        listing.coins(trades.size),
        listing.dollars(trades.price),
        sequence_of(trades.trade_id).tolist(),
        *rfc3339_columns(trades.event_us),
    )


def coinbase_quotes(listing: Listing, tops: TopOfBook, trades: SynthTrades) -> Frames:
    """Return tickers: one after each taking order, with its last match."""
    last = np.searchsorted(trades.sweep, np.arange(len(tops.update_id)), side="right") - 1
    bid, bid_size, ask, ask_size = book_columns(listing, tops)
    return format_frames(
        listing.quote_template,
        sequence_of(trades.trade_id[last]).tolist(),
        listing.dollars(trades.price[last]),
        bid,
        bid_size,
        ask,
        ask_size,
        map(TAKER.__getitem__, trades.buy[last].tolist()),
        *rfc3339_columns(tops.event_us),
        trades.trade_id[last].tolist(),
        listing.coins(trades.size[last]),
    )


def sequence_of(trade_id: Ints) -> Ints:
    """Return sequence numbers: they count all changes of the book, so outgrow the trade ids."""
    return trade_id * 37 + trade_id % 29


def uuids(count: int, rng: Rng) -> list[bytes]:
    """Draw random order ids (UUID version 4), as text."""
    text = np.full((count, UUID_LENGTH), ord("-"), np.uint8)
    text[:, DIGIT_INDEXES] = HEX[rng.integers(0, 16, (count, len(DIGIT_INDEXES)), np.uint8)]
    text[:, 14] = ord("4")  # version 4: random
    return text.reshape(-1).view(f"S{UUID_LENGTH}").tolist() if count else []


# --- other frames on the same socket ---

COINBASE_FOREIGN = (
    '{"type":"match","trade_id":<ms>,"side":"sell","size":"52000000","price":"0.00000672",'
    '"product_id":"PEPE-USD","sequence":<us>,"time":"<time>Z"}',
    '{"type":"l2update","product_id":"<S>","changes":[["sell","<price>","0.00000000"]],'
    '"time":"<time>Z"}',
    '{"type":"heartbeat","sequence":<us>,"last_trade_id":<ms>,"product_id":"<S>","time":"<time>Z"}',
)


def coinbase_ack(listings: list[Listing], us: int, rng: Rng) -> Frames:
    """Return Coinbase's answer to a subscription: its channels, and each product's last match."""
    products = ",".join(f'"{listing.symbol}"' for listing in listings)
    names = ("matches", "ticker", "heartbeat")
    channels = ",".join(f'{{"name":"{name}","product_ids":[{products}]}}' for name in names)
    one = np.ones(1, np.int64)
    old_trades = [
        SynthTrades(
            event_us=one * (us - 730_000),
            trade_id=one * (FIRST_ID - 1),
            price=one * round(listing.coin.price * listing.per_dollar),
            size=one
            * round(listing.coin.trade_notional_mean / listing.coin.price * listing.per_coin),
            buy=one,
            off_market=0 * one,
            sweep=0 * one,
        )
        for listing in listings
    ]
    matches = [
        coinbase_trades(listing, trade, rng)[0]
        for listing, trade in zip(listings, old_trades, strict=True)
    ]
    last = [match.replace(b'"match"', b'"last_match"') for match in matches]
    return [f'{{"type":"subscriptions","channels":[{channels}]}}'.encode(), *last]


COINBASE = Venue(
    number=2, name="coinbase", id="{}-USD.COINBASE", symbol="{}-USD",
    share=0.23, quote_share=0.0, off_market=0.0, lag=6, latency_us=5_400, basis_bps=1.5,
    decimals=0, templates=(MATCH, TICKER), foreign=COINBASE_FOREIGN,
    format_trades=coinbase_trades, format_quotes=coinbase_quotes,
    subscription_ack=coinbase_ack,
)  # fmt: skip
