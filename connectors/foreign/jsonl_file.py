r"""Files of one JSON object a line: rows, or frames as they were received with their times.

    {"t":"recv","conn":"..","ts":1618677372.1768699,"data":"{\"stream\":..}"}       a capture
    {"received":1723161254087896568,"frame":{"e":"trade",..}}                       a capture
    {"id":7,"price":"0.1","size":2,"side":"buy","time":"2026-11-01T00:00:00Z"}      a row

A value is the text that stands there: a number keeps its digits. A frame that is an object is taken
as its bytes are. Of a capture that says in `t` what a line is, those of requests and
connections are no frames; its header names the venue.
"""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from tapeflow.connectors.foreign.layout import Layout
from tapeflow.connectors.foreign.part import BadRow, Part
from tapeflow.connectors.foreign.stream import open_stream, reading
from tapeflow.schemas.errors import UsageError

PART_LINES = 1 << 14
LOOKED_AT = 200  # lines, for the names
WHAT = "t"  # the key that says what a line of a capture is
OTHERS = {b'"header"', b'"http"', b'"connect"', b'"send"', b'"close"', b'"disconnect"'}
EXCHANGES = {  # by the name in the header of a capture
    b'"BINANCE"': "binance",
    b'"BINANCE_FUTURES"': "binance-usdm",
    b'"COINBASE"': "coinbase",
}
NULL = b"null"
TEXTS = msgspec.json.Decoder(str)
Line = dict[str, msgspec.Raw]
decode_line = msgspec.json.Decoder(Line).decode


class JsonlFile:
    """A file of JSON objects."""

    def __init__(self, path: Path) -> None:
        """Look at its first lines for the names of its fields.

        Raises TapeflowError where it cannot be read, UsageError where no line is an object.
        """
        self.path, self.skipped, self.venue = path, 0, ""
        self.first: list[str] = []
        names: dict[str, None] = {}
        with reading(path), open_stream(path) as stream:
            for line in islice(io.BufferedReader(stream), LOOKED_AT):
                row = row_of(line)
                self.venue = self.venue or EXCHANGES.get(bytes(row.get("exchange", b"")), "")
                names |= {} if is_other(row) else dict.fromkeys(row)
        if not names:
            raise UsageError(f"{path}: none of its first lines is a JSON object")
        self.names = [*names]

    def parts(self, layout: Layout) -> Iterator[Part]:
        """Read its rows from the beginning, in parts."""
        self.skipped = 0
        names = {field: self.names[number] for field, number in layout.columns.items()}
        with reading(self.path), open_stream(self.path) as stream:
            lines = enumerate(io.BufferedReader(stream), 1)
            while some := [*islice(lines, PART_LINES)]:
                yield self._part(some, names)

    def _part(self, lines: list[tuple[int, bytes]], names: dict[str, str]) -> Part:
        numbers, bad = [], []
        columns: dict[str, list[bytes]] = {field: [] for field in names}
        for number, line in lines:
            if line.isspace():
                continue
            try:
                row = decode_line(line)
                if is_other(row):
                    self.skipped += 1
                    continue
                texts = {field: text_of(row, name) for field, name in names.items()}
            except (msgspec.DecodeError, UnicodeDecodeError):
                bad.append(BadRow(number, "is no JSON object"))
                continue
            if missing := [names[field] for field, text in texts.items() if text is None]:
                bad.append(BadRow(number, f"has no {missing[0]}"))
                continue
            numbers.append(number)
            for field, text in texts.items():
                columns[field].append(text or b"")
        arrays = {field: pa.array(texts, pa.binary()) for field, texts in columns.items()}
        return Part(arrays, np.array(numbers, np.int64), bad)


def row_of(line: bytes) -> Line:
    """Return a line as an object, empty where it is none."""
    try:
        return decode_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def is_other(row: Line) -> bool:
    """Return whether a line of a capture is no frame."""
    return WHAT in row and bytes(row[WHAT]) in OTHERS


def text_of(row: Line, name: str) -> bytes | None:
    """Return a value as text, None where it is missing: a string without its quotes."""
    if name not in row:
        return None
    value = bytes(row[name])
    if value.startswith(b'"'):
        value = TEXTS.decode(value).encode()
    elif value == NULL:
        return b""
    return value.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in value else value
