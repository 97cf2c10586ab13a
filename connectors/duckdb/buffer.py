"""The write buffer: facts that are not written yet, laid out as columns in chunks.

facts ──▶ by type ──256──▶ Arrow batches ─┐
bars, columns already, by partition ──────┴─▶ tables, at drain()
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from msgspec import Struct

from tapeflow.schemas.arrow import bars_to_record_batch, to_record_batch
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.batches import BarBlock
from tapeflow.schemas.market import Bars
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.registry import TABLES

ROW_BYTES = 256  # of a dead letter's frame count as one row
CHUNK_ROWS = 256  # facts of a type that are laid out as columns at once


class FactBuffer:
    """Facts that a sink was given and has not written."""

    def __init__(self, instruments: Sequence[str]) -> None:
        """Begin empty; `instruments` are the ids by number."""
        self.instruments = instruments
        self.rows = 0
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.batches: defaultdict[type, list[Any]] = defaultdict(list)  # before those in `facts`
        self.bars: defaultdict[str, list[Bars]] = defaultdict(list)  # by partition

    def add(self, facts: Iterable[Struct]) -> None:
        """Add facts, and blocks of bars."""
        for fact in facts:
            if isinstance(fact, BarBlock):
                self.bars[fact.partition].append(fact.bars)
                self.rows += len(fact.bars)
                continue
            self.rows += 1 + (len(fact.frame) // ROW_BYTES if isinstance(fact, DeadLetter) else 0)
            chunk = self.facts[type(fact)]
            chunk.append(fact)
            if len(chunk) == CHUNK_ROWS:  # while they are still in the processor's cache
                self._lay_out(type(fact))

    def drain(self) -> dict[str, Any]:
        """Return everything as pyarrow Tables by name, and empty the buffer."""
        for fact_type in list(self.facts):
            self._lay_out(fact_type)
        for partition, bars in self.bars.items():
            self.batches[Bar].append(
                bars_to_record_batch(partition, Bars.concat(bars), self.instruments)
            )
        tables = {
            TABLES[fact_type]: pa.Table.from_batches(batches)
            for fact_type, batches in self.batches.items()
        }
        self.bars.clear()
        self.batches.clear()
        self.rows = 0
        return tables

    def _lay_out(self, fact_type: type) -> None:
        self.batches[fact_type].append(to_record_batch(fact_type, self.facts.pop(fact_type)))
