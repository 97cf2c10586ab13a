"""History: older bars of an instrument with its fills, and equity thinned to what a chart shows."""

from typing import Any

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.serve.facts import BARS, FILLS, Read, Row

LIMIT, LIMIT_MOST = 1_000, 5_000  # bars of an answer
FILLS_MOST = 2_000  # marks of an answer
POINTS = 600  # of an equity line
TIMES_MOST = 4_000_000_000_000  # ms since 1970


def instruments(read: Read) -> list[str]:
    """Return the instruments that have bars or are listed, by name."""
    found = read("SELECT id FROM instruments ORDER BY id")
    return [row["id"] for row in found]


def history(read: Read, instrument: str, before_ms: int | None, limit: int) -> dict[str, Any]:
    """Return bars before a time (ms of their opening), the oldest first, and the fills in them."""
    until = f"AND open_time < make_timestamp_ms({before_ms})" if before_ms is not None else ""
    rows = read(
        f"{BARS} WHERE instrument = {to_sql(instrument)} {until} "
        f"ORDER BY open_time DESC LIMIT {limit + 1}"
    )
    bars = rows[:limit][::-1]
    fills: list[Row] = []
    if bars:
        end = f"AND log_time < make_timestamp_ms({before_ms})" if before_ms is not None else ""
        fills = read(
            f"{FILLS} WHERE instrument = {to_sql(instrument)} {end} "
            f"AND log_time >= make_timestamp_ms({int(bars[0]['t'])}) "
            f"ORDER BY log_time DESC, seq DESC LIMIT {FILLS_MOST + 1}"
        )[::-1]
    return {
        "bars": bars,
        "fills": fills[-FILLS_MOST:],
        "more": len(rows) > limit,
        "fills_left_out": len(fills) > FILLS_MOST,
    }


def equity(read: Read) -> list[Row]:
    """Return the last equity sample of each of POINTS intervals, by account and strategy."""
    return read(f"""
        WITH span AS (
            SELECT epoch_ns(min(time)) AS low,
                greatest((epoch_ns(max(time)) - epoch_ns(min(time))) // {POINTS}, 1) AS step
            FROM equity)
        SELECT account, strategy, arg_max(epoch_ns(time), seq) / 1e6 AS t,
            arg_max(equity, seq) AS equity
        FROM equity, span GROUP BY account, strategy, (epoch_ns(time) - low) // step
        ORDER BY account, strategy, t
    """)
