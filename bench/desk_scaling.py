"""Measure the desk alone: what resting orders cost a tick, and accounts a decision.

    python -m bench.desk_scaling [--runs 3]

    resting     pages of 20,000 trades over 50 instruments; 0 to 10,000 limit orders far from them
    live        the same in pages of 100
    accounts    a page for each decision, of 1 to 200 accounts in turn

CPU time, minima of several runs. bench.scaling prints this too.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from bench import report, scaling_workload
from tapeflow.flows.job import portfolio
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import load
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.market import ACCEPTED, DECODED, Market, Trades
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Intent, Signal

PARTITION = "binance-0"
INSTRUMENTS = 50
TICK_NS = 100_000  # 10,000 a second
RESTING = (0, 10, 1_000, 10_000)
ACCOUNTS = (1, 20, 200)
PAGES, DECISIONS = 20, 400  # measured at once


class Feed:
    """A desk, and the pages of trades and intents that it is given."""

    def __init__(self, accounts: int = 1) -> None:
        job = load(Path(scaling_workload.write_job(INSTRUMENTS)), {})
        self.table = instrument_table(job)
        settings = portfolio.desk_settings(job, self.table, [PARTITION])
        main = settings.accounts["main"]
        names = [f"a{number:03d}" for number in range(accounts)]
        of_name = {name: replace(main, name=name) for name in names}
        self.names, self.desk = names, Desk(replace(settings, accounts=of_name))
        self.state, self.offset = self.desk.initial(), 0
        self.rng = np.random.default_rng(7)

    def batch(self, rows: int, intents: tuple[Intent, ...] = ()) -> Batch:
        """Return a page of trades, of all instruments at prices around 100."""
        offset = np.arange(self.offset, self.offset + rows)
        self.offset += rows
        log_ns = (offset + 1) * TICK_NS
        columns: dict[str, Any] = {
            name: np.full(rows, 1) for name in Trades.column_names() if name != "price"
        }
        columns |= {"offset": offset, "log_ns": log_ns, "event_ns": log_ns - 5_000_000}
        columns |= {"instrument": offset % INSTRUMENTS, "size": np.ones(rows), "trade_id": offset}
        trades = Trades(price=100 + self.rng.integers(-99, 99, rows) / 100, **columns)
        return Batch(
            partition=PARTITION,
            first_offset=int(offset[0]),
            log_ns=log_ns,
            status=np.full(rows, DECODED),
            record_instrument=columns["instrument"],
            end_of_log=False,
            market=Market(trades=trades.with_verdict(np.full(rows, ACCEPTED))),
            intents=intents,
        )

    def intent(self, number: int, account: str, side: int, terms: Terms) -> Intent:
        """Return an intent of the last record; `number` makes it another one."""
        log_ns, name = self.offset * TICK_NS, self.table.ids[number % INSTRUMENTS]
        offset = self.offset - 1
        signal = Signal(
            f"s{number}-{offset}", "one", name, log_ns, side, 1.0, "bar", log_ns, 100.0,
            PARTITION, offset,
        )  # fmt: skip
        return Intent(account, signal, Decimal(1), terms)

    def process(self, batches: list[Batch]) -> float:
        """Process pages; return the CPU seconds that it took."""
        received = [desk_batch(each, self.desk.settings) for each in batches]
        began = time.process_time()
        for each in received:
            self.state, _ = self.desk.step(self.state, each)
        return time.process_time() - began


def resting_ns(orders: int, page: int) -> float:
    """Return the nanoseconds of a tick while so many orders rest far from the market."""
    feed = Feed()
    first = feed.batch(INSTRUMENTS)
    far = {side: Terms("limit", Decimal(100 - 50 * side)) for side in (BUY, SELL)}
    sides = [1 - n // INSTRUMENTS % 2 * 2 for n in range(orders)]
    intents = tuple(feed.intent(n, feed.names[0], side, far[side]) for n, side in enumerate(sides))
    feed.process([first.replace(intents=intents)])
    feed.process([feed.batch(20_000)])  # all of them have entered
    pages = [feed.batch(page) for _ in range(PAGES * 20_000 // page)]
    return feed.process(pages) / (PAGES * 20_000) * 1e9


def decision_us(accounts: int) -> float:
    """Return the microseconds of a decision and its fill, of accounts in turn."""
    feed, batches = Feed(accounts), []
    for number in range(DECISIONS):
        page = feed.batch(4 * INSTRUMENTS)
        side, name = 1 - number // accounts % 2 * 2, feed.names[number % accounts]
        batches.append(page.replace(intents=(feed.intent(number, name, side, Terms()),)))
    return feed.process(batches) / DECISIONS * 1e6


TABLES: dict[str, tuple[str, tuple[int, ...], Callable[[int], float]]] = {
    "resting orders, pages of 20,000": ("ns/tick", RESTING, lambda n: resting_ns(n, 20_000)),
    "resting orders, pages of 100": ("ns/tick", RESTING, lambda n: resting_ns(n, 100)),
    "accounts": ("us/decision", ACCOUNTS, decision_us),
}


def measure(runs: int) -> dict[str, dict[int, float]]:
    """Measure all tables: minima of runs that take turns."""
    figures: dict[str, dict[int, float]] = {title: {} for title in TABLES}
    for _ in range(runs):
        for title, (_, sizes, cost) in TABLES.items():
            for size in sizes:
                figures[title][size] = min(figures[title].get(size, float("inf")), cost(size))
    return figures


def format_tables(figures: dict[str, dict[int, float]]) -> Iterator[str]:
    """Yield the lines of all tables, each row with what it costs more than the first."""
    for title, row in figures.items():
        unit, first = TABLES[title][0], next(iter(row.values()))
        yield f"{title:<40}{unit:>12}{'more':>8}"
        for size, cost in row.items():
            yield f"{size:>40,}{cost:>12,.1f}{cost - first:>8.1f}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure what orders and accounts cost the desk.")
    parser.add_argument("--runs", type=int, default=3)
    figures = measure(parser.parse_args().runs)
    print("\n".join(format_tables(figures)))
    print(f"the machine in {report.save('desk-scaling', {'tables': figures})}")


if __name__ == "__main__":
    main()
