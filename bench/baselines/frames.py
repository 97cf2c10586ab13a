"""Frames of the reference job, decoded by msgspec: SPEC.md, section 1.

A frame is malformed if msgspec refuses it. That differs from SPEC.md only in frames that no venue
sends: msgspec refuses a field given twice if one of the two is wrong, and does not check that
strings which are not read are UTF-8.
"""

import gzip
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal, cast

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

MILLISECOND = 1_000_000  # ns
SECOND = 1_000 * MILLISECOND
LAST_NS = 2**63 - 1
BUFFER = 1 << 18  # bytes of a tape read at once
LATENESS_NS = 200 * MILLISECOND

BASES = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "AVAX", "LINK", "DOT")
UNIVERSE = {  # by venue: instruments by the venue's symbol
    "binance": {f"{base}USDT": f"{base}USDT.BINANCE" for base in BASES},
    "coinbase": {f"{base}-USD": f"{base}-USD.COINBASE" for base in BASES},
}

Natural = Annotated[int, Meta(ge=0, le=LAST_NS)]
Millis = Annotated[int, Meta(ge=0, le=LAST_NS // MILLISECOND)]


class Binance(
    Struct,
    gc=False,
    rename={
        "kind": "e", "symbol": "s", "trade_id": "t", "price": "p", "size": "q", "time": "T",
        "buyer_is_maker": "m",
    },
):  # fmt: skip
    """A trade as Binance sends it."""

    kind: Literal["trade"]
    symbol: str
    trade_id: Natural
    price: str
    size: str
    time: Millis
    buyer_is_maker: bool


class Coinbase(Struct, gc=False, rename={"kind": "type", "symbol": "product_id"}):
    """A trade as Coinbase sends it."""

    kind: Literal["match"]
    symbol: str
    trade_id: Natural
    price: str
    size: str
    time: str
    side: Literal["buy", "sell"]


DECODERS: dict[str, Callable[[bytes], Any]] = {  # Any: one of the structs
    "binance": Decoder(Binance).decode,
    "coinbase": Decoder(Coinbase).decode,
}
MALFORMED = (MsgspecError, ValueError, RecursionError)

is_decimal = re.compile(r"[0-9]+(?:\.[0-9]+)?").fullmatch
is_calendar = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII).fullmatch
is_fraction = re.compile(r"(?:\.\d{1,9})?Z", re.ASCII).fullmatch


def tapes_in(folder: Path) -> list[tuple[Path, str]]:
    """Return the tapes in a folder, each with its partition."""
    paths = sorted([*folder.glob("*.tape"), *folder.glob("*.tape.gz")])
    return [(path, path.name.partition(".")[0]) for path in paths]


def open_tape(path: Path) -> IO[bytes]:
    """Open a tape, to be read line by line."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb", BUFFER)


def positive(text: str) -> float:
    """Parse a plain decimal, finite and above zero.

    Raises ValueError for any other text.
    """
    if not is_decimal(text):
        raise ValueError(f"{text!r} is not a plain decimal")
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{text!r} is not positive and finite")
    return value


class Seconds(dict[str, int]):
    """Event times of whole seconds (ns), by their text up to the second: each is parsed once."""

    SIZE_MAX = 10_000

    def __missing__(self, text: str) -> int:
        """Parse a second and add it."""
        if not is_calendar(text):
            raise ValueError(f"{text!r} is not RFC 3339")
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
        if not 0 <= seconds < LAST_NS // SECOND:
            raise ValueError(f"{text!r} is out of range")
        if len(self) >= self.SIZE_MAX:
            self.clear()
        self[text] = seconds * SECOND
        return seconds * SECOND


def rfc3339_ns(text: str, seconds: Seconds) -> int:
    """Parse a time in UTC with up to nine digits of a fraction, to ns.

    Raises ValueError for any other text.
    """
    whole, fraction = text[:19], text[19:]
    if not is_fraction(fraction):
        raise ValueError(f"{text!r} is not RFC 3339 with Z")
    return seconds[whole] + int(fraction[1:-1].ljust(9, "0"))
