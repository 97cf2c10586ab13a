"""The slow model: every table from the meaning of the log, over plain lists.

    records of a partition ──PartitionModel──▶ bars, signals, late trades, counts, intents, ticks
    intents, ticks of all  ──AccountModel────▶ decisions, orders, fills, positions, equity

It shares no code with the product, decodes nothing, and holds everything at once.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import localcontext
from typing import Any, NamedTuple

from bench.simulation.account_model import AccountModel
from bench.simulation.bar_model import BarModel
from bench.simulation.case import (
    HEARTBEAT,
    MALFORMED,
    RECOGNISED,
    ROWS,
    Case,
    QuoteRow,
    Record,
    TradeRow,
)
from bench.simulation.facts import Intent, Place, Tables, Tick, of_strategies
from bench.simulation.numbers import EXACT, MINUTE_NS, is_in_range
from bench.simulation.signal_model import SignalModel

FRAME_BYTES = 64 * 1024  # of a dead letter
COUNTS = (
    "records", "heartbeats", "recognised", "malformed", "unlisted", "quotes", "duplicate", "late",
    "history", "off_market", "accepted",
)  # fmt: skip


class Listing(NamedTuple):
    """A row of a frame about a listed instrument."""

    instrument: str
    row: TradeRow | QuoteRow


def tables_of(case: Case) -> Tables:
    """Return the rows of every table, by table."""
    tables: Tables = defaultdict(list)
    intents: list[Intent] = []
    ticks: list[Tick] = []
    with localcontext(EXACT):
        for name, records in case.log.items():
            partition = PartitionModel(case, name, tables)
            partition.read(records)
            intents += partition.signals.intents
            ticks += partition.ticks
        ticks.sort(key=lambda tick: (tick.place, tick.row))
        last_ns = max((each.log_ns for records in case.log.values() for each in records), default=0)
        for account in case.job["accounts"]:
            AccountModel(case, account, ticks, last_ns, tables).run(intents)
    return tables


class PartitionModel:
    """One partition of the log, record by record."""

    def __init__(self, case: Case, name: str, tables: Tables) -> None:
        self.name, self.tables, self.job = name, tables, case.job
        venue = name.rpartition("-")[0]
        self.channels = case.job["channels"].get(venue)
        self.ids = {each.symbol: each.id for each in case.instruments if each.venue == venue}
        self.seen: dict[tuple[str, int], int] = {}
        self.bars = BarModel(case.job, name)
        self.signals = SignalModel(of_strategies(case), case.job["normalise"]["window"])
        self.ticks: list[Tick] = []
        self.counts: dict[tuple[int, str | None], dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(COUNTS, 0)
        )
        self.delays: dict[int, list[int]] = defaultdict(list)  # by minute
        self.closed: dict[int, int] = defaultdict(int)
        self.signalled: dict[int, int] = defaultdict(int)

    def read(self, records: list[Record]) -> None:
        """Read all records, and the end behind them."""
        for offset, record in enumerate(records):
            self.read_record(offset, record)
        if records:
            self.close(self.bars.end(), len(records) - 1, records[-1])
        self.write_counts()

    def read_record(self, offset: int, record: Record) -> None:
        """Read one record: what it is, then its rows, then the time that it brings."""
        kind, listed = self.meaning(record)
        owner = listed[0].instrument if listed else None
        counts = self.counts[record.log_ns // MINUTE_NS, owner]
        self.delays[record.log_ns // MINUTE_NS] += []
        counts["records"] += 1
        names = {HEARTBEAT: "heartbeats", RECOGNISED: "recognised", MALFORMED: "malformed"}
        if kind != ROWS:
            counts[names.get(kind, kind)] += 1
        if kind == MALFORMED:
            self.tables["dead_letters"].append({
                "partition": self.name, "offset": offset, "log_ns": record.log_ns,
                "frame": record.frame[:FRAME_BYTES], "length": len(record.frame),
            })  # fmt: skip
        for number, each in enumerate(listed):
            if isinstance(each.row, QuoteRow):
                self.read_quote(Place(record.log_ns, self.name, offset), number, each)
            else:
                self.read_trade(Place(record.log_ns, self.name, offset), number, each, record)
        if kind == HEARTBEAT:
            self.close(self.bars.pass_time(record.log_ns), offset, record)

    def meaning(self, record: Record) -> tuple[str, list[Listing]]:
        """Return what a record is under the job, and its rows about listed instruments."""
        if record.kind not in (RECOGNISED, ROWS):
            return record.kind, []
        if self.channels is not None and record.channel not in self.channels:
            return MALFORMED, []
        if not record.rows:
            return RECOGNISED, []
        listed = [
            Listing(self.ids[row.symbol], row) for row in record.rows if row.symbol in self.ids
        ]
        return (ROWS if listed else "unlisted"), listed

    def read_quote(self, place: Place, number: int, listed: Listing) -> None:
        """Keep a quote: marks are taken from it."""
        assert isinstance(listed.row, QuoteRow)
        self.counts[place.log_ns // MINUTE_NS, listed.instrument]["quotes"] += 1
        bid, ask = float(listed.row.bid), float(listed.row.ask)
        self.ticks.append(Tick(place, number, listed.instrument, bid=bid, ask=ask))

    def read_trade(self, place: Place, number: int, listed: Listing, record: Record) -> None:
        """Give a trade its verdict, and fold it into its bar."""
        row, instrument = listed.row, listed.instrument
        assert isinstance(row, TradeRow)
        price, verdict, minute = float(row.price), row.verdict, place.log_ns // MINUTE_NS
        if verdict == "accepted":
            before = self.seen.get((instrument, row.trade_id))
            self.seen[instrument, row.trade_id] = place.offset
            if before is not None and place.offset - before <= self.job["dedupe"]["window"]:
                verdict = "duplicate"
        any_price = self.job.get("market", {}).get("any_price", False)
        if verdict == "accepted" and not (any_price or is_in_range(price, float(row.size))):
            verdict = "off_market"
        if verdict == "accepted":
            verdict = self.bars.add(instrument, row, place)
            if verdict == "accepted":
                self.delays[minute].append(place.log_ns - row.event_ns)
                if 1e-12 <= price < 1e12:
                    self.ticks.append(Tick(place, number, instrument, price=price, trade=row))
        self.counts[minute, instrument][verdict] += 1
        if verdict == "late":
            self.tables["late_trades"].append({
                "instrument": instrument, "partition": self.name, "offset": place.offset,
                "log_ns": place.log_ns, "event_ns": row.event_ns, "trade_id": row.trade_id,
                "aggressor": row.aggressor, "price": price, "size": float(row.size),
            })  # fmt: skip
        self.close(self.bars.close_due(), place.offset, record)

    def close(self, bars: Iterator[dict[str, Any]], offset: int, record: Record) -> None:
        """Write bars that a record has closed, and the signals on them."""
        minute, place = record.log_ns // MINUTE_NS, Place(record.log_ns, self.name, offset)
        for bar in bars:
            self.tables["bars"].append(bar | {"log_ns": record.log_ns, "offset": offset})
            self.closed[minute] += 1
            made = self.signals.add(bar, place)
            self.tables["signals"] += made
            self.signalled[minute] += len(made)

    def write_counts(self) -> None:
        """Write the counts of each minute, and its metrics."""
        for (minute, instrument), counts in self.counts.items():
            fields = {"partition": self.name, "time_ns": minute * MINUTE_NS}
            self.tables["data_quality_minutes"].append(fields | {"instrument": instrument} | counts)
        for minute, delays in self.delays.items():
            numbers: dict[str, float] = {
                "trades": float(len(delays)), "bars": float(self.closed[minute]),
                "signals": float(self.signalled[minute]),
            }  # fmt: skip
            if delays:
                numbers["delay_ms_mean"] = sum(delays) / len(delays) / 1e6
                numbers["delay_ms_max"] = max(delays) / 1e6
            fields = {"partition": self.name, "time_ns": minute * MINUTE_NS}
            self.tables["metrics"] += [
                fields | {"name": name, "value": value} for name, value in numbers.items()
            ]
