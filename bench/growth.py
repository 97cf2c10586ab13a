"""Measure what instruments, strategies and partitions cost the desk: flat or linear.

    python -m bench.growth [--runs 5]

    decision    one intent to its fill, in an account that holds 10, 100 and 1,000 instruments
    sample      one sample of equity, 1, 20 and 200 strategies with 20 open positions, or none, each
    start       the state keys of 2 and 20 partitions

CPU time, minima of several runs.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from bench import report, scaling_workload
from tapeflow.engine.routing import state_keys
from tapeflow.flows.job import portfolio
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import load
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.market import ACCEPTED, DECODED, Market, Trades
from tapeflow.schemas.signals import Intent, Signal

PARTITION, ACCOUNT = "binance-0", "main"
DECISION_NS = 100_000_000  # between records: a sample is due among a hundred or more decisions
SAMPLE_NS = 60_000_000_000  # one is due at every record
POSITIONS = 20  # of each strategy in the tables of samples, an instrument each
DECISIONS, SAMPLES, STARTS = 500, 100, 3  # measured at once
FILL_RECORDS = 5  # until the first orders are filled
INSTRUMENTS, STRATEGIES, PARTITIONS = (10, 100, 1000), (1, 20, 200), (2, 20)


class Account:
    """The desk of one account, to which records come one by one, `step_ns` apart."""

    def __init__(self, instruments: int, step_ns: int) -> None:
        job = load(scaling_workload.write_job(instruments), {})
        self.table = instrument_table(job)
        self.desk = Desk(portfolio.desk_settings(job, self.table, [PARTITION]))
        self.state, self.offset, self.step_ns = self.desk.initial(), 0, step_ns

    def batch(self, instruments: list[int], intents: list[tuple[str, int, int]]) -> Batch:
        """Return the next record: a trade of each of these, and intents: strategy, number, side."""
        log_ns, count = (self.offset + 1) * self.step_ns, len(instruments)
        self.offset += 1
        rows = {name: np.full(count, 1) for name in Trades.column_names()}
        rows |= {"price": np.full(count, 100.25 + self.offset % 7), "size": np.ones(count)}
        rows |= {"offset": np.full(count, self.offset - 1), "instrument": np.array(instruments)}
        rows |= {name: np.full(count, log_ns) for name in ("log_ns", "event_ns")}
        trades = Trades(**rows).with_verdict(np.full(count, ACCEPTED))
        return Batch(
            partition=PARTITION,
            first_offset=self.offset - 1,
            log_ns=np.array([log_ns]),
            status=np.array([DECODED]),
            record_instrument=np.array([instruments[0]]),
            end_of_log=False,
            market=Market(trades=trades),
            intents=tuple(self.intent(log_ns, *each) for each in intents),
        )

    def intent(self, log_ns: int, strategy: str, number: int, side: int) -> Intent:
        """Return an intent of the record at this log time."""
        name, offset = self.table.ids[number], self.offset - 1
        signal = Signal(
            id=f"{strategy}-{name}-{offset}",
            strategy=strategy,
            instrument=name,
            time_ns=log_ns,
            side=side,
            strength=1.0,
            bar_id="bar",
            close_ns=log_ns,
            ref_price=100.25,
            partition=PARTITION,
            offset=offset,
        )
        return Intent(ACCOUNT, signal, Decimal("0.25"))

    def process(self, batches: list[Batch]) -> float:
        """Process batches; return the CPU seconds that it took."""
        received = [desk_batch(each, self.desk.settings) for each in batches]
        began = time.process_time()
        for each in received:
            self.state, _ = self.desk.step(self.state, each)
        return time.process_time() - began


def decision_us(instruments: int) -> float:
    """Return the microseconds of an intent and its fill, where every instrument is held."""
    account = Account(instruments, DECISION_NS)
    numbers = [*range(instruments)]
    account.process([account.batch(numbers, [("one", each, 1) for each in numbers])])
    account.process([account.batch(numbers, []) for _ in range(FILL_RECORDS)])
    batches = [account.batch([0], [("one", 0, 1 - i % 2 * 2)]) for i in range(DECISIONS)]
    return account.process(batches) / DECISIONS * 1e6


def sample_us(strategies: int, *, closed: bool = False) -> float:
    """Return the microseconds of a sample over strategies whose positions are open, or closed."""
    account = Account(POSITIONS, SAMPLE_NS)
    numbers, names = [*range(POSITIONS)], [f"s{number:03d}" for number in range(strategies)]
    for side in (1, -1) if closed else (1,):
        intents = [(name, number, side) for name in names for number in numbers]
        account.process([account.batch(numbers, intents), account.batch(numbers, [])])
    return account.process([account.batch(numbers, []) for _ in range(SAMPLES)]) / SAMPLES * 1e6


def start_us(partitions: int) -> float:
    """Return the microseconds that the state keys of some partitions take."""
    names = [f"binance-{number:02d}" for number in range(partitions)]
    began = time.process_time()
    for _ in range(STARTS):
        state_keys(names)
    return (time.process_time() - began) / STARTS * 1e6


TABLES: dict[str, tuple[tuple[int, ...], Callable[[int], float]]] = {
    "decision, by instruments held": (INSTRUMENTS, decision_us),
    f"sample, by strategies, {POSITIONS} open positions each": (STRATEGIES, sample_us),
    f"sample, by strategies, {POSITIONS} closed ones each": (
        STRATEGIES,
        lambda strategies: sample_us(strategies, closed=True),
    ),
    "start, by partitions: state keys": (PARTITIONS, start_us),
}


def format_table(title: str, row: dict[int, float]) -> Iterator[str]:
    """Yield a line for each size: microseconds, and microseconds for one more of it."""
    yield f"{title:<50}{'us':>10}{'us each':>10}"
    for size, us in row.items():
        yield f"{size:>50,}{us:>10,.1f}{us / size:>10,.2f}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure what the desk pays for its size.")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    for title, (sizes, measure) in TABLES.items():
        row = {size: min(measure(size) for _ in range(args.runs)) for size in sizes}
        figures[title] = row
        print("\n".join(format_table(title, row)), flush=True)
    print(f"the machine in {report.save('growth', {'tables': figures})}")


if __name__ == "__main__":
    main()
