"""Facts that wait to be written, as columns where they are many.

facts ──▶ by type ──256──▶ Arrow batches ─┐
bars, columns already, by partition ──────┴─▶ tables, when they are written
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from msgspec import Struct

from tapeflow.schemas.arrow import bars_to_record_batch, to_record_batch
from tapeflow.schemas.batches import BarBlock
from tapeflow.schemas.market import Bar, Bars
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.registry import BY_TYPE

ROW_BYTES = 256  # a long frame counts as so many rows
CHUNK_ROWS = 256  # facts of a type that are laid out as columns at once


class FactBuffer:
    """What a sink was given and has not written."""

    def __init__(self, instruments: Sequence[str]) -> None:
        """Hold nothing yet; ids of the instruments by number."""
        self.instruments = instruments
        self.rows = 0
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.batches: defaultdict[type, list[Any]] = defaultdict(list)  # facts before those
        self.bars: defaultdict[str, list[Bars]] = defaultdict(list)  # by partition

    def add(self, facts: Iterable[Struct]) -> None:
        """Take facts and blocks of them."""
        for fact in facts:
            if isinstance(fact, BarBlock):
                self.bars[fact.partition].append(fact.bars)
                self.rows += len(fact.bars)
                continue
            self.rows += 1 + (len(fact.frame) // ROW_BYTES if isinstance(fact, DeadLetter) else 0)
            waiting = self.facts[type(fact)]
            waiting.append(fact)
            if len(waiting) == CHUNK_ROWS:  # while they are still in the processor's cache
                self._lay_out(type(fact))

    def tables(self) -> dict[str, Any]:
        """Everything, by table; nothing waits any more."""
        for kind in list(self.facts):
            self._lay_out(kind)
        for partition, bars in self.bars.items():
            self.batches[Bar].append(
                bars_to_record_batch(partition, Bars.concat(bars), self.instruments)
            )
        told = {
            BY_TYPE[kind].table: pa.Table.from_batches(batches)
            for kind, batches in self.batches.items()
        }
        self.bars.clear()
        self.batches.clear()
        self.rows = 0
        return told

    def _lay_out(self, kind: type) -> None:
        self.batches[kind].append(to_record_batch(kind, self.facts.pop(kind)))
