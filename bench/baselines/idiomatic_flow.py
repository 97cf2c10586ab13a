"""The reference job as a Bytewax flow of one item a record, as the engine's documents teach it.

    python -m bench.baselines.idiomatic_flow TAPES OUT

    tapes ─▶ decode ─▶ by_partition ─▶ dedupe ─▶ bars ─┬─ trades ──────────────▶ by_account ─▶ trade
               │                                       ├─ bars ─▶ by_instrument ─▶ cross ─▲
               └─▶ counts                   counts ◀───┘

The built-in windows close a key's bars by that key's items or by the wall clock, SPEC.md by all
trades of its partition: so the bars are a fold of our own. The two ways to the account are not of
one length: what goes there is numbered, a bar without a signal too, and put back in order there.
"""

import json
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.testing import run_main

from bench.baselines import steps
from bench.baselines.io import CountsSink, TableSink, TapeSource
from bench.baselines.timing import timed


def trading(tapes: Path, out: Path) -> Dataflow:
    """The whole job."""
    flow = Dataflow("idiomatic")
    source = TapeSource(tapes)
    lines = op.input("tapes", flow, source)
    decoded = op.branch("well_formed", op.map("decode", lines, steps.decode), steps.goes_on)
    records: Stream[Any] = decoded.trues

    by_partition = op.key_on("by_partition", records, lambda record: record.partition)
    unique = op.stateful_map("dedupe", by_partition, steps.dedupe)
    told = op.key_rm("told", op.stateful_flat_map("bars", unique, steps.bars))
    kept = op.branch("kept", told, steps.goes_on)
    split = op.branch("split", kept.trues, steps.is_bar)
    bars: Stream[Any] = split.trues

    by_instrument = op.key_on("by_instrument", bars, lambda told: told.what.instrument)
    crossed = op.key_rm("crossed", op.stateful_map("cross", by_instrument, steps.cross))
    for_desk: Stream[Any] = op.merge("for_desk", split.falses, crossed)
    to_accounts = op.key_on("by_account", for_desk, lambda _: "main")
    trade = partial(steps.trade, partitions=source.list_parts())
    traded = op.key_rm("traded", op.stateful_flat_map("trade", to_accounts, trade))

    rows = op.merge("rows", op.map("bar_rows", bars, steps.bar_row), traded)
    op.output("tables", rows, TableSink(out))
    counts: Stream[Any] = op.merge("counts", decoded.falses, kept.falses)
    named = op.map("named", counts, lambda count: (count.what, count.records))
    totals = op.reduce_final("totals", named, add)
    op.output("stats", op.key_on("all", totals, lambda _: "stats"), CountsSink(out))
    return flow


def run(tapes: Path, out: Path) -> int:
    """Do the whole job; how many records there were."""
    run_main(trading(tapes, out))  # type: ignore[no-untyped-call]
    records: int = json.loads((out / "stats.json").read_text())["records"]
    return records


if __name__ == "__main__":
    timed(run)
