"""Merges streams of rows by log time: trades and quotes of one symbol are one partition.

trades   1  4  4  9 ┐
quotes   2  4  5    ┘─▶ 1 2 4 4 4 5 9      at one time the earlier stream first
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tapeflow.flows.imports.file_rows import Rows
from tapeflow.schemas.columns import Ints


class Head:
    """The rows of a stream that were read and are not delivered yet."""

    def __init__(self, stream: Iterator[Rows]) -> None:
        """Begin with nothing."""
        self.stream, self.ended = stream, False
        self.log_ns: Ints = np.empty(0, np.int64)
        self.frames: Any = pa.array([], pa.large_binary())

    def extend(self) -> None:
        """Read one more part."""
        more = next(self.stream, None)
        if more is None:
            self.ended = True
            return
        self.log_ns = np.concatenate([self.log_ns, more[0]])
        self.frames = pa.concat_arrays([self.frames, more[1].cast(pa.large_binary())])

    def take(self, count: int) -> Rows:
        """Return so many rows, and go on behind them."""
        taken = self.log_ns[:count], self.frames[:count]
        self.log_ns, self.frames = self.log_ns[count:], self.frames[count:]
        return taken


def merge_rows(streams: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Yield the rows of streams, each in the order of log times, in that order; in parts."""
    if len(streams) == 1:
        yield from streams[0]
        return
    heads = [Head(each) for each in streams]
    while True:
        for head in heads:
            while not head.ended and not len(head.log_ns):
                head.extend()
        open_heads = [each for each in heads if not each.ended]
        counts = [len(each.log_ns) for each in heads]
        if open_heads:  # rows of the least last time may go on in the next part of their stream
            first_to_end = min(open_heads, key=lambda each: int(each.log_ns[-1]))
            bound = first_to_end.log_ns[-1]
            counts = [int(np.searchsorted(each.log_ns, bound)) for each in heads]
            if not any(counts):
                first_to_end.extend()
        pieces = [head.take(count) for head, count in zip(heads, counts, strict=True)]
        times = np.concatenate([each[0] for each in pieces])
        if len(times):
            order = np.argsort(times, kind="stable")
            frames = pa.concat_arrays([each[1] for each in pieces])
            yield times[order], frames.take(pa.array(order))
        if not open_heads:
            return
