"""Gaps as columns: what a step has found in the order of the log, and what became a fact.

ids       7 8 9 13 14 11
breaks          ^FOUND 10-12
                      ^FILLED 11          10 and 12 are missing, until trades of the bars that
gaps                                      they belong to can come no more: two rows
"""

from collections.abc import Iterator, Sequence

from tapeflow.schemas.columns import Columns, Ints
from tapeflow.schemas.quality import Gap

# Kinds of breaks: ids are missing; one of them has come; the venue numbers anew; the log paused.
FOUND, FILLED, RENUMBERED, PAUSED = range(4)
NO_INSTRUMENT = -1  # of a pause: it is one of the whole partition


class Breaks(Columns, frozen=True, eq=False):
    """Changes of what is missing in one partition, in log order."""

    offset: Ints  # of the record by which it is known
    log_ns: Ints
    kind: Ints
    instrument: Ints
    first_id: Ints  # FOUND: the ids from first to last are missing; FILLED: the id that has come
    last_id: Ints
    before_ns: Ints  # event times of the trades next to it; FILLED: of the trade itself
    after_ns: Ints


class Gaps(Columns, frozen=True, eq=False):
    """Gaps that became facts, in the order of the records by which they did."""

    settled_offset: Ints  # of the record by which it became a fact
    offset: Ints  # of the record by which it was found
    log_ns: Ints
    instrument: Ints
    first_id: Ints
    last_id: Ints
    missing: Ints
    before_ns: Ints
    after_ns: Ints
    open_ns: Ints

    def values(self, partition: str, instruments: Sequence[str]) -> Iterator[Gap]:
        """Yield each gap as a value; `instruments` are the ids by number."""
        rows = zip(*(column.tolist() for column in self.arrays()), strict=True)
        for _, offset, log_ns, number, *ids, missing, before_ns, after_ns, open_ns in rows:
            paused = number == NO_INSTRUMENT
            name, (first, last) = (None, (None, None)) if paused else (instruments[number], ids)
            times = (before_ns, after_ns, open_ns)
            yield Gap(name, partition, offset, log_ns, first, last, missing, *times)
