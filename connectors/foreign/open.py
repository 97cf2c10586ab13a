"""Opens a foreign file by what is in it, and knows what its name says.

BTCUSDT-trades-2026-11-01.zip    symbol BTCUSDT, trades     as Binance names its dumps
../futures/um/daily/..           venue binance-usdm         as it names their folders

What a file is, its first bytes say; its ending says only how it is packed.
"""

import re
from pathlib import Path
from typing import NamedTuple

from tapeflow.connectors.foreign.csv_file import CsvFile
from tapeflow.connectors.foreign.jsonl_file import JsonlFile
from tapeflow.connectors.foreign.part import ForeignFile
from tapeflow.connectors.foreign.stream import open_stream, plain_name, reading
from tapeflow.schemas.errors import UsageError

DUMP = re.compile(
    r"(?P<symbol>[^-./]+)-(?P<kind>trades|aggTrades|bookTicker|bookDepth|[a-zA-Z]*[kK]lines|\d+[mhdwMos]+)"
    r"-\d{4}-\d\d(-\d\d)?(\.csv)?"
)
FOLDERS = {"spot": "binance", "um": "binance-usdm", "cm": "binance-usdm"}
ROWS = {"trades", "aggTrades", "bookTicker"}  # kinds of dumps that hold trades or quotes
PARQUET, ZIP = b"PAR1", b"PK\x03\x04"
TAPE_LINE = re.compile(rb"\d{10,19}( \{|\s*\n)")
FOREIGN = (".csv", ".txt", ".tsv", ".zip", ".parquet", ".pq", ".jsonl", ".ndjson", ".json")
FIRST_BYTES = 64


class FileName(NamedTuple):
    """What the name of a file says; "" where it does not."""

    symbol: str = ""
    kind: str = ""  # trades, aggTrades, bookTicker
    venue: str = ""


def read_name(path: Path) -> FileName:
    """Return what a name says. Raises UsageError for a dump that holds no trades or quotes.

    >>> read_name(Path("futures/um/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11-01.zip"))
    FileName(symbol='BTCUSDT', kind='trades', venue='binance-usdm')
    """
    match = DUMP.fullmatch(plain_name(path))
    if match is None:
        return FileName()
    if match["kind"] not in ROWS:
        raise UsageError(
            f"{path} holds {match['kind']}, of which no trades can be made: import the dumps of "
            "trades or aggTrades"
        )
    venue = next((FOLDERS[part] for part in reversed(path.parts[:-1]) if part in FOLDERS), "")
    return FileName(match["symbol"], match["kind"], venue)


def open_file(path: Path) -> ForeignFile:
    """Open a file as what it is by its first bytes.

    Raises TapeflowError where it cannot be read, UsageError where it is a tape or empty.
    """
    with reading(path), path.open("rb") as file:
        start = file.read(len(PARQUET))
    if start == PARQUET:
        from tapeflow.connectors.foreign.parquet_file import (  # noqa: PLC0415  # slow to import
            ParquetFile,
        )

        return ParquetFile(path)
    with reading(path), open_stream(path) as stream:
        first = stream.read(FIRST_BYTES)
    if not first.strip():
        raise UsageError(f"{path} is empty")
    if first[:4] == PARQUET:
        raise UsageError(f"{path} is a packed Parquet file: unpack it first")
    if TAPE_LINE.match(first):
        raise UsageError(
            f"{path} is a tape: name it <venue>-<n>.tape, or map it to a partition with [[tapes]] "
            "in the job, and tapeflow replay reads it as it is"
        )
    if first.lstrip()[:1] == b"[":
        raise UsageError(f"{path} is one JSON array: write it as lines, one object each")
    return JsonlFile(path) if first.lstrip()[:1] == b"{" else CsvFile(path)
