"""The partition of a folder of tapes that a foreign file becomes a part of.

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

from tapeflow.connectors.foreign.stream import open_stream, reading
from tapeflow.connectors.tapes.text_writer import ENDING
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import LOG_UNITS
from tapeflow.schemas.venues import VENUES, venue_of
from tapeflow.schemas.venues.imported import KIND

FIRST_BYTES = 1 << 16  # in which the first record of a tape ends
LAST_BYTES = 1 << 20  # read at a time, to the last record
OVERLAP_NS = 1_000_000_000  # a part may begin so far before the end of the one before it


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
        self.parts: dict[str, list[Path]] = {}  # that are there, by partition, in their order
        for path in sorted(folder.glob("*.tape*")) if folder.is_dir() else ():
            partition = path.name.partition(".")[0]
            if venue_of(partition) in VENUES:
                self.parts.setdefault(partition, []).append(path)
                if partition not in self.held:
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
        return self._begin(venue, Held(symbol, kind))

    def _begin(self, venue: str, held: Held) -> str:
        number = 0
        while f"{venue}-{number}" in self.held:
            number += 1
        self.held[f"{venue}-{number}"] = held
        return f"{venue}-{number}"

    def name_part(self, partition: str, first_ns: int) -> Path:
        """Return the tape of a part that begins at a log time."""
        seconds, rest_ns = divmod(first_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC)
        return self.folder / f"{partition}.{moment:%Y%m%dT%H%M%S}-{rest_ns:09d}{ENDING}"

    def check_between(self, partition: str, path: Path, last_ns: int) -> None:
        """Check that a new part, up to a log time, lies between those that are there.

        Raises TapeflowError where it overlaps one.
        """
        last_name = self.name_part(partition, last_ns).name
        before = [each for each in self.parts.get(partition, ()) if each.name < path.name]
        inside = [each for each in self.parts.get(partition, ()) if path.name < each.name]
        overlaps = [each for each in inside if each.name <= last_name]
        if before and self.name_part(partition, read_last_ns(before[-1]) - OVERLAP_NS) > path:
            overlaps.insert(0, before[-1])
        if overlaps:
            raise TapeflowError(
                f"{overlaps[0]} is there and holds records of the same time: nothing was written: "
                "import what belongs together at once, or into another folder with --to"
            )


def read_last_ns(path: Path) -> int:
    """Return the log time of the last record of a tape. Raises TapeflowError if it is damaged."""
    tail = b""
    with reading(path), open_stream(path) as stream:
        while block := stream.read(LAST_BYTES):
            tail = (tail + block)[-2 * FIRST_BYTES :]
    digits = tail.rstrip(b"\n").rpartition(b"\n")[2].partition(b" ")[0]
    if not digits.isdigit() or len(digits) not in LOG_UNITS:
        raise TapeflowError(f"{path}: its last line is no record of a tape")
    return int(digits) * LOG_UNITS[len(digits)][1]


def read_held(path: Path) -> Held:
    """Return what a tape holds; raise TapeflowError where it cannot be read."""
    with reading(path), open_stream(path) as stream:
        frame = stream.read(FIRST_BYTES).partition(b"\n")[0].partition(b" ")[2]
    try:
        row = msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return Held("", "frame")
    if not isinstance(row, dict) or KIND not in row:
        return Held("", "frame")
    return Held(row.get("symbol", ""), row[KIND])
