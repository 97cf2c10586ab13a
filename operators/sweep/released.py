"""The rows below the horizon of all partitions, as arrays one behind the other.

partition 0   partition 1   ..      trades and quotes, each in log order; cursors say where they are
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapeflow.operators.desk.merge import Merge, Pending, rows_before
from tapeflow.schemas.columns import Ints2
from tapeflow.schemas.time import LogPosition

WHERE = ("instrument", "log_ns", "offset", "venue_ns")
OF_TRADES, OF_QUOTES = (*WHERE, "price"), (*WHERE, "bid", "ask")
FLOATS = {"price", "bid", "ask"}


class Released(NamedTuple):
    """Rows of all partitions, and where those of each begin and end."""

    trades: tuple[Any, ...]
    quotes: tuple[Any, ...]
    cursors: Ints2  # (partitions, 4): begin and end of trades, begin and end of quotes


def release(merge: Merge, partitions: Sequence[str]) -> Released:
    """Take the rows below the horizon out of the merge, of partitions in the order of names."""
    trades: list[Any] = []
    quotes: list[Any] = []
    cursors = np.zeros((len(partitions), 4), np.int64)
    for number, name in enumerate(partitions):
        pending = merge.pending.get(name, ())
        taken = [take_rows(table, merge.horizon, name) for table in pending]
        for at, chunks, own in ((0, trades, taken[:1]), (2, quotes, taken[1:2])):
            cursors[number, at] = sum(map(len, chunks))
            chunks.extend(*own)
            cursors[number, at + 1] = sum(map(len, chunks))
    return Released(join(trades, OF_TRADES), join(quotes, OF_QUOTES), cursors)


def take_rows(table: Pending, horizon: LogPosition, partition: str) -> list[Any]:
    """Take the rows of a table that lie below the horizon; return them in chunks."""
    taken = []
    while table.chunks:
        head = table.chunks[0]
        count = rows_before(horizon, partition, head)
        if count > table.begin:
            taken.append(head.take(slice(table.begin, count)))
        if count < len(head):
            table.begin = max(count, table.begin)
            break
        table.chunks.popleft()
        table.begin = 0
    return taken


def join(chunks: Sequence[Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Return columns of chunks, one behind the other."""
    empty = tuple(np.empty(0, np.float64 if name in FLOATS else np.int64) for name in names)
    if not chunks:
        return empty
    return tuple(
        np.ascontiguousarray(np.concatenate([getattr(each, name) for each in chunks]))
        for name in names
    )


NO_ROWS = Released(join((), OF_TRADES), join((), OF_QUOTES), np.zeros((0, 4), np.int64))
