"""The frames of the synthetic market, in the form of each venue.

    SynthTrades (ticks, lots, µs) --format_trades--> b'{"stream":"btcusdt@trade","data":{..}}', ...
    TopOfBook   (ticks, lots, µs) --format_quotes--> b'{"stream":"btcusdt@bookTicker",..}', ...

A frame is one `%` on a template of bytes that is made once for its instrument.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tapeflow.connectors.synthetic.listings import Frames, Listing, TopOfBook, fill_template
from tapeflow.schemas.columns import Ints

EIGHT_HOURS_US = 8 * 3600 * 1_000_000


def format_frames(template: bytes, *columns: Iterable[Any]) -> Frames:
    """Return one frame for each row of the columns.

    >>> format_frames(b"%d:%b", [1, 2], [b"x", b"y"])
    [b'1:x', b'2:y']
    """
    return list(map(template.__mod__, zip(*columns, strict=True)))


def book_columns(listing: Listing, tops: TopOfBook) -> tuple[list[float], ...]:
    """Return the columns bid, bid size, ask, ask size, in dollars and coins."""
    bid, ask = listing.dollars(tops.bid), listing.dollars(tops.ask)
    return bid, listing.coins(tops.bid_size), ask, listing.coins(tops.ask_size)


def rfc3339_columns(event_us: Ints) -> tuple[Iterable[bytes], list[int]]:
    """Return times as two columns: the text of whole seconds, and the microseconds after it."""
    second, us = np.divmod(event_us, 1_000_000)
    first = int(second.min(initial=2**40))
    texts = [rfc3339(first + row) for row in range(int(second.max(initial=0)) - first + 1)]
    return map(texts.__getitem__, (second - first).tolist()), us.tolist()


def rfc3339(second: int) -> bytes:
    """Return a second since the epoch as RFC 3339, without fraction and zone.

    >>> rfc3339(1767603600)
    b'2026-01-05T09:00:00'
    """
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def foreign_frame(listing: Listing, choice: int, us: int) -> bytes:
    """Return a frame that no step uses: an unlisted coin's trade (0), or another channel's."""
    template = listing.venue.foreign[choice % len(listing.venue.foreign)]
    time = f"{rfc3339(us // 1_000_000).decode()}.{us % 1_000_000:06d}"
    names = {"s": listing.symbol.lower(), "S": listing.symbol, "price": f"{listing.coin.price:g}"}
    funding_us = (us // EIGHT_HOURS_US + 1) * EIGHT_HOURS_US  # the next payment
    times = {"ms": str(us // 1000), "us": str(us), "time": time, "funding": str(funding_us // 1000)}
    return fill_template(template, names | times)
