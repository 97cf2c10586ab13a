"""Rows as both readers return them, before they become the tables of a market."""

import math
from typing import Any, NamedTuple

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.decode.strict import Row
from tapeflow.schemas.columns import Floats, Ints, Written
from tapeflow.schemas.market import ACCEPTED, DECODED, UNLISTED, Market
from tapeflow.schemas.time import NO_TIME
from tapeflow.schemas.venues.dialect import Dialect

RECORD_COLUMNS = (
    "offset",
    "log_ns",
)  # columns of every table that are the record's, not the frame's


def row_columns(dtype: type[np.generic]) -> tuple[str, ...]:
    """Return the columns of one dtype that a frame can fill, over all tables of a market."""
    names = [
        name
        for table in Market.tables().values()
        for name, kind in table.dtypes().items()
        if kind == dtype and name not in RECORD_COLUMNS
    ]
    return tuple(dict.fromkeys(names))


INTS, FLOATS = row_columns(np.int64), row_columns(np.float64)
INSTRUMENT = INTS.index("instrument")
# Values of the columns that a frame does not fill:
INT_DEFAULTS = tuple(
    {
        "instrument": -1,
        "event_ns": NO_TIME,
        "funding_ns": NO_TIME,
        "count": 1,
        "verdict": ACCEPTED,
    }.get(name, 0)
    for name in INTS
)
FLOAT_DEFAULTS = (math.nan,) * len(FLOATS)


def table_numbers(dialect: Dialect) -> Ints:
    """Return, by channel, the number of the market's table that its rows belong to, -1 for none."""
    numbers = {table: number for number, table in enumerate(Market.tables().values())}
    tables = [numbers[each.table] if each.table else -1 for each in dialect.channels]
    return np.array(tables, np.int64)


class Rows(NamedTuple):
    """The rows of some frames, by frame, and within a frame in log order."""

    frame: Ints  # number of the frame in its page
    channel: Ints  # number of the channel in its dialect
    ints: Ints  # (len(INTS), rows); instrument -1: not listed
    floats: Floats  # (len(FLOATS), rows); undefined in columns that the row's table lacks

    @classmethod
    def from_strict(cls, read: list[tuple[int, int, Row]]) -> "Rows":
        """Lay out the rows of the strict reader, each as (frame, channel, row)."""
        frames, channels, rows = zip(*read, strict=True) if read else ((), (), ())
        filled = {name for row in {tuple(row) for row in rows} for name in row}
        return cls(
            np.array(frames, np.int64),
            np.array(channels, np.int64),
            _matrix(rows, filled, INTS, INT_DEFAULTS, np.int64),
            _matrix(rows, filled, FLOATS, FLOAT_DEFAULTS, np.float64),
        )

    def merge(self, other: "Rows") -> "Rows":
        """Return the rows of both in the order of the frames; no frame may have rows in both."""
        if not len(other.frame):
            return self
        order = np.argsort(np.concatenate([self.frame, other.frame]), kind="stable")
        both = Rows(*(np.concatenate(pair, axis=-1) for pair in zip(self, other, strict=True)))
        return both.take(order)

    def take(self, rows: Ints) -> "Rows":
        """Return some of the rows, by their numbers."""
        ints, floats = self.ints.take(rows, axis=1), self.floats.take(rows, axis=1)
        return Rows(self.frame[rows], self.channel[rows], ints, floats)

    def to_market(
        self, tables: Ints, first_offset: int, log_ns: Ints, status: Ints
    ) -> tuple[Market, Ints]:
        """Lay the rows of listed instruments out as a market, and write the status of their frames.

        `tables` is by channel, `log_ns` and `status` are by frame. Also returns the first listed
        instrument of each frame, -1 where there is none.
        """
        offset, times = (np.empty(len(self.frame), np.int64) for _ in range(2))
        record_instrument = np.empty(len(status), np.int64)
        counts = np.zeros(len(Market.tables()), np.int64)
        instrument = self.ints[INSTRUMENT]
        listed = locate_rows(
            self.frame, self.channel, instrument, tables, first_offset, log_ns,
            offset, times, record_instrument, counts,
        )  # fmt: skip
        if listed < len(offset):
            status[self.frame] = UNLISTED
            rows = self.take(np.flatnonzero(instrument >= 0))
            status[rows.frame] = DECODED
            return rows.to_market(tables, first_offset, log_ns, status)
        columns = {"offset": offset, "log_ns": times}
        columns |= dict(zip(INTS, self.ints, strict=True))
        columns |= dict(zip(FLOATS, self.floats, strict=True))
        made = []
        for number, table in enumerate(Market.tables().values()):
            if counts[number] == 0:
                made.append(table.empty())
                continue
            whole = table(*(columns[name] for name in table.column_names()))
            if counts[number] < len(offset):  # the others belong to other tables
                whole = whole.take(np.flatnonzero(tables[self.channel] == number))
            made.append(whole)
        return Market.from_columns(made), record_instrument


@compiled
@by_numbers
def locate_rows(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    frame: Ints,
    channel: Ints,
    instrument: Ints,
    tables: Ints,
    first_offset: int,
    log_ns: Ints,
    offset: Written[Ints],
    times: Written[Ints],
    record_instrument: Written[Ints],
    counts: Written[Ints],
) -> int:
    """Write offset and log time of each row, and the first instrument of each frame, -1 for none.

    Adds the rows of each table to `counts`. Returns how many rows are of listed instruments.
    """
    for number in range(len(record_instrument)):
        record_instrument[number] = -1
    listed = 0
    counted_from = len(frame)
    for row in range(len(frame) - 1, -1, -1):
        number = frame[row]
        offset[row] = first_offset + number
        times[row] = log_ns[number]
        record_instrument[number] = instrument[row]
        listed += instrument[row] >= 0
        if row == 0 or channel[row] != channel[row - 1]:  # a run at once: one by one is a chain
            counts[tables[channel[row]]] += counted_from - row
            counted_from = row
    return listed


def _matrix(
    rows: tuple[Row, ...],
    filled: set[str],
    names: tuple[str, ...],
    defaults: tuple[Any, ...],
    kind: type,
) -> Any:
    """Return the columns of these names as (names, rows); `filled` are those that any row has."""
    matrix: Any = np.empty((len(names), len(rows)), kind)
    for column, name, default in zip(matrix, names, defaults, strict=True):
        column[:] = [row.get(name, default) for row in rows] if name in filled else default
    return matrix
