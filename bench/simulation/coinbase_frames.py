"""Random trades of Coinbase, in both of its dialects."""

from bench.simulation.case import Record, TradeRow
from bench.simulation.draw import Draw, iso, rows_record


def coinbase_match(draw: Draw, log_ns: int, event_ns: int) -> Record:
    """Return a match of Coinbase Exchange; the side is that of the maker."""
    symbol, side = draw.symbol(), draw.random.choice(["buy", "sell"])
    price, size, old = draw.price(symbol), draw.size(), draw.random.random() < draw.old
    kind = "last_match" if old else "match"
    trade_id = draw.old_id(symbol) if old else draw.trade_id(symbol)
    fields = {
        "type": kind, "trade_id": trade_id, "maker_order_id": "x", "side": side, "size": size,
        "price": price, "product_id": symbol, "sequence": 5, "time": iso(event_ns, draw.random),
    }  # fmt: skip
    verdict = "history" if old else "accepted"
    row = TradeRow(symbol, trade_id, -1 if side == "buy" else 1, event_ns, price, size, verdict)
    return rows_record(draw, log_ns, kind, fields, [row], [event_ns])


def coinbase_market_trades(draw: Draw, log_ns: int, event_ns: int) -> Record:
    """Return trades of Coinbase Advanced Trade: in a frame the newest is first."""
    events, rows, r = [], [], draw.random
    for _ in range(r.choice([1, 1, 2])):
        old, trades = r.random() < draw.old, []
        for _ in range(r.choice([0, 1, 1, 2, 4])):
            symbol, side = draw.symbol(), r.choice(["BUY", "SELL"])
            price, size = draw.price(symbol), draw.size()
            row_ns = max(0, event_ns - r.choice([0, 0, 10**6, 10**9]))
            row_id = draw.old_id(symbol) if old else draw.trade_id(symbol)
            trades.append({
                "product_id": symbol, "trade_id": str(row_id), "price": price, "size": size,
                "time": iso(row_ns, r), "side": side,
            })  # fmt: skip
            aggressor, verdict = -1 if side == "BUY" else 1, "history" if old else "accepted"
            rows.append(TradeRow(symbol, row_id, aggressor, row_ns, price, size, verdict))
        events.append({"type": "snapshot" if old else "update", "trades": trades[::-1]})
    fields = {
        "channel": "market_trades", "timestamp": iso(event_ns, r), "sequence_num": 1,
        "events": events[::-1],
    }  # fmt: skip
    times = [each.event_ns for each in rows]
    return rows_record(draw, log_ns, "market_trades", fields, rows, times)
