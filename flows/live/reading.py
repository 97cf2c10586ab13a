"""Read the parts of a snapshot: one query each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import convert, structs

from tapeflow.flows.live import queries
from tapeflow.flows.live.alerts import find_alerts
from tapeflow.flows.live.cadence import Cadence
from tapeflow.flows.live.limits import limits_used
from tapeflow.flows.live.metrics_page import Page
from tapeflow.flows.live.model import (
    AccountValue,
    Counts,
    LastFill,
    LastRefusal,
    Latency,
    LimitUse,
    OpenOrder,
    Partition,
    RunState,
    Snapshot,
    TradingState,
)
from tapeflow.flows.live.partitions import PartitionRates, from_facts, from_metrics
from tapeflow.flows.live.positions import open_positions
from tapeflow.flows.live.source import Row
from tapeflow.flows.live.thresholds import thresholds_of

NO_PAGE = (
    "the job has no [metrics] port: log times are those of facts, records those of closed minutes"
)
SILENT_PAGE = "the metrics page does not answer: log times and records are those of facts"
ENDS = "the log has an end: its log time is not compared with the wall clock"
NO_CHECKS = "the job writes no checks of decisions: how far limits are used is not known"
NO_EVENTS = "the job writes no order events: phases of orders are not known"


def empty_snapshot(results: Path, now_ns: int) -> Snapshot:
    """Return the snapshot of a run that has the lock, and no results yet."""
    line = "a run is starting: it has written nothing yet"
    run = RunState(
        id=0, command="", version="", state="starting", started_ns=now_ns, follows=False, line=line
    )
    return Snapshot(taken_ns=now_ns, results=str(results), source="file", run=run, notes=[line])


class Reading:
    """One reading of all parts."""

    def __init__(
        self, cadence: Cadence, rates: PartitionRates, row: Row, page: Page | None
    ) -> None:
        """Read by `cadence`; `row` is that of the run, `page` its metrics."""
        self.cadence, self.rates, self.row, self.page = cadence, rates, row, page
        self.notes: list[str] = []

    def add_to(self, bare: Snapshot) -> Snapshot:
        """Return a snapshot with all its parts."""
        counts = self._one("counts", queries.COUNTS, Counts)
        minutes = self.cadence.get("minutes", queries.MINUTES)
        bar_times = self.cadence.get("bar_times", queries.BAR_TIMES)
        log_ns = [int(row["log_ns"]) for row in bar_times if row["log_ns"] is not None]
        newest_ns = max([*log_ns, *(int(row["minute_ns"]) for row in minutes)], default=None)
        closes = self.cadence.get("closes", queries.CLOSES)
        whole = structs.replace(
            bare,
            run=structs.replace(bare.run, log_ns=newest_ns),
            counts=counts,
            latency=self._one("latency", queries.LATENCY, Latency),
            partitions=self._partitions(bare, minutes, bar_times),
            accounts=self._many("accounts", queries.EQUITY, AccountValue),
            positions=open_positions(
                self._cut("positions", queries.POSITIONS),
                closes,
                mark_prices=self.row["mark_prices"] == "true",
            ),
            open_orders=self._open_orders(),
            limits=self._limits(),
            states=self._many("states", queries.STATES, TradingState),
            fills=self._many("fills", queries.FILLS, LastFill),
            refusals=self._many("refusals", queries.REFUSALS, LastRefusal),
        )
        whole = structs.replace(whole, notes=self.notes, ages_s=self.cadence.ages_s())
        return structs.replace(whole, alerts=find_alerts(whole, thresholds_of(self.row)))

    def _partitions(
        self, bare: Snapshot, minutes: list[Row], bar_times: list[Row]
    ) -> list[Partition]:
        if self.page is not None:
            found = from_metrics(self.page, self.rates)
        else:
            is_running = bare.run.state == "running"
            if is_running:
                self.notes.append(SILENT_PAGE if bare.metrics else NO_PAGE)
            wall_ns = bare.taken_ns if bare.run.follows and is_running else None
            found = from_facts(minutes, bar_times, self.rates, wall_ns)
        if not bare.run.follows:
            self.notes.append(ENDS)
        return with_distances(found)

    def _limits(self) -> list[LimitUse]:
        rows = self.cadence.get("limits", queries.CHECKS)
        if rows and not any(row["checks"] for row in rows):
            self.notes.append(NO_CHECKS)
        return limits_used(rows)

    def _open_orders(self) -> list[OpenOrder]:
        has_events = self.row["order_events"] != "false"
        if not has_events:
            self.notes.append(NO_EVENTS)
        sql = queries.OPEN_ORDERS if has_events else queries.OPEN_WITHOUT_EVENTS
        return convert(self._cut("open_orders", sql), list[OpenOrder])

    def _cut(self, part: str, sql: str) -> list[Row]:
        """Return at most ROWS_MAX rows of a part; note where there are more."""
        rows = self.cadence.get(part, sql)
        if len(rows) > queries.ROWS_MAX:
            self.notes.append(f"{part}: more than {queries.ROWS_MAX}, the others are not shown")
        return rows[: queries.ROWS_MAX]

    def _many(self, part: str, sql: str, kind: Any) -> Any:
        return convert(self.cadence.get(part, sql), list[kind])

    def _one(self, part: str, sql: str, kind: Any) -> Any:
        found = self._many(part, sql, kind)
        return found[0] if found else kind()


def with_distances(partitions: Sequence[Partition]) -> list[Partition]:
    """Return the partitions with how far each is behind the furthest one, in log time."""
    times = [each.log_ns for each in partitions if each.log_ns]
    furthest_ns = max(times, default=0)
    return [
        structs.replace(each, behind_s=(furthest_ns - each.log_ns) / 1e9) if each.log_ns else each
        for each in partitions
    ]
