"""Frames of the venues as random text, each with the rows that it means."""

from typing import Any

from bench.simulation.case import (
    HEARTBEAT,
    MALFORMED,
    RECOGNISED,
    QuoteRow,
    Record,
    TradeRow,
)
from bench.simulation.coinbase_frames import coinbase_market_trades, coinbase_match
from bench.simulation.draw import Draw, iso, rows_record, to_json

NOT_READABLE = (
    b"{", b"{}", b"null", b"\xff\xfe", b'{"e":"trade"}', b'{"type":"match"}', b"  ", b'"x"',
    b'{"channel":"market_trades"}', b"1", b'{"a":1}x', b"\x00", b'{"e":"tr\xc3ade"}',
    b'{"e":"trade","s":"BTCUSDT","t":1,"p":"0","q":"1","T":1,"m":true}',
)  # fmt: skip
ERRORS = {"binance": b'{"error":1}', "coinbase": b'{"type":"error"}'}
ARRAYS = {"coinbase": (b"[]",)}  # not readable there
BINANCE_OTHER: dict[str, Any] = {
    "ack": {"result": None, "id": 1},
    "depthUpdate": {"e": "depthUpdate", "b": [["1", "2"]], "a": []},
    "24hrTicker@arr": [],  # of no symbol, so of any such channel
    "combined.kline": {"stream": "x@kline", "data": {"e": "kline", "k": {"t": 1}}},
}
COINBASE_OTHER: dict[str, dict[str, Any]] = {
    "subscriptions": {"type": "subscriptions", "channels": []},
    "l2update": {"type": "l2update", "changes": [["buy", "1", "2"]]},
    "heartbeats": {"channel": "heartbeats", "events": [{"x": 1}]},
    "heartbeat": {"type": "heartbeat"},
}


def heartbeat(log_ns: int) -> Record:
    """Return a record that only carries time."""
    return Record(log_ns, b"", HEARTBEAT)


def malformed_frame(draw: Draw, log_ns: int) -> Record:
    """Return a frame that cannot be read."""
    error = ERRORS.get(draw.venue, b'{"code":1,"msg":""}')
    return Record(
        log_ns, draw.random.choice((*NOT_READABLE, error, *ARRAYS.get(draw.venue, ()))), MALFORMED
    )


def recognised_frame(draw: Draw, log_ns: int) -> Record:
    """Return a frame of a channel that is not stored."""
    others = COINBASE_OTHER if draw.venue == "coinbase" else BINANCE_OTHER
    channel = draw.random.choice(sorted(others))
    frame = to_json(others[channel], draw.random).encode()
    if frame == b"[]" and draw.venue == "binance-usdm":
        channel = "markPriceUpdate@arr"
    return Record(log_ns, frame, RECOGNISED, channel)


def wrap_sometimes(draw: Draw, channel: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Wrap a frame of Binance sometimes, as its combined streams do."""
    if draw.random.random() < 0.3:
        return f"combined.{channel}", {"stream": "x", "data": fields}
    return channel, fields


def trade(draw: Draw, log_ns: int, event_ns: int) -> Record:
    """Return a frame with a trade, or several."""
    if draw.venue != "coinbase":
        return binance_trade(draw, log_ns, event_ns)
    if draw.random.random() < 0.6:
        return coinbase_match(draw, log_ns, event_ns)
    return coinbase_market_trades(draw, log_ns, event_ns)


def binance_trade(draw: Draw, log_ns: int, event_ns: int) -> Record:
    """Return a trade of Binance spot or USD-M; its event time is in ms or us."""
    symbol, sells, verdict = draw.symbol(), draw.random.random() < 0.5, "accepted"
    price, size, trade_id = draw.price(symbol), draw.size(), draw.trade_id(symbol)
    written, event_ns = draw.time(event_ns)
    fields = {
        "e": "trade", "E": log_ns // 10**6, "s": symbol, "t": trade_id, "p": price, "q": size,
        "T": written, "m": sells,
    }  # fmt: skip
    if draw.venue == "binance":
        fields["M"] = True
    elif draw.random.random() < draw.old:
        fields["X"], verdict = draw.random.choice(["ADL", "INSURANCE_FUND", "", "NA"]), "off_market"
    else:
        fields["X"] = "MARKET"
    row = TradeRow(symbol, trade_id, -1 if sells else 1, event_ns, price, size, verdict)
    return rows_record(draw, log_ns, *wrap_sometimes(draw, "trade", fields), [row], [written])


def quote(draw: Draw, log_ns: int, event_ns: int) -> Record:
    """Return a frame with a quote, or several; some lack a side."""
    symbol, r = draw.symbol(), draw.random
    prices = [draw.price(symbol) for _ in range(2)]
    bid, ask = (each if float(each) <= 1e12 else "1" for each in prices)
    bid, ask = r.choice([bid, bid, bid, "0", "0.00"]), r.choice([ask, ask, ask, "0"])
    bid_size, ask_size = r.choice([draw.size(), "0"]), draw.size()
    row = QuoteRow(symbol, bid, ask)
    if draw.venue != "coinbase":
        fields = {"u": 5, "s": symbol, "b": bid, "B": bid_size, "a": ask, "A": ask_size}
        times = []
        if draw.venue == "binance-usdm":
            times = [draw.time(event_ns)[0]]
            fields |= {"e": "bookTicker", "T": times[0], "E": 1}
        channel, fields = wrap_sometimes(draw, "bookTicker", fields)
        return rows_record(draw, log_ns, channel, fields, [row], times)
    return coinbase_quote(draw, log_ns, event_ns, row, (bid_size, ask_size))


def coinbase_quote(
    draw: Draw, log_ns: int, event_ns: int, row: QuoteRow, sizes: tuple[str, str]
) -> Record:
    """Return a quote of Coinbase; of Advanced Trade it may be of several instruments."""
    r, (bid_size, ask_size) = draw.random, sizes
    symbol, bid, ask = row
    if r.random() < 0.5:
        fields: dict[str, Any] = {
            "type": "ticker",
            "product_id": symbol,
            "price": "1",
            "best_bid": bid,
            "best_ask": ask,
        }
        if r.random() < 0.7:
            fields |= {"best_bid_size": bid_size, "best_ask_size": ask_size}
        times = [event_ns] if r.random() < 0.7 else []
        if times:
            fields |= {"time": iso(event_ns, r)}
        return rows_record(draw, log_ns, "ticker", fields, [row], times)
    rows = [row, *(QuoteRow(draw.symbol(), bid, ask) for _ in range(r.choice([0, 0, 1])))]
    tickers = [
        {"type": "ticker", "product_id": each.symbol, "best_bid": bid, "best_ask": ask,
         "best_bid_quantity": bid_size, "best_ask_quantity": ask_size}
        for each in rows
    ]  # fmt: skip
    channel = r.choice(["ticker", "ticker_batch"])
    events = [{"type": "update", "tickers": tickers}]
    fields = {
        "channel": channel,
        "timestamp": iso(event_ns, r),
        "sequence_num": 1,
        "events": events,
    }
    return rows_record(draw, log_ns, channel, fields, rows, [event_ns])
