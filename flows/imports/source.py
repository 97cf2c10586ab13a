"""Venue, symbol and rows of a foreign file, by its name, its columns and the user's options.

BTCUSDT-trades-2026-11-01.zip      the name says symbol and rows; 7 columns: of Binance spot
trades.parquet --instrument BTC-USD.COINBASE --columns price=px,size=qty

What the user says goes before a name, and a name before columns; what differs is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from tapeflow.connectors.foreign.layout import COINBASE, POSITIONS, Layout, Position, find_layout
from tapeflow.connectors.foreign.open import FileName, open_file, read_name
from tapeflow.connectors.foreign.part import ForeignFile
from tapeflow.connectors.foreign.rows import Reading
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import parse_id
from tapeflow.schemas.venues import VENUES


class Choices(Struct, frozen=True):
    """What the user says of the files."""

    instrument: str = ""
    venue: str = ""
    symbol: str = ""
    columns: Mapping[str, str] = {}
    unit: str = ""
    maker: bool | None = None  # whether a column `side` has the maker's
    first_id: int | None = None
    skip_bad: bool = False
    sort: bool = False  # by time, on the disk


class Source(Struct, frozen=True):
    """A foreign file that can be read."""

    path: Path
    venue: str
    file: Any  # a ForeignFile
    reading: Reading

    @property
    def kind(self) -> str:
        """What its rows are: trade, aggTrade, quote or frame."""
        return self.reading.layout.kind

    @property
    def key(self) -> tuple[str, str]:
        """What has a partition of its own: a symbol of a venue, or "" for a stream of several."""
        return self.venue, self.reading.symbol


def find_source(path: Path, choices: Choices) -> Source:
    """Find out what a file is.

    Raises TapeflowError where it cannot be read, UsageError where what it is cannot be known.
    """
    name, file = read_name(path), open_file(path)
    position = find_position(name, file)
    fields = position.fields if position and not any(file.names) else ()
    try:
        layout = find_layout(
            file.names,
            choices.columns,
            fields,
            maker=choices.maker,
            numbered=choices.first_id is not None,
        )
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    venue = find_venue(path, choices, name, position, file)
    symbol = find_symbol(path, choices, name, venue, layout)
    return Source(path, venue, file, Reading(layout, symbol, choices.unit, choices.first_id))


def find_position(name: FileName, file: ForeignFile) -> Position | None:
    """Return which dump of Binance a file is, by its kind and number of columns.

    Without a kind in its name it is one where its booleans stand where those of one dump do.
    """
    if name.kind:
        return POSITIONS.get((name.kind, len(file.names)))
    first = [each.strip().lower() for each in file.first]
    found = {number for number, value in enumerate(first) if value in {"true", "false"}}
    for (kind, count), position in POSITIONS.items():
        at = [number for number, field in enumerate(position.fields) if field == "is_buyer_maker"]
        if kind != "bookTicker" and count == len(first) and found in ({*at}, {*at, count - 1}):
            return position
    return None


def find_venue(
    path: Path, choices: Choices, name: FileName, position: Position | None, file: ForeignFile
) -> str:
    """Return the venue of a file. Raises UsageError where nothing says it, or two things differ."""
    if choices.instrument:
        venue = read_id(choices.instrument).venue.lower()
        if choices.venue not in {"", venue}:
            raise UsageError(f"{choices.instrument} is not of {choices.venue}: say one of them")
        return known_venue(venue)
    if choices.venue:
        return known_venue(choices.venue)
    by_columns = position.venue if position else ""
    if name.venue and by_columns not in {"", name.venue}:
        raise UsageError(
            f"{path} lies in a folder of {name.venue} and has the columns of {by_columns}: say "
            "which it is, with --venue"
        )
    venue = name.venue or by_columns or ("coinbase" if set(file.names) >= COINBASE else "")
    venue = venue or file.venue
    if not venue:
        raise UsageError(
            f"of which instrument is {path}? Say it with --instrument BTC-USDT.BINANCE; where a "
            f"column has its symbols, with --venue {'|'.join(VENUES)}"
        )
    return venue


def find_symbol(path: Path, choices: Choices, name: FileName, venue: str, layout: Layout) -> str:
    """Return the symbol of a file's rows, "" where they have it themselves.

    Raises UsageError where nothing says it, or two things differ.
    """
    if layout.kind == "frame":
        return ""
    if choices.symbol:
        return choices.symbol
    symbol = ""
    if choices.instrument:
        parts = read_id(choices.instrument)
        symbol = VENUES[venue].venue_symbol(parts.base, parts.quote)
        if name.symbol not in {"", symbol}:
            raise UsageError(
                f"{path} is of {name.symbol} by its name, {choices.instrument} is {symbol} at its "
                "venue: say the right one with --symbol"
            )
    symbol = symbol or ("" if "symbol" in layout.columns else name.symbol)
    if not symbol and "symbol" not in layout.columns:
        raise UsageError(
            f"of which instrument is {path}? Say it with --instrument, as BTC-USDT.BINANCE, or "
            "name the column of symbols: --columns symbol=NAME"
        )
    return symbol


def read_id(instrument: str) -> Any:
    """Return the parts of an instrument's id; UsageError for what is none."""
    try:
        return parse_id(instrument)
    except ValueError as error:
        raise UsageError(f"--instrument: {error}") from None


def known_venue(venue: str) -> str:
    """Return a venue that we know; UsageError for another one."""
    if venue.lower() not in VENUES:
        raise UsageError(f"{venue.upper()} is no venue we know: {', '.join(VENUES)}")
    return venue.lower()
