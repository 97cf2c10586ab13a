"""Frames as the venues send them, pages of them, and random logs for hypothesis.

pages = to_pages("binance-0", [(5 * S, binance_trade(1, at=5 * S)), (6 * S, HEARTBEAT_FRAME)], sizes=[1])

Times are in ns. `S` and `MS` are a second and a millisecond.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from typing import Any

from hypothesis import strategies as st

from tapeflow.schemas.batches import Page

MS, S = 1_000_000, 1_000_000_000  # ns
BEGIN = 1_700_000_000 * S  # of random logs: 20 s after a whole minute
PARTITIONS = ("binance-0", "binance-usdm-0", "coinbase-0")
PAIRS = ("BTC", "ETH")


# --- frames -------------------------------------------------------------------------------


def binance_trade(
    trade_id: int,
    *,
    at: int,
    price: Any = "100.0",
    size: Any = "1.0",
    symbol="BTCUSDT",
    seller=False,
    kind="",
) -> bytes:
    """Return a trade of Binance spot, or with `kind` of USD-M; `at` is its time in ns."""
    return (
        f'{{"e":"trade","E":{at // MS},"s":"{symbol}","t":{trade_id},"p":"{price}","q":"{size}",'
        f'"T":{at // MS},{kind and f"{chr(34)}X{chr(34)}:{chr(34)}{kind}{chr(34)},"}'
        f'"m":{"true" if seller else "false"}}}'
    ).encode()


def coinbase_match(
    trade_id: int,
    *,
    at: int,
    price: Any = "100.0",
    size: Any = "1.0",
    symbol="BTC-USD",
    seller=False,
    kind="match",
) -> bytes:
    """Return a match of Coinbase; `seller`: the taker sold, so the maker bought."""
    return (
        f'{{"type":"{kind}","trade_id":{trade_id},"side":"{"buy" if seller else "sell"}","size":"{size}",'
        f'"price":"{price}","product_id":"{symbol}","time":"{rfc3339(at)}"}}'
    ).encode()


def rfc3339(ns: int) -> str:
    """Return a time as Coinbase writes it, to the ns."""
    return f"{datetime.fromtimestamp(ns // S, UTC):%Y-%m-%dT%H:%M:%S}.{ns % S:09d}Z"


def trade_frame(partition: str, trade_id: int, *, pair="BTC", **more: Any) -> bytes:
    """Return a trade as the partition's venue sends it."""
    if partition.startswith("coinbase"):
        return coinbase_match(trade_id, symbol=f"{pair}-USD", **more)
    kind = "MARKET" if "usdm" in partition else ""
    return binance_trade(trade_id, symbol=f"{pair}USDT", kind=kind, **more)


def quote_frame(partition: str, bid: Any, ask: Any, *, at: int, pair="BTC") -> bytes:
    """Return a best bid and ask as the partition's venue sends them."""
    if partition.startswith("coinbase"):
        return (
            f'{{"type":"ticker","product_id":"{pair}-USD","best_bid":"{bid}","best_ask":"{ask}",'
            f'"best_bid_size":"2","best_ask_size":"3","time":"{rfc3339(at)}"}}'
        ).encode()
    usdm = f'"e":"bookTicker","T":{at // MS},' if "usdm" in partition else ""
    return f'{{{usdm}"u":7,"s":"{pair}USDT","b":"{bid}","B":"2","a":"{ask}","A":"3"}}'.encode()


def ack_frame(partition: str) -> bytes:
    """Return the venue's answer to a subscription: a frame without a tick."""
    return (
        b'{"type":"subscriptions"}'
        if partition.startswith("coinbase")
        else b'{"result":null,"id":1}'
    )


EIGHT_HOURS = 8 * 3600 * S  # between payments of funding


