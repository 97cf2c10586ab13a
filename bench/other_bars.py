"""Bars of other kinds than the job's width: what each adds to a tick.

    python -m bench.other_bars [--records 1000000] [--runs 7]

    pages of the reference tapes ▶ decode .. settle ▶ the step with one kind, by turns    CPU time

`watermark` is the step without a kind: what all kinds share. The rows of kinds include it. A quote
at the price of each trade stands in for the quotes that these tapes do not have.
"""

import argparse
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import numpy as np

from bench import report
from bench.paths import JOB
from bench.replay import reference_tapes
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.flows.job import bar_steps, wiring
from tapeflow.flows.job.bar_kinds import parse_kind
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job, load
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.operators.decode.step import step as decode
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.market import Market, Quotes

KINDS = ("5s", "1m", "1h", "tick:100", "volume:50000", "dollar:1e6", "quote:1s", "quote:1m")
ALL = "all of them"


def fold(step: Any, values: Iterable[Any]) -> list[Any]:
    """Return the outputs of a step."""
    state, outputs = step.initial(), []
    for value in values:
        state, out = step.step(state, value)
        outputs += out
    return outputs


def settled_batches(job: Job, records: int) -> list[Batch]:
    """Return batches of one partition as they arrive at the step, with a quote for each trade."""
    table = instrument_table(job)
    tape = reference_tapes(records) / "binance-0.tape"
    reader = TapeReader("binance-0", (tape,), job.source.page_records, None)
    pages = iter(reader.read, None)
    decoder = wiring.decoders(job, table)["binance"]
    values: list[Any] = [decode(page, decoder=decoder) for page in pages]
    for step in (
        bar_steps.dedupe(job, table),
        bar_steps.judge_trades(job, table),
        bar_steps.time_bars(job, table),
        SettleGaps(job.bars.width),
    ):
        values = fold(step, values)
    return [add_quotes(each) for each in values]


def add_quotes(batch: Batch) -> Batch:
    """Return a batch with a quote at the price of each trade."""
    t = batch.market.trades
    sides = t.price * 0.999, t.size, t.price * 1.001, np.ones(len(t))
    quotes = Quotes(t.offset, t.log_ns, t.instrument, t.event_ns, *sides)
    return batch.replace(market=Market(t, quotes))


def measure(job: Job, values: list[Batch], runs: int) -> dict[str, tuple[float, float]]:
    """Return ns a tick and bars in a thousand ticks of each kind, medians of runs by turns."""
    width, count = job.bars.width, len(instrument_table(job))
    ticks = sum(len(each.market.trades) for each in values)
    found = {name: parse_kind(name, width) for name in KINDS}
    chosen = {"watermark": (), **{name: (name,) for name in KINDS}, ALL: KINDS}
    spent: dict[str, list[float]] = {name: [] for name in chosen}
    bars = dict.fromkeys(chosen, 0.0)
    for _ in range(runs + 1):  # the first time kernels are loaded
        for row, names in chosen.items():
            kinds = tuple(kind for name in names if (kind := found[name]) is not None)
            began_ns = time.thread_time_ns()
            outputs = fold(OtherBars(kinds, job.bars.lateness, count), values)
            spent[row].append((time.thread_time_ns() - began_ns) / ticks)
            closed = (len(part) for each in outputs for part in each.other_bars.values())
            bars[row] = 1000 * sum(closed) / ticks
    return {name: (median(times[1:]), bars[name]) for name, times in spent.items()}


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure bars of other kinds.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    job = load(JOB)
    rows = measure(job, settled_batches(job, args.records), args.runs)
    print(f"{'kind':16}{'ns/tick':>10}{'bars a 1,000 ticks':>20}")
    for name, (ns, bars) in rows.items():
        print(f"{name:16}{ns:10.1f}{bars:20.1f}")
    print(report.machine_line())


if __name__ == "__main__":
    main()
