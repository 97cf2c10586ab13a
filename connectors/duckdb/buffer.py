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
from tapeflow.schemas.bar import Bar, OtherBar
from tapeflow.schemas.batches import BarBlock
from tapeflow.schemas.market import Bars
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.registry import TABLES

ROW_BYTES = 256  # of a dead letter's frame count as one row
FEW_ROWS = 500  # of a type: they can wait for the end of the epoch
CHUNK_ROWS = 256  # facts of a type that are laid out as columns at once


class FactBuffer:
    """Facts that a sink was given and has not written."""

    def __init__(self, instruments: Sequence[str]) -> None:
        """Begin empty; `instruments` are the ids by number."""
        self.instruments = instruments
        self.rows = 0
        self.facts: defaultdict[type, list[Struct]] = defaultdict(list)
        self.batches: defaultdict[type, list[Any]] = defaultdict(list)  # before those in `facts`
        self.bars: defaultdict[tuple[str, str], list[Bars]] = defaultdict(list)  # partition, kind

    def add(self, facts: Iterable[Struct]) -> None:
        """Add facts, and blocks of bars."""
        for fact in facts:
            if isinstance(fact, BarBlock):
                self.bars[fact.partition, fact.kind].append(fact.bars)
                self.rows += len(fact.bars)
                continue
            self.rows += 1 + (len(fact.frame) // ROW_BYTES if isinstance(fact, DeadLetter) else 0)
            chunk = self.facts[type(fact)]
            chunk.append(fact)
            if len(chunk) == CHUNK_ROWS:  # while they are still in the processor's cache
                self._lay_out(type(fact))

    def drain(self, rows_min: int = 0) -> dict[str, Any]:
        """Return the facts as pyarrow Tables by name, but for types of fewer than `rows_min` rows.

        Those stay in the buffer: to insert a table costs a millisecond. Dead letters never stay, as
        each may be large.
        """
        types = dict.fromkeys((*self.facts, *self.batches))
        few = {each for each in types if each is not DeadLetter and self._rows_of(each) < rows_min}
        for fact_type in [each for each in self.facts if each not in few]:
            self._lay_out(fact_type)
        for (partition, kind), parts in self.bars.items():
            bars = type(parts[0]).concat(parts)
            self.batches[OtherBar if kind else Bar].append(
                bars_to_record_batch(partition, bars, self.instruments, kind)
            )
        self.bars.clear()
        drained = [each for each in self.batches if each not in few]
        tables = {
            TABLES[fact_type]: pa.Table.from_batches(self.batches.pop(fact_type))
            for fact_type in drained
        }
        self.rows = sum(map(self._rows_of, few))
        return tables

    def _rows_of(self, fact_type: type) -> int:
        laid_out: int = sum(batch.num_rows for batch in self.batches.get(fact_type, ()))
        return laid_out + len(self.facts.get(fact_type, ()))

    def _lay_out(self, fact_type: type) -> None:
        self.batches[fact_type].append(to_record_batch(fact_type, self.facts.pop(fact_type)))
