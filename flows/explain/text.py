r"""An explanation as text: a tree, cut to the width of the terminal.

    fill 70738912dabeb5b6bc86211e: BUY 0.1 BTC-USDT.BINANCE at 91459.82
    │  trend of main, 2026-01-05 09:00:43.46336; TAKER, fee 4.572991 USDT
    ├─ filled it: record binance-0:18665
    │     {"stream":"btcusdt@bookTicker",..}
    └─ its order: order 33382c8d8053e301c74a617c: market BUY 0.1 BTC-USDT.BINANCE

Where the output is no terminal, lines are as long as what they show. Bytes that are not UTF-8, and
what a terminal would obey, are shown as \xFF.
"""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from tapeflow.flows.explain.log_titles import SPANS
from tapeflow.flows.explain.node import Frame, Node, Row, record_id
from tapeflow.flows.explain.titles import body, title
from tapeflow.flows.explain.values import number
from tapeflow.schemas.time import format_time

BRANCHES = {True: ("├─ ", "└─ ", "│  "), False: ("|- ", "`- ", "|  ")}  # in Unicode, or in ASCII
WIDTH_MIN = 40  # below it lines are not cut
COLUMNS = {  # of the tables of a node, where not all of them are of use; JSON has all
    "events": ("time", "kind", "phase", "end", "pending", "filled", "leaves", "price", "size",
               "reason", "alert", "source", "record"),
    "commands": ("time", "action", "size", "limit", "trigger", "trail", "tif", "expire_time",
                 "deadline_time", "wire_id"),
    "fills": ("log_time", "id", "price", "size", "liquidity", "fee", "record"),
    "slices and exits": ("time", "id", "role", "type", "side", "size", "limit", "trigger"),
    "positions after their last fill": ("time", "instrument", "quantity", "realized", "fees",
                                        "funding", "mark", "unrealized", "fill_id"),
    "features": ("feature", "instrument", "parameters", "value", "before", "bars", "incomplete",
                 "bar_end"),
    "the position before": ("time", "quantity", "realized", "fees", "funding", "fill_id"),
}  # fmt: skip
ROWS_SHOWN = 6  # first ones of a table, and last ones, unless all are wanted


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None where a stream is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None
    except (OSError, ValueError):
        return None


def render(
    node: Node, width: int | None = None, *, all_frames: bool = False, unicode: bool = True
) -> str:
    """Return the tree of an explanation."""
    signs = BRANCHES[unicode]
    return "\n".join(lines_of(node, width, signs, "", "", all_frames=all_frames))


def lines_of(
    node: Node,
    width: int | None,
    signs: Sequence[str],
    before: str,
    below: str,
    *,
    all_frames: bool,
) -> Iterator[str]:
    """Yield the lines of a node; `before` is ahead of its title, `below` of all its other lines."""
    between, last, through = signs
    head = f"{node.why}: {title(node)}" if node.why else title(node)
    inside = below + (through if node.causes else "   ")
    yield from wrap(head, width, before, inside)
    for line in body(node):
        yield from wrap(line, width, inside, inside + "  ")
    for name, rows in node.tables.items():
        if rows:
            yield from wrap(f"{name}:", width, inside, inside)
            for line in table_lines(name, rows, all_rows=all_frames):
                yield from wrap(line, width, inside + "  ", inside + "    ")
    for line in frame_lines(node):
        yield from wrap(line, width, inside + "  ", inside + "    ")
    for note in node.notes:
        yield from wrap(f"note: {note}", width, inside, inside + "  ")
    for fault in node.faults:
        yield from wrap(f"FAULT: {fault}", width, inside, inside + "  ")
    for place, cause in enumerate(node.causes, 1):
        is_last = place == len(node.causes)
        branch, rest = (last, "   ") if is_last else (between, through)
        ahead, under = below + branch, below + rest
        yield from lines_of(cause, width, signs, ahead, under, all_frames=all_frames)


def table_lines(name: str, rows: list[Row], *, all_rows: bool) -> Iterator[str]:
    """Yield the lines of a table: of a long one its first and last rows, unless all are wanted."""
    columns = COLUMNS.get(name)
    if name == "features" and len({row["instrument"] for row in rows}) == 1:
        columns = tuple(each for each in COLUMNS[name] if each != "instrument")
    lines = list(align(rows, columns))
    missing = 0 if all_rows else max(len(rows) - 2 * ROWS_SHOWN, 0)
    if missing:
        lines[ROWS_SHOWN + 1 : -ROWS_SHOWN] = [f".. {missing} more: --all"]
    yield from lines


def frame_lines(node: Node) -> Iterator[str]:
    """Yield the lines of the frames of a node: of a bar's with their offsets."""
    if node.kind not in SPANS:
        for frame in node.frames:
            yield printable(frame.frame) if frame.frame else "(empty: a heartbeat)"
        return
    missing = node.row.get("records", 0) - len(node.frames)
    half = (len(node.frames) + 1) // 2
    for place, frame in enumerate(node.frames):
        if missing > 0 and place == half:
            yield f".. {missing} more: --all"
        yield bar_frame_line(frame)


def bar_frame_line(frame: Frame) -> str:
    """Return the line of a frame among those of a bar."""
    return f"{frame.offset}  {format_time(frame.log_ns)}  {printable(frame.frame)}"


def printable(frame: bytes) -> str:
    r"""Return the text of a frame; bytes that are not UTF-8, and controls, as \xFF.

    >>> print(printable(b'{"a":1}\xff\x1b'))
    {"a":1}\xFF\x1B
    """
    text = frame.decode("utf-8", "surrogateescape")
    return text if text.isprintable() else "".join(map(escape, text))


def escape(character: str) -> str:
    """Return a character as it is, or its bytes where a terminal would not print it."""
    if character.isprintable():
        return character
    raw = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\x{byte:02X}" for byte in raw)


def align(rows: list[Row], columns: Sequence[str] | None = None) -> Iterator[str]:
    """Yield some columns of rows, aligned under their names, without those that say nothing."""
    shown = [row | {"record": record_of(row)} for row in rows] if columns else rows
    names = [name for name in columns or rows[0] if any(cell(row.get(name)) for row in shown)]
    cells = [[cell(row.get(name)) for name in names] for row in shown]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    for line in (names, *cells):
        yield "  ".join(map(str.ljust, line, widths)).rstrip()


def record_of(row: Row) -> str:
    """Return the id of the record that a row names; "" where it names none."""
    return record_id(row["partition"], row["offset"]) if row.get("partition") else ""


def cell(value: Any) -> str:
    """Return a value of a table as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in ({}, []):
        return ""
    if isinstance(value, float):
        return number(value)
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return "" if value is None else printable(text.encode("utf-8", "surrogatepass"))


def wrap(line: str, width: int | None, before: str, after: str) -> Iterator[str]:
    """Yield a line in pieces of the terminal's width; `after` is ahead of all but the first."""
    if width is None or width - len(after) < WIDTH_MIN // 2:
        yield (before + line).rstrip()
        return
    while True:
        room = width - len(before)
        cut = len(line) if len(line) <= room else (line.rfind(" ", room // 2, room + 1) + 1 or room)
        yield (before + line[:cut]).rstrip()
        line, before = line[cut:], after
        if not line:
            return
