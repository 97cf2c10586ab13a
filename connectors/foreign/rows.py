"""Parts of a foreign file as records of a tape: frames of our dialect, and their log times.

The log time of a row is its receive time where it has one, else the venue's. It never goes back: a
row that lies behind the one before it gets that one's log time, and is counted as `moved`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from tapeflow.connectors.foreign import values
from tapeflow.connectors.foreign.layout import SIDES, Layout
from tapeflow.connectors.foreign.part import BadRow, Part
from tapeflow.connectors.foreign.times import Times, read_times
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.venues.imported import KIND

KEYS = {  # of a frame, in their order: the field, and whether it is in quotes
    "trade": {"id": False, "price": True, "size": True},
    "aggTrade": {"id": False, "price": True, "size": True, "first": False, "last": False},
    "quote": {"bid": True, "bid_size": True, "ask": True, "ask_size": True},
}
EXCERPT = 40  # bytes of a value in a message


class Reading(Struct, frozen=True):
    """How the rows of a file are read."""

    layout: Layout
    symbol: str  # of all rows, whatever a column says; "": the column `symbol` has it
    unit: str = ""  # of times that are numbers; "": as their digits show
    first_id: int | None = None  # number the trades from here on, where they have no ids


class Records(NamedTuple):
    """Records of a tape, before they are written."""

    written_ns: Ints  # (records,) log times as the rows have them
    ties: Ints  # (records,) the order of those that have one time: their ids, else their lines
    frames: Any  # Arrow array of as many
    bad: list[BadRow]
    symbols: set[str]  # of the column `symbol`


class Reader:
    """Reads parts one after the other."""

    def __init__(self, reading: Reading, next_id: int | None = None) -> None:
        """Begin with the first part. `next_id`: of its first trade, if not the reading's first."""
        self.reading = reading
        self.next_id = reading.first_id if next_id is None else next_id

    def read(self, part: Part) -> Records:
        """Return the records of a part, and the rows that cannot be read."""
        layout, columns = self.reading.layout, part.columns
        texts = self._texts(columns, len(part.lines))
        event = read_times(columns["time"], self.reading.unit) if "time" in columns else None
        received = None
        if "received" in columns:
            received = read_times(columns["received"], self.reading.unit)
        checks = {field: text.good for field, text in texts.items()}
        checks |= {"time": event.good} if event else {}
        checks |= {"received": received.good} if received else {}
        good = np.all([*checks.values()], axis=0)
        bad = [*part.bad, *bad_rows(part, checks, good)]
        if layout.kind == "frame":
            frames = columns["frame"]
        else:
            frames = self._frames(texts, event, received, len(part.lines))
        log = received or event
        assert log is not None  # one of them is required
        chosen = pa.array(good)
        found = set()
        if "symbol" in columns and layout.kind != "frame":
            there = pc.unique(texts["symbol"].text.filter(chosen)).to_pylist()
            found = {each.decode() for each in there}
        ties = part.lines
        if "id" in texts:
            ties = pc.if_else(chosen, texts["id"].text, b"0").cast(pa.string()).cast(pa.int64())
            ties = ties.to_numpy()
        return Records(log.ns[good], ties[good], frames.filter(chosen), sorted(bad), found)

    def _texts(self, columns: dict[str, Any], count: int) -> dict[str, values.Texts]:
        """Return the checked text of each field but the times."""
        checked = {}
        for field, column in columns.items():
            if field in {"id", "first", "last"}:
                checked[field] = values.ids(column)
            elif field in {"price", "size"}:
                checked[field] = values.decimals(column)
            elif field in {"bid", "bid_size", "ask", "ask_size"}:
                checked[field] = values.decimals_or_none(column)
            elif field in SIDES:
                by_maker = self.reading.layout.by_maker
                checked[field] = values.sides(column, field, by_maker=by_maker)
            elif field == "symbol" and self.reading.layout.kind != "frame":
                checked[field] = values.symbols(column)
        if self.next_id is not None:
            numbers = np.arange(self.next_id, self.next_id + count)
            self.next_id += count
            checked["id"] = values.Texts(to_digits(numbers), np.ones(count, bool))
        return checked

    def _frames(
        self,
        texts: dict[str, values.Texts],
        event: Times | None,
        received: Times | None,
        count: int,
    ) -> Any:
        """Return the frame of each row."""
        kind, pieces = self.reading.layout.kind, []
        symbol = self.reading.symbol or texts["symbol"].text
        pieces += [f'{{"{KIND}":"{kind}","symbol":"', symbol, '"']
        for key, quoted in KEYS[kind].items():
            mark = '"' if quoted else ""
            text = texts[key].text if key in texts else ""
            pieces += [f',"{key}":{mark}', text, mark]
        side = next((texts[each].text for each in SIDES if each in texts), None)
        if side is not None:
            pieces += [',"side":"', side, '"']
        if event is not None:
            pieces += [',"event":', event.text]
        if received is not None:
            pieces += [',"received":', to_digits(received.ns)]
        pieces.append("}")
        return join(pieces, count)


def to_digits(numbers: Ints) -> Any:
    """Return integers as an Arrow column of text."""
    return pa.array(numbers).cast(pa.string()).cast(pa.binary())


def join(pieces: list[Any], count: int) -> Any:
    """Return the pieces of each row in one text: constants, and columns of `count` rows."""
    merged: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    binary = [pa.scalar(each.encode()) if isinstance(each, str) else each for each in merged]
    if not any(isinstance(each, pa.Array) for each in binary):
        return pa.array([b""] * count, pa.binary())
    return pc.binary_join_element_wise(*binary, pa.scalar(b""))


def bad_rows(part: Part, checks: dict[str, Bools], good: Bools) -> Iterator[BadRow]:
    """Yield the rows that cannot be read, with the first field that is wrong."""
    for at in np.flatnonzero(~good).tolist():
        field = next(each for each, mask in checks.items() if not mask[at])
        value = part.columns[field][at].as_py() if field in part.columns else ""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        yield BadRow(int(part.lines[at]), f"{field} {text[:EXCERPT]!r} {WRONG[field]}")


DECIMAL = "is no decimal above zero"
WRONG = {
    **dict.fromkeys(("id", "first", "last"), "is no whole number of 63 bits"),
    **dict.fromkeys(("price", "size"), DECIMAL),
    **dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), "is no decimal"),
    **dict.fromkeys(("side", "maker_side"), "is neither buy nor sell"),
    "is_buyer_maker": "is neither true nor false",
    **dict.fromkeys(("time", "received"), "is no time from 2000 to 2199: say its --time-unit"),
    "symbol": "is no symbol",
}


class LogTimes:
    """Makes log times of what rows have: they never go back."""

    def __init__(self, floor_ns: int = 0) -> None:
        """Begin behind `floor_ns`."""
        self.last_ns = floor_ns
        self.moved, self.furthest_ns = 0, 0  # rows moved to the one before, and by how much at most

    def next(self, written_ns: Ints) -> Ints:
        """Return the log times of the next rows."""
        log_ns: Ints = np.maximum(np.maximum.accumulate(written_ns), self.last_ns)
        behind = log_ns - written_ns
        self.moved += int(np.count_nonzero(behind))
        self.furthest_ns = max(self.furthest_ns, int(behind.max(initial=0)))
        self.last_ns = int(log_ns[-1]) if len(log_ns) else self.last_ns
        return log_ns
