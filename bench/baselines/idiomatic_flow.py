"""The reference job as a Bytewax flow of one item a record, as the engine's documents teach it.

    python -m bench.baselines.idiomatic_flow TAPES OUT

    tapes ─▶ decode ─▶ by_partition ─▶ dedupe ─▶ bars ─┬─ trades ──────────────▶ to_account ─▶ trade
               │                                       ├─ bars ─▶ by_instrument ─▶ cross ─▲
               └─▶ counts                   counts ◀───┘

The built-in windows close a key's bars by that key's items or by the wall clock, SPEC.md by all
trades of its partition: so the bars are a fold of our own. The two ways to the account are not of
one length: what goes there is numbered, a bar without a signal too, and put back in order there.
"""

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import run_main

from bench.baselines import steps
from bench.baselines.frames import open_tape, tapes_in
from bench.baselines.steps import Line
from bench.baselines.timing import run_measured
from bench.baselines.trading import COLUMNS, Bar, write_stats, write_table

BATCH = 1000  # lines read at a time, as the engine's own file source does


def lines(path: Path, partition: str) -> Iterator[Line]:
    """Read a tape line by line, and last its end."""
    offset, log_ns = -1, 0
    with open_tape(path) as file:
        for offset, line in enumerate(file):
            stamp, _, frame = line.rstrip(b"\n").partition(b" ")
            log_ns = int(stamp)
            yield Line(partition, offset, log_ns, frame)
    yield Line(partition, offset + 1, log_ns, None)


class TapePartition(StatefulSourcePartition[Line, None]):
    """One tape, read from its beginning: a measured run is never resumed."""

    def __init__(self, path: Path, partition: str) -> None:
        self.lines = lines(path, partition)

    def next_batch(self) -> list[Line]:
        """Read the next lines."""
        if batch := list(islice(self.lines, BATCH)):
            return batch
        raise StopIteration

    def snapshot(self) -> None:
        """Keep nothing."""


class TapeSource(FixedPartitionedSource[Line, None]):
    """The tapes of a folder, a partition each."""

    def __init__(self, folder: Path) -> None:
        self.paths = {partition: path for path, partition in tapes_in(folder)}

    def list_parts(self) -> list[str]:
        """Return the partitions."""
        return list(self.paths)

    def build_part(self, _step_id: str, for_part: str, _resume_state: None) -> TapePartition:
        """Open a partition."""
        return TapePartition(self.paths[for_part], for_part)


class FactSinkPartition(StatefulSinkPartition[tuple[str, Any], None]):
    """Collects rows by table, and counts; writes all files at the end."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.rows: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, "stats")}

    def write_batch(self, values: list[tuple[str, Any]]) -> None:
        """Collect rows, each with the name of its table."""
        for name, row in values:
            self.rows[name].append(row)

    def snapshot(self) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Write the files."""
        write_stats(self.out, dict(self.rows.pop("stats")))
        for name, rows in self.rows.items():
            write_table(self.out, name, rows)


class FactSink(FixedPartitionedSink[tuple[str, Any], None]):
    """A sink of all rows to the files of one folder."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def list_parts(self) -> list[str]:
        """Return the one partition."""
        return ["answer"]

    def build_part(self, _step_id: str, _for_part: str, _resume_state: None) -> FactSinkPartition:
        """Open the one partition, without rows."""
        return FactSinkPartition(self.out)


def is_count(item: object) -> bool:
    """Say whether an item goes no further than to be counted."""
    return isinstance(item, tuple)


def trading(tapes: Path, out: Path) -> Dataflow:
    """Build the whole flow."""
    flow = Dataflow("idiomatic")
    source = TapeSource(tapes)
    lines = op.input("tapes", flow, source)
    decoded = op.branch("decoded", op.map("decode", lines, steps.decode), is_count)
    records: Stream[Any] = decoded.falses

    by_partition = op.key_on("by_partition", records, lambda record: record.partition)
    unique = op.stateful_map("dedupe", by_partition, steps.dedupe)
    numbered = op.key_rm("numbered", op.stateful_flat_map("bars", unique, steps.bars))
    accepted = op.branch("accepted", numbered, is_count)
    going_on: Stream[Any] = accepted.falses
    split = op.branch("split", going_on, lambda numbered: isinstance(numbered.item, Bar))
    bars: Stream[Any] = split.trues

    by_instrument = op.key_on("by_instrument", bars, lambda numbered: numbered.item.instrument)
    crossed = op.key_rm("crossed", op.stateful_map("cross", by_instrument, steps.cross))
    merged: Stream[Any] = op.merge("merged", split.falses, crossed)
    to_account = op.key_on("to_account", merged, lambda _: "main")
    trade = partial(steps.trade, partitions=source.list_parts())
    traded = op.key_rm("traded", op.stateful_flat_map("trade", to_account, trade))

    counts: Stream[Any] = op.merge("counts", decoded.trues, accepted.trues)
    totals = op.reduce_final("totals", counts, add)
    bar_rows = op.map("bar_rows", bars, lambda numbered: ("bars", numbered.item))
    stats = op.map("stats", totals, lambda count: ("stats", count))
    rows = op.key_on("rows", op.merge("all", bar_rows, traded, stats), lambda _: "answer")
    op.output("answer", rows, FactSink(out))
    return flow


def run(tapes: Path, out: Path) -> int:
    """Do the whole job; return the number of records."""
    run_main(trading(tapes, out))  # type: ignore[no-untyped-call]
    records: int = json.loads((out / "stats.json").read_text())["records"]
    return records


if __name__ == "__main__":
    run_measured(run)
