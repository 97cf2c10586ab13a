"""The parts of a snapshot as tables: one order, one wording for the terminal and for text."""

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.monitor.table import Column, Table
from tapeflow.flows.monitor.trading_tables import (
    fills_table,
    limits_table,
    orders_table,
    refusals_table,
    states_table,
)
from tapeflow.flows.monitor.values import (
    write_count,
    write_exact,
    write_money,
    write_ms,
    write_span,
    write_time,
)


def head_lines(snapshot: Snapshot) -> list[str]:
    """Return what the run does, in three lines."""
    run, counts, latency = snapshot.run, snapshot.counts, snapshot.latency
    times = [f"log time {write_time(run.log_ns)}"]
    if run.read_ratio is not None:
        times.append(f"{100 * run.read_ratio:.0f} % read")
    if run.commit_age_s is not None:
        times.append(f"committed {write_span(run.commit_age_s)} ago")
    if latency.fills:
        times.append(
            f"decision to fill {write_ms(latency.p50_ms)} median, {write_ms(latency.p99_ms)} p99"
        )
    if run.restarts:
        times.append(f"{run.restarts} restarts")
    facts = ", ".join(
        f"{write_count(value)} {name}"
        for name, value in (
            ("bars", counts.bars),
            ("signals", counts.signals),
            ("orders", counts.orders),
            ("fills", counts.fills),
            ("refusals", counts.refusals),
            ("dead letters", counts.dead_letters),
            ("late trades", counts.late_trades),
        )
    )
    line = f"{write_time(snapshot.taken_ns)[11:]}  {run.line}"
    return [line, ", ".join(times), facts]


def tables_of(snapshot: Snapshot) -> list[Table]:
    """Return all parts, in the order of the screen."""
    return [
        alerts_table(snapshot),
        partitions_table(snapshot),
        accounts_table(snapshot),
        positions_table(snapshot),
        orders_table(snapshot),
        limits_table(snapshot),
        states_table(snapshot),
        fills_table(snapshot),
        refusals_table(snapshot),
        notes_table(snapshot),
    ]


def alerts_table(snapshot: Snapshot) -> Table:
    """Return what is wrong now."""
    columns = (Column("severity", tone="state"), Column("code", rank=1), Column("alert"))
    rows = [(each.severity, each.code, each.text) for each in snapshot.alerts]
    return Table("alerts", "Alerts", columns, rows, "nothing is wrong", wraps=True)


def notes_table(snapshot: Snapshot) -> Table:
    """Return what is estimated, cut, older than the last commit, or not known."""
    rows = [(note,) for note in snapshot.notes]
    if snapshot.ages_s:
        ages = ", ".join(f"{part} {age:g} s" for part, age in sorted(snapshot.ages_s.items()))
        rows.append((f"read before the last commit, to spare the flow: {ages}",))
    return Table("notes", "Notes", (Column("note"),), rows, "none", wraps=True)


def partitions_table(snapshot: Snapshot) -> Table:
    """Return how far each partition has been read."""
    columns = (
        Column("partition"),
        Column("records", right=True, rank=3),
        Column("rate/s", right=True, rank=2),
        Column("log time", rank=1),
        Column("lag", right=True),
        Column("behind", right=True, rank=4),
        Column("holds", right=True, rank=5),
    )
    rows = [
        (
            each.name,
            write_count(each.records),
            write_count(each.rate),
            write_time(each.log_ns, snapshot.run.log_ns),
            write_span(each.lag_s),
            write_span(each.behind_s),
            write_span(each.holds_s),
        )
        for each in snapshot.partitions
    ]
    source = snapshot.partitions[0].source if snapshot.partitions else ""
    note = f"by {source}" if source else ""
    return Table("partitions", "Partitions", columns, rows, "none read yet", note)


def accounts_table(snapshot: Snapshot) -> Table:
    """Return equity and profit of the accounts."""
    columns = (
        Column("account"),
        Column("equity", right=True, tone="sign"),
        Column("today", right=True, tone="sign", rank=1),
        Column("realized", right=True, tone="sign", rank=5),
        Column("unrealized", right=True, tone="sign", rank=4),
        Column("fees", right=True, rank=3),
        Column("gross", right=True, rank=2),
        Column("at", rank=6),
    )
    rows = [
        (
            each.account,
            write_money(each.equity),
            write_money(each.today),
            write_money(each.realized),
            write_money(each.unrealized),
            write_money(each.fees),
            write_money(each.gross),
            write_time(each.time_ns, snapshot.run.log_ns),
        )
        for each in snapshot.accounts
    ]
    return Table("accounts", "Accounts", columns, rows, "no equity yet")


def positions_table(snapshot: Snapshot) -> Table:
    """Return what is held, and what it would bring."""
    columns = (
        Column("instrument"),
        Column("strategy", rank=2),
        Column("account", rank=6),
        Column("quantity", right=True),
        Column("entry", right=True, rank=4),
        Column("price", right=True, rank=3),
        Column("unrealized", right=True, tone="sign"),
        Column("realized", right=True, tone="sign", rank=5),
        Column("in", rank=7),
    )
    rows = [
        (
            each.instrument,
            each.strategy,
            each.account,
            write_exact(each.quantity),
            write_exact(round(each.entry_price, 6)),
            write_exact(each.price),
            write_money(each.unrealized),
            write_money(each.realized),
            each.currency or "quote",
        )
        for each in snapshot.positions
    ]
    return Table("positions", "Positions", columns, rows, "nothing is held")
