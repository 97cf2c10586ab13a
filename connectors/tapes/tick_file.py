"""The ticks of an hour of a partition in a Parquet file, and the sink that writes it.

    batches ──▶ FOLDER/trades/binance-0/2026-01-05T09.parquet
            └─▶ FOLDER/quotes/binance-0/2026-01-05T09.parquet

A file depends on its ticks alone, not on the pages in which they came: row groups are cut by number
of rows, from the hour's first tick on. It is written under another name and renamed when its hour
is over.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from tapeflow.connectors.fsync import sync
from tapeflow.connectors.tapes.archive_layout import HOUR_NS, closed_path, unfinished_path
from tapeflow.connectors.tapes.hour_file import translate_errors
from tapeflow.connectors.tapes.tick_rows import NAMES, SCHEMAS, Tables
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.batches import Batch

GROUP_ROWS = 131_072
DELTAS = ("offset", "log_ns", "event_ns")  # grow by little from row to row


class HourFile:
    """The file of one hour while it is written."""

    def __init__(self, path: Path, schema: Any) -> None:
        """Begin the file under another name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.schema, self.unfinished = path, schema, unfinished_path(path)
        plain = [each.name for each in schema if each.type != NAMES]
        encoded = {name: "DELTA_BINARY_PACKED" for name in DELTAS}
        self.writer = pq.ParquetWriter(
            self.unfinished,
            schema,
            compression="zstd",
            use_dictionary=[each.name for each in schema if each.name not in plain],
            column_encoding=encoded,
        )
        self.waiting: list[Any] = []
        self.rows = 0  # of what waits

    def add(self, table: Any) -> None:
        """Append ticks; write whole row groups."""
        self.waiting.append(table)
        self.rows += len(table)
        while self.rows >= GROUP_ROWS:
            self._write(GROUP_ROWS)

    def finish(self) -> None:
        """Write what waits, and put the file in its place: a reader never finds a part."""
        if self.rows:
            self._write(self.rows)
        self.writer.close()
        sync(self.unfinished)
        os.replace(self.unfinished, self.path)
        sync(self.path.parent)

    def _write(self, count: int) -> None:
        ticks = pa.concat_tables(self.waiting).unify_dictionaries()
        group = ticks.slice(0, count).combine_chunks()
        self.writer.write_table(group, row_group_size=count)
        self.waiting, self.rows = [ticks.slice(count)], self.rows - count


class TickSink(FixedPartitionedSink[Batch, None]):
    """A sink that writes the ticks of batches into the hour files of their partitions."""

    def __init__(
        self, folder: Path, partitions: Iterable[str], instruments: tuple[str, ...]
    ) -> None:
        """Write `partitions`, in the order of the source; `instruments` are the ids by number."""
        self.folder, self.instruments = folder, instruments
        self.number = {name: number for number, name in enumerate(partitions)}

    def list_parts(self) -> list[str]:
        """Return the partitions as the source names them: each is written where it is read."""
        return [f"{number:04d} {name}" for name, number in self.number.items()]

    def part_fn(self, item_key: str) -> int:
        """Return the number of a partition, given its state key."""
        return self.number[item_key.rpartition("~")[0]]

    @capture_errors
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "TickPartition":
        """Begin the files of a partition."""
        return TickPartition(self.folder, for_part.partition(" ")[2], self.instruments)


class TickPartition(StatefulSinkPartition[Batch, None]):
    """The owner of one partition's files: one open hour of each kind of ticks."""

    def __init__(self, folder: Path, partition: str, instruments: tuple[str, ...]) -> None:
        """Begin without a file."""
        self.folder, self.partition = folder, partition
        tables = Tables(partition, instruments)
        self.kinds: dict[str, Callable[[Any], Any]] = {
            "trades": tables.of_trades,
            "quotes": tables.of_quotes,
        }
        self.open: dict[str, tuple[int, HourFile]] = {}

    @capture_errors
    def write_batch(self, values: list[Batch]) -> None:
        """Append the ticks of batches to their hours, and finish every hour that is over."""
        with translate_errors(self.folder, "written"):
            for batch in values:
                for kind in self.kinds:
                    self._append(kind, getattr(batch.market, kind))
                    if batch.end_of_log:
                        self._finish(kind)

    def _append(self, kind: str, ticks: Any) -> None:
        hours = ticks.log_ns // HOUR_NS
        begin = 0
        while begin < len(hours):
            hour = int(hours[begin])
            end = int(np.searchsorted(hours, hour, "right"))
            if kind in self.open and self.open[kind][0] != hour:
                self._finish(kind)
            if kind not in self.open:
                path = closed_path(self.folder / kind / self.partition, hour)
                self.open[kind] = hour, HourFile(path, SCHEMAS[kind])
            self.open[kind][1].add(self.kinds[kind](ticks.take(np.arange(begin, end))))
            begin = end

    def _finish(self, kind: str) -> None:
        if kind in self.open:
            self.open.pop(kind)[1].finish()

    def snapshot(self) -> None:
        """Return nothing: these files are written by one run from the log's beginning."""

    @capture_close_errors
    def close(self) -> None:
        """Leave hours that are not over under their other names: the run did not end."""
        for _hour, file in self.open.values():
            file.writer.close()
