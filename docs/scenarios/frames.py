"""Frames as a recorder writes them: markets along a path of prices, silences, signed commands.

market("BTCUSDT", line((0, 60_000)), 0, 10) ──▶ (log time in ns, frame) each ──▶ NAME.tape
command(12, "alice", "halt", "account:main") ──▶
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from tapeflow.schemas.control import CONTROL, make_frame, sign

Record = tuple[int, bytes]  # log time in ns, frame
Path = Callable[[float], float]  # of seconds since BEGIN: the middle of bid and ask

MS, S = 1_000_000, 1_000_000_000  # ns
BEGIN = 1_767_603_600 * S  # 2026-01-05 09:00:00 UTC
CONTROL_TAPE = f"{CONTROL}-0"
DELAY = 5 * MS  # from the venue to the log
KEYS = {"alice": b"\1" * 32, "bob": b"\2" * 32}  # private ones, for these tapes only


def log_ns(second: float) -> int:
    """Return the log time of something that happens at a second."""
    return BEGIN + round(second * S) + DELAY


def market(
    symbol: str,
    path: Path,
    begin: float,
    end: float,
    *,
    spread: float = 2,
    size: float = 2,
    step: float = 0.25,
) -> Iterator[Record]:
    """Yield quotes and trades of a symbol of Binance (BTCUSDT) or Coinbase (BTC-USD).

    A quote each `step` seconds, and a trade 50 ms after it. Both sides of a quote show `size`;
    trades take a tenth of it, by turns on the two sides.
    """
    quote, trade = (match_frames if "-" in symbol else binance_frames)(symbol)
    for number in range(round((end - begin) / step)):
        second, side = begin + number * step, (1 if number % 2 else -1)
        middle = path(second)
        bid, ask = middle - spread / 2, middle + spread / 2
        trade_id = 1 + round(second / step)
        yield log_ns(second), quote(second, trade_id, bid, ask, size)
        later = second + 0.05
        yield log_ns(later), trade(later, trade_id, ask if side > 0 else bid, size / 10, side)


def binance_frames(symbol: str) -> tuple[Callable[..., bytes], Callable[..., bytes]]:
    """Return what makes a quote, and what makes a trade, of Binance spot."""

    def quote(second: float, number: int, bid: float, ask: float, size: float) -> bytes:
        return (
            f'{{"u":{number},"s":"{symbol}","b":"{bid:.2f}","B":"{size:.4f}",'
            f'"a":"{ask:.2f}","A":"{size:.4f}"}}'
        ).encode()

    def trade(second: float, trade_id: int, price: float, size: float, side: int) -> bytes:
        at_ms = (BEGIN + round(second * S)) // MS
        seller = "true" if side < 0 else "false"
        return (
            f'{{"e":"trade","E":{at_ms},"s":"{symbol}","t":{trade_id},"p":"{price:.2f}",'
            f'"q":"{size:.4f}","T":{at_ms},"m":{seller},"M":true}}'
        ).encode()

    return quote, trade


def match_frames(symbol: str) -> tuple[Callable[..., bytes], Callable[..., bytes]]:
    """Return what makes a quote, and what makes a trade, of Coinbase Exchange."""

    def quote(second: float, number: int, bid: float, ask: float, size: float) -> bytes:
        return (
            f'{{"type":"ticker","product_id":"{symbol}","best_bid":"{bid:.2f}",'
            f'"best_bid_size":"{size:.4f}","best_ask":"{ask:.2f}","best_ask_size":"{size:.4f}",'
            f'"time":"{rfc3339(second)}"}}'
        ).encode()

    def trade(second: float, trade_id: int, price: float, size: float, side: int) -> bytes:
        maker = "buy" if side < 0 else "sell"
        return (
            f'{{"type":"match","trade_id":{trade_id},"side":"{maker}","size":"{size:.4f}",'
            f'"price":"{price:.2f}","product_id":"{symbol}","time":"{rfc3339(second)}"}}'
        ).encode()

    return quote, trade


def rfc3339(second: float) -> str:
    """Return a time as Coinbase writes it, to the microsecond."""
    whole, rest = divmod(BEGIN + round(second * S), S)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def heartbeats(begin: int, end: int) -> list[Record]:
    """Return the empty frames that a recorder writes into a silent partition."""
    return [(log_ns(second), b"") for second in range(begin, end)]


def command(second: float, who: str, action: str, scope: str, **args: str) -> Record:
    """Return a command that somebody signs."""
    at = log_ns(second)
    return at, sign(make_frame(who, at, action, scope, args), KEYS[who])


def as_tapes(partitions: Mapping[str, Iterable[Record]]) -> dict[str, bytes]:
    """Return the text of each tape, by the name of its file."""
    return {
        f"{name}.tape": b"".join(
            b"%d %b\n" % record for record in sorted(records, key=lambda each: each[0])
        )
        for name, records in partitions.items()
    }


def line(*corners: tuple[float, float]) -> Path:
    """Return the path through (second, price), level before the first and after the last.

    >>> line((10, 100), (12, 70))(11)
    85.0
    """

    def path(second: float) -> float:
        for (begin, low), (end, high) in itertools.pairwise(corners):
            if begin <= second < end:
                return low + (high - low) * (second - begin) / (end - begin)
        return corners[0][1] if second < corners[0][0] else corners[-1][1]

    return path