def mark_price_frame(mark: Any, *, at: int, pair="BTC", rate="0.0001", next_ns=None) -> bytes:
    """Return a mark price of Binance USD-M; funding is paid every 8 hours, or at `next_ns`."""
    next_ns = (at // EIGHT_HOURS + 1) * EIGHT_HOURS if next_ns is None else next_ns
    return (
        f'{{"e":"markPriceUpdate","E":{at // MS},"s":"{pair}USDT","p":"{mark}","P":"{mark}",'
        f'"i":"{mark}","r":"{rate}","T":{next_ns // MS}}}'
    ).encode()


HEARTBEAT_FRAME = b""
MALFORMED_FRAME = b'{"e":"trade","type":"match","s":"BTCUSDT"'


# --- pages --------------------------------------------------------------------------------

Records = Sequence[tuple[int, bytes]]  # log time, frame
Log = Mapping[str, Records]  # by partition


def to_pages(partition: str, log: Records, sizes: Iterable[int], *, end_of_log=True) -> list[Page]:
    """Return the records in pages of these sizes, over and over; a size of 0 is an empty page."""
    pages, offset, page_sizes = [], 0, cycle([*sizes, 1])
    while offset < len(log):
        records = log[offset : offset + next(page_sizes)]
        log_ns, frames = [ns for ns, _ in records], [frame for _, frame in records]
        pages.append(Page.from_frames(partition, offset, log_ns, frames))
        offset += len(records)
    if end_of_log:
        pages.append(Page.from_frames(partition, offset, [], [], end_of_log=True))
    return pages


# --- random logs --------------------------------------------------------------------------

GAPS_MS = (0, 0, 0, 1, 5, 60, 130, 250, 400, 800, 1000, 2300)
PRICES = (100, 101, 99.5, 103, 97, 100.25, 100.3, 90)
NO_MARKETS = {  # (bid, ask) that no position is valued at: crossed, out of range, absurd, empty
    0: (103, 102), 7: ("1e60", "2e60"), 11: (99, 1e13), 18: (9, 1001), 22: (0, 0), 29: (102, 102),
}  # fmt: skip
ODD_MARKS = {1: 0, 7: 2000, 14: 1e13}  # 0: the venue has none


def records_from_bytes(
    partition: str, drawn: bytes, *, whole_seconds: bool
) -> list[tuple[int, bytes]]:
    """Return a record for each three bytes: its kind, the time since the one before, its price.

    Six of sixteen are trades that happened when they are logged; the others are heartbeats,
    malformed frames, trades of an unlisted pair, copies, late trades, quotes, mark prices of USD-M,
    acknowledgements and trades out of order. `whole_seconds`: log times are whole seconds, so that many are equal.
    """
    records: list[tuple[int, bytes]] = []
    now, trades = BEGIN, [HEARTBEAT_FRAME]
    columns = (drawn[column::3] for column in range(3))
    for number, (kind, gap, price) in enumerate(zip(*columns, strict=False)):
        now += GAPS_MS[gap % len(GAPS_MS)] * MS
        trade = partial(
            trade_frame,
            partition,
            number,
            price=PRICES[price % 8],
            seller=price > 127,
            pair=PAIRS[kind & 1],
        )
        match kind // 2 % 16:
            case 0 | 1:
                frame = HEARTBEAT_FRAME
            case 2:
                frame = MALFORMED_FRAME
            case 3:
                frame = trade(at=now, pair="DOGE")
            case 4 | 5:
                frame = trades[-1 - price % min(len(trades), 20)]
            case 6:
                frame = trade(at=now - (price % 4) * 700 * MS)
            case 7:
                quoted = NO_MARKETS.get(price % 32, (90 + price % 16, 101 + price % 7))
                frame = quote_frame(partition, *quoted, at=now, pair=PAIRS[kind & 1])
            case 8 if "usdm" in partition and price % 4:
                mark = ODD_MARKS.get(price % 16, 95 + price % 11)
                frame = mark_price_frame(mark, at=now, pair=PAIRS[kind & 1])
            case 8:
                frame = ack_frame(partition)
            case 9:
                frame = trade(at=now - price % 200 * MS, size="0.5")
            case _:
                frame = trade(at=now + price % 3 * MS)
        if b"trade" in frame or b"match" in frame:
            trades.append(frame)
        records.append((now - now % S if whole_seconds else now, frame))
    return records


def record_bytes() -> st.SearchStrategy[bytes]:
    """Draw bytes for `records_from_bytes`: few records or many."""
    return st.binary(max_size=60) | st.binary(min_size=90, max_size=270)


@st.composite
def logs(draw: Any, partitions: Sequence[str] = PARTITIONS) -> dict[str, list[tuple[int, bytes]]]:
    """Draw a log of several partitions; in half of all logs many log times are equal."""
    whole_seconds = draw(st.booleans())
    return {
        name: records_from_bytes(name, draw(record_bytes()), whole_seconds=whole_seconds)
        for name in partitions
    }


def page_sizes(smallest=0) -> st.SearchStrategy[list[int]]:
    """Draw sizes of pages, in records; 0 is an empty page."""
    return st.lists(st.integers(smallest, 40), min_size=1, max_size=4)


def arrival_orders() -> st.SearchStrategy[list[int]]:
    """Draw an order of arrival for `interleave`."""
    return st.lists(st.integers(0, 5), max_size=60)
