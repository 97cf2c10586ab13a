"""Exposure of an account over time, and the limits that its job sets on it."""

from typing import Any

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.report.figure import Line
from tapeflow.flows.report.source import Source

# Each row of the view is a strategy's notional after a fill: sums are of the last ones, exact.
SUMS = """
    SELECT epoch_ns(time),
        (sum(sum(long)) OVER by_time)::DOUBLE, (sum(sum(short)) OVER by_time)::DOUBLE
    FROM (
        SELECT time,
            greatest(notional, 0) - lag(greatest(notional, 0), 1, 0) OVER by_key AS long,
            least(notional, 0) - lag(least(notional, 0), 1, 0) OVER by_key AS short
        FROM (
            SELECT * REPLACE (notional::DECIMAL(38, 6) AS notional)
            FROM exposure WHERE account = {account}
        )
        WINDOW by_key AS (PARTITION BY strategy, instrument ORDER BY seq)
    ) GROUP BY time WINDOW by_time AS (ORDER BY time) ORDER BY time
"""
LIMITS = ("gross_max", "net_max")


def exposure_lines(source: Source, account: str) -> list[Line]:
    """Return long, short, gross and net, each held until the next change."""
    rows = source.tuples(SUMS.format(account=to_sql(account)))
    parts = {
        "long": ("up", [(time, long) for time, long, _ in rows]),
        "short": ("down", [(time, short) for time, _, short in rows]),
        "gross": ("accent", [(time, long - short) for time, long, short in rows]),
        "net": ("muted", [(time, long + short) for time, long, short in rows]),
    }
    return [
        Line(name, points, colour, stepped=True, dashed=name == "net")
        for name, (colour, points) in parts.items()
    ]


def limits_of(source: Source, account: str) -> list[tuple[str, float]]:
    """Return name and value of the limits of gross and net that hold for an account."""
    declared: list[tuple[str, dict[str, Any]]] = [
        ("", each) for each in source.job.get("accounts", []) if each.get("name") == account
    ]
    scopes = source.job.get("limits") or {}
    declared += [
        (f" ({scope})", scopes[scope])
        for scope in (f"account:{account}", "portfolio")
        if scope in scopes
    ]
    return [
        (f"{name.replace('_', ' ')}{scope}", float(each[name]))
        for scope, each in declared
        for name in LIMITS
        if each.get(name) is not None
    ]
