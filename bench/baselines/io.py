"""The doors of the per-item flow: tapes in, a line an item; tables and counts out."""

from itertools import islice
from pathlib import Path

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from bench.baselines.events import End, Line
from bench.baselines.frames import opened, tapes_in
from bench.baselines.trading import COLUMNS, write_stats, write_table

BATCH = 1000  # lines read at a time, as the engine's own file source does
Row = tuple[object, ...]


class TapePart(StatefulSourcePartition[Line | End, int]):
    """A tape; it can go on after any line."""

    def __init__(self, path: Path, partition: str, offset: int) -> None:
        self.partition, self.offset, self.log_ns = partition, offset, 0
        self.file = opened(path)
        self.ended = False
        for _ in islice(self.file, offset):
            pass

    def next_batch(self) -> list[Line | End]:
        """The next lines, and at last the end."""
        if self.ended:
            raise StopIteration
        lines: list[Line | End] = []
        for text in islice(self.file, BATCH):
            stamp, _, frame = text.rstrip(b"\n").partition(b" ")
            self.log_ns = int(stamp)
            lines.append(Line(self.partition, self.offset, self.log_ns, frame))
            self.offset += 1
        if lines:
            return lines
        self.ended = True
        return [End(self.partition, self.offset, self.log_ns)]

    def snapshot(self) -> int:
        """The next line."""
        return self.offset

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class TapeSource(FixedPartitionedSource[Line | End, int]):
    """The tapes of a folder."""

    def __init__(self, folder: Path) -> None:
        self.paths = {partition: path for path, partition in tapes_in(folder)}

    def list_parts(self) -> list[str]:
        """Their partitions."""
        return list(self.paths)

    def build_part(self, _step_id: str, for_part: str, resume_state: int | None) -> TapePart:
        """Open one."""
        return TapePart(self.paths[for_part], for_part, resume_state or 0)


class TablePart(StatefulSinkPartition[Row, None]):
    """One table, written at the end."""

    def __init__(self, out: Path, table: str) -> None:
        self.out, self.table = out, table
        self.rows: list[Row] = []

    def write_batch(self, values: list[Row]) -> None:
        """Take rows."""
        self.rows += values

    def snapshot(self) -> None:
        """A run that begins anew each time."""

    def close(self) -> None:
        """Write them."""
        write_table(self.out, self.table, self.rows)


class TableSink(FixedPartitionedSink[Row, None]):
    """Rows, keyed by their table, as CSV."""

    def __init__(self, out: Path) -> None:
        self.out = out
        for table in COLUMNS:  # the engine opens no part that no row comes to
            write_table(out, table, [])

    def list_parts(self) -> list[str]:
        """The tables."""
        return sorted(COLUMNS)

    def part_fn(self, item_key: str) -> int:
        """The number of a table."""
        return self.list_parts().index(item_key)

    def build_part(self, _step_id: str, for_part: str, _resume_state: None) -> TablePart:
        """Begin one."""
        return TablePart(self.out, for_part)


class CountsPart(StatefulSinkPartition[tuple[str, int], None]):
    """All counts."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.counts: dict[str, int] = {}

    def write_batch(self, values: list[tuple[str, int]]) -> None:
        """Take some."""
        self.counts.update(values)

    def snapshot(self) -> None:
        """A run that begins anew each time."""

    def close(self) -> None:
        """Write them."""
        write_stats(self.out, self.counts)


class CountsSink(FixedPartitionedSink[tuple[str, int], None]):
    """Counts, with their names, as JSON."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def list_parts(self) -> list[str]:
        """One file."""
        return ["stats"]

    def build_part(self, _step_id: str, _for_part: str, _resume_state: None) -> CountsPart:
        """Begin it."""
        return CountsPart(self.out)
