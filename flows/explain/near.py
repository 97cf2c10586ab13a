"""Gaps and late trades around a bar, read for an hour and all instruments of a partition at once.

bar 09:00:42 .. 09:00:43 ──▶ rows from 09:00 to 10:00, the same query for other bars
"""

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Row
from tapeflow.schemas.time import LAST_NS

HOUR_NS = 3_600_000_000_000
RECORDS = 1 << 16
SHOWN = ("partition", "offset", "trade_id", "event_time", "aggressor", "price", "size")


def block(begin: int, end: int, step: int) -> tuple[int, int]:
    """Return the least range of whole steps that holds [begin, end).

    >>> block(7, 13, 10)
    (0, 20)
    """
    return begin // step * step, min(-(-end // step) * step, LAST_NS)


def gaps_of(chain: Chain, row: Row) -> list[Row]:
    """Return the gaps in trades of a bar, and those of the whole partition."""
    begin, end = block(row["open_ns"], row["close_ns"], HOUR_NS)
    found = chain.reader.rows(
        "SELECT *, epoch_ns(after_time) AS after_ns, epoch_ns(before_time) AS before_ns FROM gaps "
        f"WHERE partition = {to_sql(row['partition'])} AND after_time >= make_timestamp_ns({begin})"
        f" AND before_time < make_timestamp_ns({end}) ORDER BY first_id"
    )
    return [
        {name: each[name] for name in each if name not in {"after_ns", "before_ns"}}
        for each in found
        if each["instrument"] in (None, row["instrument"])
        if each["after_ns"] >= row["open_ns"] and each["before_ns"] < row["close_ns"]
    ]


def late_by_time(chain: Chain, row: Row) -> list[Row]:
    """Return the late trades of the time of a bar."""
    begin, end = block(row["open_ns"], row["close_ns"], HOUR_NS)
    found = late_trades(
        chain,
        row,
        f"event_time >= make_timestamp_ns({begin}) AND event_time < make_timestamp_ns({end})",
    )
    return [
        {name: each[name] for name in SHOWN}
        for each in found
        if row["open_ns"] <= each["event_ns"] < row["close_ns"]
    ]


def late_by_record(chain: Chain, row: Row) -> list[list[int]]:
    """Return offset and trade id of the late trades among the records of a bar."""
    begin, end = block(row["first_offset"], row["last_offset"] + 1, RECORDS)
    found = late_trades(chain, row, f'"offset" >= {begin} AND "offset" < {end}')
    return [
        [each["offset"], each["trade_id"]]
        for each in found
        if row["first_offset"] <= each["offset"] <= row["last_offset"]
    ]


def late_trades(chain: Chain, row: Row, condition: str) -> list[Row]:
    """Return the late trades of a bar's instrument for which a condition holds."""
    found = chain.reader.rows(
        f"SELECT {', '.join(map(quote, SHOWN))}, instrument, epoch_ns(event_time) AS event_ns "
        f"FROM late_trades WHERE partition = {to_sql(row['partition'])} AND {condition} "
        'ORDER BY "offset", trade_id'
    )
    return [each for each in found if each["instrument"] == row["instrument"]]


def quote(name: str) -> str:
    """Return a name of a column as SQL.

    >>> quote("offset")
    '"offset"'
    """
    return f'"{name}"'
