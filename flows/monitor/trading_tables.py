"""Orders, limits, states, fills and refusals of a snapshot as tables."""

from tapeflow.flows.live.model import OpenOrder, Snapshot
from tapeflow.flows.monitor.table import Column, Table
from tapeflow.flows.monitor.values import (
    UNKNOWN,
    write_exact,
    write_money,
    write_share,
    write_span,
    write_time,
)


def orders_table(snapshot: Snapshot) -> Table:
    """Return the orders that live."""
    columns = (
        Column("instrument"),
        Column("side"),
        Column("type", rank=3),
        Column("leaves", right=True),
        Column("size", right=True, rank=4),
        Column("at", right=True, rank=1),
        Column("phase", rank=2),
        Column("age", right=True, rank=5),
        Column("strategy", rank=6),
        Column("role", rank=7),
    )
    newest_ns = snapshot.run.log_ns or 0
    rows = [
        (
            each.instrument,
            each.side,
            each.type,
            write_exact(each.leaves),
            write_exact(each.size),
            order_price(each),
            each.phase or UNKNOWN,
            write_span(max(newest_ns - each.time_ns, 0) / 1e9),
            each.strategy,
            each.role,
        )
        for each in snapshot.open_orders
    ]
    return Table("open_orders", "Open orders", columns, rows, "no order is open")


def order_price(order: OpenOrder) -> str:
    """Return the price that an order waits for: its limit, else its trigger."""
    return write_exact(order.trigger if order.limit is None else order.limit)


def limits_table(snapshot: Snapshot) -> Table:
    """Return how far limits are used."""
    columns = (
        Column("limit"),
        Column("scope", rank=1),
        Column("used", right=True),
        Column("observed", right=True, rank=2),
        Column("of", right=True, rank=3),
        Column("checked", rank=4),
        Column("instrument", rank=5),
    )
    rows = [
        (
            each.code,
            each.scope or UNKNOWN,
            write_share(each.used),
            write_exact(round(each.observed, 6)),
            write_exact(each.limit),
            write_time(each.time_ns, snapshot.run.log_ns),
            each.instrument,
        )
        for each in snapshot.limits
    ]
    note = "at the last check"
    return Table("limits", "Limits used", columns, rows, "no limit was checked yet", note)


def states_table(snapshot: Snapshot) -> Table:
    """Return the trading states of scopes."""
    columns = (
        Column("scope"),
        Column("state", tone="state"),
        Column("since", rank=1),
        Column("event", rank=4),
        Column("by", rank=2),
        Column("detail", rank=3, short=16),
    )
    rows = [
        (
            each.scope,
            each.state,
            write_time(each.time_ns, snapshot.run.log_ns),
            each.event,
            " ".join(part for part in (each.cause, each.rule, each.by) if part),
            each.detail,
        )
        for each in snapshot.states
    ]
    return Table("states", "Trading states", columns, rows, "every scope is ACTIVE")


def fills_table(snapshot: Snapshot) -> Table:
    """Return the newest fills."""
    columns = (
        Column("time"),
        Column("instrument"),
        Column("side"),
        Column("size", right=True),
        Column("price", right=True, rank=1),
        Column("fee", right=True, rank=3),
        Column("strategy", rank=2),
    )
    rows = [
        (
            write_time(each.time_ns, snapshot.run.log_ns),
            each.instrument,
            each.side,
            write_exact(each.size),
            write_exact(each.price),
            f"{write_money(each.fee)} {each.fee_currency}".strip(),
            each.strategy,
        )
        for each in snapshot.fills
    ]
    return Table("fills", "Last fills", columns, rows, "none yet")


def refusals_table(snapshot: Snapshot) -> Table:
    """Return the newest refusals."""
    columns = (
        Column("time"),
        Column("instrument"),
        Column("side", rank=3),
        Column("size", right=True, rank=4),
        Column("reason"),
        Column("detail", rank=1, short=16),
        Column("strategy", rank=5),
    )
    rows = [
        (
            write_time(each.time_ns, snapshot.run.log_ns),
            each.instrument,
            each.side,
            write_exact(each.size),
            each.reason,
            each.detail.removeprefix(f"{each.reason}: "),
            each.strategy,
        )
        for each in snapshot.refusals
    ]
    return Table("refusals", "Last refusals", columns, rows, "none")
