"""Which partition of a folder of tapes a foreign file becomes a part of.

    tapes/ binance-0.20261101T000000-000000000.tape.zst     BTCUSDT, a day
           binance-0.20261102T000000-004000000.tape.zst     BTCUSDT, the next one
           binance-1.20261101T000000-017000000.tape.zst     ETHUSDT

Each symbol has a partition of its own, and so has a capture of many. A part is named by its first
log time, so that the parts of a partition are in their order however the files came.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from tapeflow.connectors.tapes.text_file import TextFile
from tapeflow.connectors.tapes.text_writer import ENDING
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.venues import VENUES, venue_of
from tapeflow.schemas.venues.imported import KIND

FIRST_BYTES = 1 << 16  # in which the first record of a tape ends


class Held(NamedTuple):
    """What a partition holds, by its first record."""

    symbol: str  # "": frames of the venue
    kind: str  # trade, aggTrade, quote or frame


class Partitions:
    """The partitions of a folder, those to be written too."""

    def __init__(self, folder: Path) -> None:
        """Look at the tapes that are there."""
        self.folder = folder
        self.held: dict[str, Held] = {}
        for path in sorted(folder.glob("*.tape*")) if folder.is_dir() else ():
            partition = path.name.partition(".")[0]
            if venue_of(partition) in VENUES and partition not in self.held:
                self.held[partition] = read_held(path)

    def choose(self, venue: str, symbol: str, kind: str) -> str:
        """Return the partition of a symbol of a venue, a new one if it has none.

        Raises TapeflowError where it holds the symbol's other kind of trades.
        """
        for partition, held in self.held.items():
            if venue_of(partition) == venue and held.symbol == symbol:
                if {held.kind, kind} == {"trade", "aggTrade"}:
                    raise TapeflowError(
                        f"{symbol or venue} comes as trades and as aggTrades, which are the same "
                        f"trades: {self.folder / partition} holds {held.kind}s: import one of them"
                    )
                return partition
        number = 0
        while f"{venue}-{number}" in self.held:
            number += 1
        self.held[f"{venue}-{number}"] = Held(symbol, kind)
        return f"{venue}-{number}"

    def name_part(self, partition: str, first_ns: int) -> Path:
        """Return the tape of a part that begins at a log time."""
        seconds, rest_ns = divmod(first_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC)
        return self.folder / f"{partition}.{moment:%Y%m%dT%H%M%S}-{rest_ns:09d}{ENDING}"


def read_held(path: Path) -> Held:
    """Return what a tape holds; raise TapeflowError where it cannot be read."""
    text = TextFile(path, 0)
    block = bytearray(FIRST_BYTES)
    count = text.readinto(memoryview(block))
    text.close()
    frame = bytes(block[:count]).partition(b"\n")[0].partition(b" ")[2]
    try:
        row = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return Held("", "frame")
    if not isinstance(row, dict) or KIND not in row:
        return Held("", "frame")
    return Held(row.get("symbol", ""), row[KIND])
