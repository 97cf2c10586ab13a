"""Tables of text that fit a width: columns of less weight go first, then the widest is cut."""

from collections.abc import Sequence
from unicodedata import east_asian_width

from msgspec import Struct

GAP = 2  # columns between two
LEAST = 6  # no column is cut below it
CUT = "…"


class Column(Struct, frozen=True):
    """A column: its title, where its values stand, and when it is left out."""

    title: str
    right: bool = False  # numbers stand at the right
    rank: int = 0  # the highest rank is left out first; 0: never
    short: int = 0  # it may be cut to this width before others are left out; 0: it may not
    tone: str = ""  # sign: of an amount; state: of a trading state or severity


class Table(Struct, frozen=True):
    """A part of the screen."""

    name: str  # in JSON
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    empty: str  # where there are no rows
    note: str = ""  # next to the title
    wraps: bool = False  # its rows are sentences: they are wrapped, never cut


class Fitted(Struct, frozen=True):
    """A table that fits a width."""

    columns: Sequence[Column]
    widths: Sequence[int]
    rows: Sequence[Sequence[str]]  # each value padded to its column

    def header(self) -> list[str]:
        """Return the titles, padded."""
        pairs = zip(self.columns, self.widths, strict=True)
        return [pad(column.title, width, right=column.right) for column, width in pairs]


def fit(table: Table, width: int | None = None) -> Fitted:
    """Return the columns and rows of a table that fit `width` characters; None: all of it."""
    chosen = list(range(len(table.columns)))
    if width is not None:
        while least_width(table, chosen) > width:
            droppable = [index for index in chosen if table.columns[index].rank]
            if not droppable:
                break
            chosen.remove(max(droppable, key=lambda index: (table.columns[index].rank, index)))
    widths = [column_width(table, index) for index in chosen]
    while width is not None and sum(widths) + GAP * (len(widths) - 1) > width:
        index = widest_to_cut(table, chosen, widths)
        if widths[index] <= LEAST:
            break
        widths[index] -= 1
    columns = [table.columns[index] for index in chosen]
    rows = [
        [
            pad(row[index], size, right=column.right)
            for index, size, column in zip(chosen, widths, columns, strict=True)
        ]
        for row in table.rows
    ]
    return Fitted(columns, widths, rows)


def least_width(table: Table, chosen: Sequence[int]) -> int:
    """Return the width of some columns of a table, of which some may be cut."""
    widths = []
    for index in chosen:
        full, short = column_width(table, index), table.columns[index].short
        widths.append(min(full, short) if short else full)
    return sum(widths) + GAP * (len(chosen) - 1)


def widest_to_cut(table: Table, chosen: Sequence[int], widths: Sequence[int]) -> int:
    """Return which width is made less: of a column that may be cut, else the greatest."""
    places = range(len(widths))
    shorts = [table.columns[index].short for index in chosen]
    cuttable = [place for place in places if shorts[place] and widths[place] > shorts[place]]
    return max(cuttable or places, key=lambda place: widths[place])


def column_width(table: Table, index: int) -> int:
    """Return the width of the widest value of a column, or of its title."""
    values = [table.columns[index].title, *(row[index] for row in table.rows)]
    return max(map(cells, values))


def cells(text: str) -> int:
    """Return the columns of a terminal that a text takes.

    >>> cells("BTC"), cells("日本")
    (3, 4)
    """
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, width: int, *, right: bool) -> str:
    """Return a text of exactly `width` columns: cut, or padded on one side."""
    text = "".join(character if character.isprintable() else "·" for character in text)
    if cells(text) > width:
        while text and cells(text) > width - 1:
            text = text[:-1]
        text += CUT
    space = " " * (width - cells(text))
    return space + text if right else text + space
