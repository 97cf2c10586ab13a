"""The slow model: every table from the meaning of the log, over plain lists.

    records of a partition ──PartitionModel──▶ bars, signals, late trades, counts, intents, ticks
    intents, ticks of all  ──AccountModel────▶ decisions, orders, fills, positions, equity

It shares no code with the product, decodes nothing, and holds everything at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
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
from bench.simulation.count_model import CountModel
from bench.simulation.facts import Intent, Place, Tables, Tick, of_strategies
from bench.simulation.gap_model import GapModel, Hole
from bench.simulation.numbers import EXACT
from bench.simulation.signal_model import SignalModel

FRAME_BYTES = 64 * 1024  # of a dead letter
TIME_UNITS = {10: 10**9, 13: 10**6, 16: 10**3, 19: 1}  # ns, by the digits of a time
YEAR_2000_NS = 946_684_800 * 10**9


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
        self.live: set[str] = set()  # instruments that have sent other trades than old ones
        self.gaps = GapModel(case.job)
        self.bars = BarModel(case.job, name)
        self.signals = SignalModel(of_strategies(case), case.job["normalise"]["window"])
        self.ticks: list[Tick] = []
        self.counts = CountModel(name, frozenset(self.ids))

    def read(self, records: list[Record]) -> None:
        """Read all records, and the end behind them."""
        for offset, record in enumerate(records):
            self.read_record(offset, record)
        if records:
            self.close(self.bars.end(), len(records) - 1, records[-1])
            place = Place(records[-1].log_ns, self.name, len(records) - 1)
            self.write_gaps(self.gaps.end(), place)
        self.counts.write(self.tables)

    def read_record(self, offset: int, record: Record) -> None:
        """Read one record: what it is, then its rows, then the time that it brings."""
        kind, listed = self.meaning(record)
        if kind in (ROWS, "unlisted"):
            self.counts.add_symbols(offset, record)
        owner = listed[0].instrument if listed else None
        self.counts.add(record.log_ns, owner, "records")
        names = {HEARTBEAT: "heartbeats", RECOGNISED: "recognised", MALFORMED: "malformed"}
        if kind == RECOGNISED:
            self.counts.add_recognised(record)
        if kind != ROWS:
            self.counts.add(record.log_ns, owner, names.get(kind, kind))
        if kind == MALFORMED:
            self.tables["dead_letters"].append({
                "partition": self.name, "offset": offset, "log_ns": record.log_ns,
                "frame": record.frame[:FRAME_BYTES], "length": len(record.frame),
            })  # fmt: skip
        place = Place(record.log_ns, self.name, offset)
        self.write_gaps(self.gaps.pass_record(place), place)
        verdicts = [self.judge(place, each) for each in listed]
        for number, (each, verdict) in enumerate(zip(listed, verdicts, strict=True)):
            if isinstance(each.row, QuoteRow):
                self.read_quote(place, number, each)
            else:
                self.read_trade(place, number, each, verdict, record)
        if kind == HEARTBEAT:
            self.close(self.bars.pass_time(record.log_ns), offset, record)

    def meaning(self, record: Record) -> tuple[str, list[Listing]]:
        """Return what a record is under the job, and its rows about listed instruments."""
        if record.kind not in (RECOGNISED, ROWS):
            return record.kind, []
        if self.channels is not None and record.channel not in self.channels:
            return MALFORMED, []
        if self.job["market"]["time_unit"] == "by_digits" and not self.are_times(record.times):
            return MALFORMED, []
        if not record.rows:
            return RECOGNISED, []
        listed = [
            Listing(self.ids[row.symbol], row) for row in record.rows if row.symbol in self.ids
        ]
        return (ROWS if listed else "unlisted"), listed

    def are_times(self, times: Iterable[int]) -> bool:
        """Return whether event times show their unit, and are none of before 2000."""
        if self.name.startswith("coinbase"):
            return all(each >= YEAR_2000_NS for each in times)
        units = [(each, TIME_UNITS.get(len(str(each)), 0)) for each in times]
        return all(each * unit >= YEAR_2000_NS for each, unit in units)

    def read_quote(self, place: Place, number: int, listed: Listing) -> None:
        """Keep a quote: marks are taken from it."""
        assert isinstance(listed.row, QuoteRow)
        self.counts.add(place.log_ns, listed.instrument, "quotes")
        bid, ask = float(listed.row.bid), float(listed.row.ask)
        self.ticks.append(Tick(place, number, listed.instrument, bid=bid, ask=ask))

    def judge(self, place: Place, listed: Listing) -> str:
        """Return the verdict on a trade by its id and its stamp; "" for a quote."""
        row, instrument = listed.row, listed.instrument
        if isinstance(row, QuoteRow):
            return ""
        verdict = row.verdict
        if verdict != "history":
            self.live.add(instrument)
        remembered = verdict == "history" and instrument in self.live and self.gaps.finds_gaps
        if verdict == "accepted" or remembered:
            before = self.seen.get((instrument, row.trade_id))
            self.seen[instrument, row.trade_id] = place.offset
            if before is not None and place.offset - before <= self.job["dedupe"]["window"]:
                verdict = "duplicate"
        verdict = self.gaps.judge(place, instrument, row, verdict)
        self.write_gaps(self.gaps.note(place, instrument, row, verdict), place)
        return verdict

    def read_trade(
        self, place: Place, number: int, listed: Listing, verdict: str, record: Record
    ) -> None:
        """Fold a trade that is accepted so far into its bar, and count it."""
        row, instrument = listed.row, listed.instrument
        assert isinstance(row, TradeRow)
        price = float(row.price)
        if verdict == "accepted":
            verdict = self.bars.add(instrument, row, place)
            if verdict == "accepted":
                self.counts.add_delay(place.log_ns, place.log_ns - row.event_ns)
                if 1e-12 <= price < 1e12:
                    self.ticks.append(Tick(place, number, instrument, price=price, trade=row))
        self.counts.add(place.log_ns, instrument, verdict)
        if verdict == "late":
            self.tables["late_trades"].append({
                "instrument": instrument, "partition": self.name, "offset": place.offset,
                "log_ns": place.log_ns, "event_ns": row.event_ns, "trade_id": row.trade_id,
                "aggressor": row.aggressor, "price": price, "size": float(row.size),
            })  # fmt: skip
        self.close(self.bars.close_due(), place.offset, record)

    def close(self, bars: Iterator[dict[str, Any]], offset: int, record: Record) -> None:
        """Write bars that a record has closed, and the signals on them."""
        place = Place(record.log_ns, self.name, offset)
        for bar in bars:
            self.write_gaps(self.gaps.close_bar(bar), place)
            self.tables["bars"].append(bar | {"log_ns": record.log_ns, "offset": offset})
            made = self.signals.add(bar, place)
            self.tables["signals"] += made
            self.counts.add_bar(record.log_ns, len(made))

    def write_gaps(self, holes: Iterable[Hole], place: Place) -> None:
        """Write gaps that became facts at a place."""
        for hole in holes:
            self.tables["gaps"].append(self.gaps.row(hole))
            if hole.missing and hole.instrument:
                self.counts.add(place.log_ns, hole.instrument, "missing", hole.missing)
