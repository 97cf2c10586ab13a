"""Hints: what is odd in the results of a run, in numbers, and what to do about it; a line each.

A run without oddities has none. Each is worded by a function of log_hints.py, trade_hints.py,
trading_hints.py, order_hints.py or risk_hints.py; what trading lacks is not said where it only
follows from the log.
"""

from collections.abc import Iterator
from typing import Any

from tapeflow.flows.cli.summary import (
    log_hints,
    order_hints,
    risk_hints,
    trade_hints,
    trading_hints,
)
from tapeflow.flows.cli.summary.tables import Counts, job_of


def hints(con: Any, partitions: dict[str, Counts]) -> Iterator[str]:
    """Yield the hints of the results, those of the log first."""
    job = job_of(con)
    of_log = [
        line
        for hint in (*log_hints.HINTS, *trade_hints.HINTS)
        for line in hint(con, partitions, job)
    ]
    yield from of_log
    if any(counts["accepted"] for counts in partitions.values()):
        for hint in (*trading_hints.HINTS, *order_hints.HINTS, *risk_hints.HINTS):
            yield from hint(con, job)
    elif not of_log:
        yield from no_trades(partitions)


def no_trades(partitions: dict[str, Counts]) -> Iterator[str]:
    """Yield that no trade was read, where nothing else explains it."""
    records = sum(counts["records"] for counts in partitions.values())
    if records:
        yield (
            f"none of {records:,} records is a trade: bars, signals and fills are made of trades; "
            "record the venue's trade channel too"
        )
    else:
        yield "no record was read: the log is empty, or the run was stopped before its first page"
