"""How each venue of the made-up market writes a frame.

    Prints (ticks, lots, µs) --prints--> b'{"stream":"btcusdt@trade","data":{..}}', ...
    Tops   (ticks, lots, µs) --tops----> b'{"stream":"btcusdt@bookTicker","data":{..}}', ...

A frame is one `%` on a template of bytes that was made once for its instrument.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tapeflow.connectors.synthetic.listings import (
    COINS,
    FIRST_ID,
    Frames,
    Listing,
    Rng,
    SynthTrades,
    TopOfBook,
    Venue,
    filled,
)
from tapeflow.schemas.columns import Ints


def written(form: bytes, *columns: Iterable[Any]) -> Frames:
    """Write a frame for each row."""
    return list(map(form.__mod__, zip(*columns, strict=True)))


def book(listing: Listing, tops: TopOfBook) -> tuple[list[float], ...]:
    """Give bid, its size, ask, its size."""
    bid, ask = listing.dollars(tops.bid), listing.dollars(tops.ask)
    return bid, listing.coins(tops.bid_size), ask, listing.coins(tops.ask_size)


# --- Binance ------------------------------------------------------------------------------

SPOT_PRINT = (
    '{"stream":"<s>@trade","data":{"e":"trade","E":%d,"s":"<S>","t":%d,"p":"<p>","q":"<q>","T":%d,'
    '"m":%b,"M":true}}'
)
SPOT_TOP = (
    '{"stream":"<s>@bookTicker","data":{"u":%d,"s":"<S>","b":"<p>","B":"<q>","a":"<p>","A":"<q>"}}'
)
USDM_PRINT = (
    '{"stream":"<s>@trade","data":{"e":"trade","E":%d,"T":%d,"s":"<S>","t":%d,"p":"<p>","q":"<q>",'
    '"X":"%b","m":%b}}'
)
USDM_TOP = (
    '{"stream":"<s>@bookTicker","data":{"e":"bookTicker","u":%d,"s":"<S>","b":"<p>","B":"<q>",'
    '"a":"<p>","A":"<q>","T":%d,"E":%d}}'
)
MAKER_BUYS = (b"true", b"false")  # by whether a buyer took
X = (b"MARKET", b"INSURANCE_FUND")  # by whether off market


def spot_prints(listing: Listing, prints: SynthTrades, _rng: Rng) -> Frames:
    """Write trades of Binance spot."""
    return written(listing.print_form, *trade_columns(listing, prints))


def usdm_prints(listing: Listing, prints: SynthTrades, _rng: Rng) -> Frames:
    """Write trades of Binance USD-M."""
    sent, ids, price, size, ms, maker_buys = trade_columns(listing, prints)
    market = map(X.__getitem__, prints.off_market.tolist())
    return written(listing.print_form, sent, ms, ids, price, size, market, maker_buys)


def trade_columns(listing: Listing, prints: SynthTrades) -> tuple[Iterable[Any], ...]:
    """Give E, t, p, q, T, m."""
    ms = prints.event_us // 1000
    sent = (prints.event_us + 400) // 1000
    maker_buys = map(MAKER_BUYS.__getitem__, prints.buy.tolist())
    price, size = listing.dollars(prints.price), listing.coins(prints.size)
    return sent.tolist(), prints.trade_id.tolist(), price, size, ms.tolist(), maker_buys


def spot_tops(listing: Listing, tops: TopOfBook, _prints: SynthTrades) -> Frames:
    """Write best bids and asks of Binance spot, without any time."""
    return written(listing.top_form, tops.number.tolist(), *book(listing, tops))


def usdm_tops(listing: Listing, tops: TopOfBook, _prints: SynthTrades) -> Frames:
    """Write best bids and asks of Binance USD-M."""
    changed = tops.event_us // 1000
    sent = changed + tops.number % 2
    sides = book(listing, tops)
    return written(listing.top_form, tops.number.tolist(), *sides, changed.tolist(), sent.tolist())


# --- Coinbase Exchange --------------------------------------------------------------------

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
TAKER, MAKER = (b"sell", b"buy"), (b"buy", b"sell")  # by whether a buyer took
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
UUID_LENGTH = 36
DASHES = (8, 13, 18, 23)
DIGITS = np.setdiff1d(np.arange(UUID_LENGTH), DASHES)


def coinbase_prints(listing: Listing, prints: SynthTrades, rng: Rng) -> Frames:
    """Write matches, each order with an id of its own."""
    count = len(prints.sweep)
    makers = uuids(count, rng)
    takers = uuids(int(prints.sweep[-1]) + 1 if count else 0, rng)
    return written(
        listing.print_form,
        prints.trade_id.tolist(),
        makers,
        map(takers.__getitem__, prints.sweep.tolist()),
        map(MAKER.__getitem__, prints.buy.tolist()),
        listing.coins(prints.size),
        listing.dollars(prints.price),
        sequence_of(prints.trade_id).tolist(),
        *clock(prints.event_us),
    )


def coinbase_tops(listing: Listing, tops: TopOfBook, prints: SynthTrades) -> Frames:
    """Write tickers: one after each taking order, that tells of its last match too."""
    last = np.searchsorted(prints.sweep, np.arange(len(tops.number)), side="right") - 1
    bid, bid_size, ask, ask_size = book(listing, tops)
    return written(
        listing.top_form,
        sequence_of(prints.trade_id[last]).tolist(),
        listing.dollars(prints.price[last]),
        bid,
        bid_size,
        ask,
        ask_size,
        map(TAKER.__getitem__, prints.buy[last].tolist()),
        *clock(tops.event_us),
        prints.trade_id[last].tolist(),
        listing.coins(prints.size[last]),
    )


def sequence_of(trade_id: Ints) -> Ints:
    """Make a number that grows with every change of the book, and so faster than the ids."""
    return trade_id * 37 + trade_id % 29


def uuids(count: int, rng: Rng) -> list[bytes]:
    """Draw ids of orders, as text."""
    text = np.full((count, UUID_LENGTH), ord("-"), np.uint8)
    text[:, DIGITS] = HEX[rng.integers(0, 16, (count, len(DIGITS)), np.uint8)]
    text[:, 14] = ord("4")  # the version that says: random
    return text.reshape(-1).view(f"S{UUID_LENGTH}").tolist() if count else []


def clock(event_us: Ints) -> tuple[Iterable[bytes], list[int]]:
    """Give the text of whole seconds, and the microseconds that follow it."""
    second, us = np.divmod(event_us, 1_000_000)
    first = int(second.min(initial=2**40))
    texts = [calendar(first + number) for number in range(int(second.max(initial=0)) - first + 1)]
    return map(texts.__getitem__, (second - first).tolist()), us.tolist()


def calendar(second: int) -> bytes:
    """Write a second since the epoch as RFC 3339 without the end.

    >>> calendar(1767603600)
    b'2026-01-05T09:00:00'
    """
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


# --- what else comes on these sockets -----------------------------------------------------

SPOT_OTHERS = (
    '{"stream":"pepeusdt@trade","data":{"e":"trade","E":<ms>,"s":"PEPEUSDT","t":<ms>,'
    '"p":"0.00000672","q":"1480000.00000000","T":<ms>,"m":false,"M":true}}',
    '{"stream":"<s>@depth@100ms","data":{"e":"depthUpdate","E":<ms>,"s":"<S>","U":<us>,"u":<us>,'
    '"b":[["<price>","0.00000000"]],"a":[]}}',
    '{"stream":"<s>@kline_1m","data":{"e":"kline","E":<ms>,"s":"<S>","k":{"s":"<S>","i":"1m",'
    '"o":"<price>","c":"<price>","h":"<price>","l":"<price>","n":1,"x":false}}}',
)
USDM_OTHERS = (
    SPOT_OTHERS[0].replace('"m":', '"X":"MARKET","m":').replace(',"M":true', ""),
    '{"stream":"<s>@depth@100ms","data":{"e":"depthUpdate","E":<ms>,"T":<ms>,"s":"<S>","U":<us>,'
    '"u":<us>,"pu":<ms>,"b":[],"a":[["<price>","0"]]}}',
    '{"stream":"<s>@markPrice@1s","data":{"e":"markPriceUpdate","E":<ms>,"s":"<S>","p":"<price>",'
    '"P":"<price>","i":"<price>","r":"0.00002754","T":<ms>}}',
)
COINBASE_OTHERS = (
    '{"type":"match","trade_id":<ms>,"side":"sell","size":"52000000","price":"0.00000672",'
    '"product_id":"PEPE-USD","sequence":<us>,"time":"<time>Z"}',
    '{"type":"l2update","product_id":"<S>","changes":[["sell","<price>","0.00000000"]],'
    '"time":"<time>Z"}',
    '{"type":"heartbeat","sequence":<us>,"last_trade_id":<ms>,"product_id":"<S>","time":"<time>Z"}',
)


def other(listing: Listing, kind: int, us: int) -> bytes:
    """Write something else: an unlisted coin's trade (0), or of a channel nobody here reads."""
    form = listing.venue.others[kind % len(listing.venue.others)]
    time = f"{calendar(us // 1_000_000).decode()}.{us % 1_000_000:06d}"
    known = {"s": listing.symbol.lower(), "S": listing.symbol, "price": f"{listing.coin.price:g}"}
    return filled(form, {**known, "ms": str(us // 1000), "us": str(us), "time": time})


def binance_greeting(_listings: list[Listing], _us: int, _rng: Rng) -> Frames:
    """Answer the subscription as Binance does."""
    return [b'{"result":null,"id":1}']


def coinbase_greeting(listings: list[Listing], us: int, rng: Rng) -> Frames:
    """Confirm the subscription as Coinbase does, with an old match of every product."""
    products = ",".join(f'"{listing.symbol}"' for listing in listings)
    names = ("matches", "ticker", "heartbeat")
    channels = ",".join(f'{{"name":"{name}","product_ids":[{products}]}}' for name in names)
    one = np.ones(1, np.int64)
    old = [
        SynthTrades(
            event_us=one * (us - 730_000),
            trade_id=one * (FIRST_ID - 1),
            price=one * round(each.coin.price * each.per_dollar),
            size=one * round(each.coin.usual / each.coin.price * each.per_coin),
            buy=one,
            off_market=0 * one,
            sweep=0 * one,
        )
        for each in listings
    ]
    matches = [coinbase_prints(*each, rng)[0] for each in zip(listings, old, strict=True)]
    last = [match.replace(b'"match"', b'"last_match"') for match in matches]
    return [f'{{"type":"subscriptions","channels":[{channels}]}}'.encode(), *last]


# --- the three ----------------------------------------------------------------------------

VENUES = (
    Venue(
        number=0, name="binance", id="{}-USDT.BINANCE", symbol="{}USDT",
        share=0.42, quotes=0.74, off_market=0.0, lag=4, latency_us=2_600, basis_bps=0.0,
        decimals=8, forms=(SPOT_PRINT, SPOT_TOP), others=SPOT_OTHERS,
        prints=spot_prints, tops=spot_tops, subscription_ack=binance_greeting,
    ),
    Venue(
        number=1, name="binance-usdm", id="{}-USDT-PERP.BINANCE-USDM", symbol="{}USDT",
        share=0.35, quotes=0.77, off_market=4e-4, lag=3, latency_us=3_100, basis_bps=-3.5,
        decimals=0, forms=(USDM_PRINT, USDM_TOP), others=USDM_OTHERS,
        prints=usdm_prints, tops=usdm_tops, subscription_ack=binance_greeting,
    ),
    Venue(
        number=2, name="coinbase", id="{}-USD.COINBASE", symbol="{}-USD",
        share=0.23, quotes=0.0, off_market=0.0, lag=6, latency_us=5_400, basis_bps=1.5,
        decimals=0, forms=(MATCH, TICKER), others=COINBASE_OTHERS,
        prints=coinbase_prints, tops=coinbase_tops, subscription_ack=coinbase_greeting,
    ),
)  # fmt: skip
LISTINGS = tuple(Listing(venue, coin) for venue in VENUES for coin in COINS)
