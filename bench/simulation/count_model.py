"""What a partition counts: records by minute and instrument, delays, channels, unlisted symbols."""

from collections import Counter, defaultdict
from typing import Any

from bench.simulation.case import Record
from bench.simulation.facts import Tables
from bench.simulation.numbers import MINUTE_NS

SYMBOL_CHARS = 64  # of an unlisted symbol
COUNTS = (
    "records", "heartbeats", "recognised", "malformed", "unlisted", "quotes", "duplicate", "late",
    "history", "off_market", "accepted", "ahead", "missing", "stepped_back", "stepped_ahead",
)  # fmt: skip


class CountModel:
    """The counts of all minutes of a partition."""

    def __init__(self, partition: str, symbols: frozenset[str]) -> None:
        """Count for a partition of which the job lists these symbols."""
        self.name, self.symbols = partition, symbols
        self.counts: dict[tuple[int, str | None], dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(COUNTS, 0)
        )
        self.delays: dict[int, list[int]] = defaultdict(list)  # by minute
        self.closed: dict[int, int] = defaultdict(int)
        self.signalled: dict[int, int] = defaultdict(int)
        self.unlisted: dict[tuple[int, str], dict[str, Any]] = {}
        self.recognised: dict[int, Counter[str]] = defaultdict(Counter)

    def add(self, log_ns: int, instrument: str | None, name: str, number: int = 1) -> None:
        """Add to a count of the minute of a log time."""
        self.counts[log_ns // MINUTE_NS, instrument][name] += number
        self.delays[log_ns // MINUTE_NS] += []  # the minute has metrics

    def add_delay(self, log_ns: int, delay_ns: int) -> None:
        """Add the delay of an accepted trade."""
        self.delays[log_ns // MINUTE_NS].append(delay_ns)

    def add_bar(self, log_ns: int, signals: int) -> None:
        """Count a bar that closed, and the signals on it."""
        self.closed[log_ns // MINUTE_NS] += 1
        self.signalled[log_ns // MINUTE_NS] += signals

    def add_recognised(self, record: Record) -> None:
        """Count a frame of a channel that brings no rows."""
        name = f"recognised.{record.channel.removeprefix('combined.')}"
        self.recognised[record.log_ns // MINUTE_NS][name] += 1

    def add_symbols(self, offset: int, record: Record) -> None:
        """Count a record for each symbol in it that the job does not list."""
        minute, log_ns = record.log_ns // MINUTE_NS, record.log_ns
        for symbol in {row.symbol[:SYMBOL_CHARS] for row in record.rows} - self.symbols:
            row = self.unlisted.setdefault((minute, symbol), {
                "partition": self.name, "symbol": symbol, "time_ns": minute * MINUTE_NS,
                "records": 0, "first_log_ns": log_ns, "first_offset": offset,
            })  # fmt: skip
            row["records"] += 1
            row["last_log_ns"] = log_ns

    def write(self, tables: Tables) -> None:
        """Write the counts of each minute, and its metrics."""
        tables["unlisted_minutes"] += self.unlisted.values()
        for (minute, instrument), counts in self.counts.items():
            fields = {"partition": self.name, "time_ns": minute * MINUTE_NS}
            tables["data_quality_minutes"].append(fields | {"instrument": instrument} | counts)
        for minute, delays in self.delays.items():
            numbers: dict[str, float] = {
                "trades": float(len(delays)), "bars": float(self.closed[minute]),
                "signals": float(self.signalled[minute]),
            }  # fmt: skip
            if delays:
                numbers["delay_ms_mean"] = sum(delays) / len(delays) / 1e6
                numbers["delay_ms_max"] = max(delays) / 1e6
            numbers |= self.recognised[minute]
            fields = {"partition": self.name, "time_ns": minute * MINUTE_NS}
            tables["metrics"] += [
                fields | {"name": name, "value": value} for name, value in numbers.items()
            ]
