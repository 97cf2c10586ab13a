"""The frames of the synthetic market's Binance spot and USD-M futures.

SynthTrades --spot_trades, usdm_trades--> b'{"stream":"btcusdt@trade","data":{..}}', ...
TopOfBook   --spot_quotes, usdm_quotes--> b'{"stream":"btcusdt@bookTicker","data":{..}}', ...
"""

from collections.abc import Iterable
from typing import Any

from tapeflow.connectors.synthetic.frames import book_columns, format_frames
from tapeflow.connectors.synthetic.listings import (
    Frames,
    Listing,
    Rng,
    SynthTrades,
    TopOfBook,
    Venue,
)

SPOT_TRADE = (
    '{"stream":"<s>@trade","data":{"e":"trade","E":%d,"s":"<S>","t":%d,"p":"<p>","q":"<q>","T":%d,'
    '"m":%b,"M":true}}'
)
SPOT_QUOTE = (
    '{"stream":"<s>@bookTicker","data":{"u":%d,"s":"<S>","b":"<p>","B":"<q>","a":"<p>","A":"<q>"}}'
)
USDM_TRADE = (
    '{"stream":"<s>@trade","data":{"e":"trade","E":%d,"T":%d,"s":"<S>","t":%d,"p":"<p>","q":"<q>",'
    '"X":"%b","m":%b}}'
)
USDM_QUOTE = (
    '{"stream":"<s>@bookTicker","data":{"e":"bookTicker","u":%d,"s":"<S>","b":"<p>","B":"<q>",'
    '"a":"<p>","A":"<q>","T":%d,"E":%d}}'
)
MAKER_BUYS = (b"true", b"false")  # for a taker that sells, that buys
X = (b"MARKET", b"INSURANCE_FUND")  # at a price of the market, off it


def spot_trades(listing: Listing, trades: SynthTrades, _rng: Rng) -> Frames:
    """Return trades as Binance spot sends them."""
    return format_frames(listing.trade_template, *trade_columns(listing, trades))


def usdm_trades(listing: Listing, trades: SynthTrades, _rng: Rng) -> Frames:
    """Return trades as Binance USD-M sends them."""
    sent_ms, ids, price, size, trade_ms, maker_buys = trade_columns(listing, trades)
    market = map(X.__getitem__, trades.off_market.tolist())
    return format_frames(
        listing.trade_template, sent_ms, trade_ms, ids, price, size, market, maker_buys
    )


def trade_columns(listing: Listing, trades: SynthTrades) -> tuple[Iterable[Any], ...]:
    """Return Binance's fields E, t, p, q, T, m as columns."""
    trade_ms = trades.event_us // 1000
    sent_ms = (trades.event_us + 400) // 1000
    maker_buys = map(MAKER_BUYS.__getitem__, trades.buy.tolist())
    price, size = listing.dollars(trades.price), listing.coins(trades.size)
    return sent_ms.tolist(), trades.trade_id.tolist(), price, size, trade_ms.tolist(), maker_buys


def spot_quotes(listing: Listing, tops: TopOfBook, _trades: SynthTrades) -> Frames:
    """Return best bids and asks as Binance spot sends them, without any time."""
    sides = book_columns(listing, tops)
    return format_frames(listing.quote_template, tops.update_id.tolist(), *sides)


def usdm_quotes(listing: Listing, tops: TopOfBook, _trades: SynthTrades) -> Frames:
    """Return best bids and asks as Binance USD-M sends them."""
    changed_ms = tops.event_us // 1000
    sent_ms = changed_ms + tops.update_id % 2
    sides = book_columns(listing, tops)
    times = changed_ms.tolist(), sent_ms.tolist()
    return format_frames(listing.quote_template, tops.update_id.tolist(), *sides, *times)


# --- other frames on the same sockets ---

SPOT_FOREIGN = (
    '{"stream":"pepeusdt@trade","data":{"e":"trade","E":<ms>,"s":"PEPEUSDT","t":<ms>,'
    '"p":"0.00000672","q":"1480000.00000000","T":<ms>,"m":false,"M":true}}',
    '{"stream":"<s>@depth@100ms","data":{"e":"depthUpdate","E":<ms>,"s":"<S>","U":<us>,"u":<us>,'
    '"b":[["<price>","0.00000000"]],"a":[]}}',
    '{"stream":"<s>@kline_1m","data":{"e":"kline","E":<ms>,"s":"<S>","k":{"s":"<S>","i":"1m",'
    '"o":"<price>","c":"<price>","h":"<price>","l":"<price>","n":1,"x":false}}}',
)
USDM_FOREIGN = (
    SPOT_FOREIGN[0].replace('"m":', '"X":"MARKET","m":').replace(',"M":true', ""),
    '{"stream":"<s>@depth@100ms","data":{"e":"depthUpdate","E":<ms>,"T":<ms>,"s":"<S>","U":<us>,'
    '"u":<us>,"pu":<ms>,"b":[],"a":[["<price>","0"]]}}',
    '{"stream":"<s>@markPrice@1s","data":{"e":"markPriceUpdate","E":<ms>,"s":"<S>","p":"<price>",'
    '"P":"<price>","i":"<price>","r":"0.00002754","T":<funding>}}',
)


def binance_ack(_listings: list[Listing], _us: int, _rng: Rng) -> Frames:
    """Return Binance's answer to a subscription."""
    return [b'{"result":null,"id":1}']


BINANCE = Venue(
    number=0, name="binance", id="{}-USDT.BINANCE", symbol="{}USDT",
    share=0.42, quote_share=0.74, off_market=0.0, lag=4, latency_us=2_600, basis_bps=0.0,
    decimals=8, templates=(SPOT_TRADE, SPOT_QUOTE), foreign=SPOT_FOREIGN,
    format_trades=spot_trades, format_quotes=spot_quotes, subscription_ack=binance_ack,
)  # fmt: skip
BINANCE_USDM = Venue(
    number=1, name="binance-usdm", id="{}-USDT-PERP.BINANCE-USDM", symbol="{}USDT",
    share=0.35, quote_share=0.77, off_market=4e-4, lag=3, latency_us=3_100, basis_bps=-3.5,
    decimals=0, templates=(USDM_TRADE, USDM_QUOTE), foreign=USDM_FOREIGN,
    format_trades=usdm_trades, format_quotes=usdm_quotes, subscription_ack=binance_ack,
)  # fmt: skip
