"""Bars as the results have them, as columns: what features are computed from.

    rows of bars, or of a kind of other_bars ──▶ Bars of one instrument of a partition, in log order

At most BARS_MAX of them are read, the last ones before what is explained.
"""

from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from tapeflow.connectors.duckdb.reading import ResultsReader, to_sql
from tapeflow.operators.features.holes import NEVER_NS, find_holes
from tapeflow.operators.features.of_quotes import QUOTE
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.market import Bars, QuoteBars
from tapeflow.schemas.time import LogPosition

BARS_MAX = 200_000
TIMES = {"open_ns": "open_time", "close_ns": "close_time", "log_ns": "log_time"}


class Source(NamedTuple):
    """The bars of one instrument and kind in a partition."""

    kind: str  # "": the job's own width
    instrument: str
    partition: str


class StoredBars:
    """The bars of a source."""

    def __init__(self, source: Source, bars: Bars, *, is_cut: bool) -> None:
        """Take the bars in log order; `is_cut`: the results have earlier ones too."""
        self.source, self.bars, self.is_cut = source, bars, is_cut

    def place_at(self, position: LogPosition) -> int:
        """Return the row of the last bar that was closed before a position; -1: none was."""
        log_ns, partition, offset = position
        if partition == self.source.partition:
            return int(np.searchsorted(self.bars.offset, offset)) - 1
        if self.source.partition < partition:
            return int(np.searchsorted(self.bars.log_ns, log_ns, "right")) - 1
        return int(np.searchsorted(self.bars.log_ns, log_ns, "left")) - 1

    def is_at(self, place: int, position: LogPosition) -> bool:
        """Return whether the bar in a row, if there is one, was closed by the record there."""
        _, partition, offset = position
        if place >= len(self.bars) or partition != self.source.partition:
            return False
        return int(self.bars.offset[place]) == offset

    def is_known(self, place: int, position: LogPosition, key: tuple[int, str, str]) -> bool:
        """Return whether a bar closed at a position comes before that with a key, or is it."""
        if not self.is_at(place, position):
            return False
        own = (int(self.bars.close_ns[place]), self.source.kind, self.source.instrument)
        return own <= key

    @cached_property
    def incomplete(self) -> list[int]:
        """How many bars are not complete, before each row and after the last."""
        return [0, *accumulate((~self.bars.complete).astype(np.int64).tolist())]

    def begin_of(self, place: int, hole_ns: int) -> int:
        """Return the row at which features have begun that go on to a row: behind the last hole."""
        anew, number = np.empty(len(self.bars), np.bool_), np.zeros(len(self.bars), np.int64)
        last_end_ns: Ints = np.full(1, NEVER_NS)
        find_holes(number, self.bars.open_ns, self.bars.close_ns, hole_ns, last_end_ns, anew)
        behind = np.flatnonzero(anew[: place + 1])
        return int(behind[-1]) if len(behind) else 0


def rows_of(source: Source) -> str:
    """Return the SQL of the rows of a source."""
    table = "other_bars" if source.kind else "bars"
    of_kind = f"AND kind = {to_sql(source.kind)} " if source.kind else ""
    return (
        f"FROM {table} WHERE instrument = {to_sql(source.instrument)} {of_kind}"
        f"AND partition = {to_sql(source.partition)}"
    )


def is_long(reader: ResultsReader, source: Source) -> bool:
    """Return whether there are more bars than are read at once."""
    return int(reader.rows(f"SELECT count(*) AS n {rows_of(source)}")[0]["n"]) > BARS_MAX


def read_bars(
    reader: ResultsReader, source: Source, number: int, until: LogPosition | None = None
) -> StoredBars:
    """Return the bars of a source that were closed up to a position, or all.

    `number`: of the instrument, as the column has it.
    """
    columns = QuoteBars if source.kind.startswith(QUOTE) else Bars
    dtypes: dict[str, Any] = columns.dtypes()
    names = [name for name in dtypes if name != "instrument"]
    selected = ", ".join(
        f"epoch_ns({TIMES[name]}) AS {name}" if name in TIMES else f'"{name}"' for name in names
    )
    among = "" if until is None else until_sql(source, until)
    rows = reader.rows(
        f"SELECT {selected} {rows_of(source)} {among} "
        f'ORDER BY "offset" DESC, close_time DESC, open_time DESC LIMIT {BARS_MAX + 1}'
    )
    is_cut, rows = len(rows) > BARS_MAX, rows[:BARS_MAX][::-1]
    values = {
        name: np.array([nan_for_none(row[name]) for row in rows], dtypes[name]) for name in names
    }
    bars = columns(instrument=np.full(len(rows), number), **values)
    return StoredBars(source, bars, is_cut=is_cut)


def until_sql(source: Source, until: LogPosition) -> str:
    """Return the SQL of the bars of a source that were closed up to a position."""
    log_ns, partition, offset = until
    if partition == source.partition:
        return f'AND "offset" <= {offset}'
    return f"AND epoch_ns(log_time) <= {log_ns}"


def nan_for_none(value: Any) -> Any:
    """Return a value of a column; NULL as NaN."""
    return float("nan") if value is None else value
