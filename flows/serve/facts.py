"""Reads facts behind a place, each once: the rows that a page draws."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.serve import cursor as places
from tapeflow.flows.serve.cursor import Cursor

Row = dict[str, Any]
Read = Callable[[str], list[Row]]
ROWS_MOST = 20_000  # of bars behind a place: who is further behind begins anew
BARS = (
    'SELECT instrument, partition, "offset", epoch_ns(log_time) AS log_ns, '
    "epoch_ns(close_time) AS close_ns, epoch_ns(open_time) / 1e6 AS t, open AS o, high AS h, "
    "low AS l, close AS c, volume AS v, complete FROM bars"
)
FILLS = (
    "SELECT id, account, seq, strategy, instrument, side, price, size, "
    "epoch_ns(log_time) / 1e6 AS t FROM fills"
)
EQUITY = "SELECT account, seq, strategy, epoch_ns(time) / 1e6 AS t, equity FROM equity"
BAR_ORDER = 'ORDER BY log_time, partition, "offset", close_time, instrument'


class Facts(Struct, frozen=True):
    """Some facts, and the place behind them."""

    cursor: Cursor
    bars: list[Row] = []
    fills: list[Row] = []
    equity: list[Row] = []


class TooFarError(Exception):
    """More facts lie behind a place than are sent."""


def generation(read: Read) -> int:
    """Return when the first run of the results started, in ns: others have other facts."""
    found = read("SELECT epoch_ns(min(started)) AS began FROM runs")
    return int(found[0]["began"] or 0) if found else 0


def newest(read: Read) -> Cursor:
    """Return the place behind all facts that there are."""
    began = generation(read)
    bars = read(
        'SELECT partition, "offset", epoch_ns(max(close_time)) AS close_ns, '
        "epoch_ns(max(log_time)) AS log_ns FROM bars SEMI JOIN (SELECT partition, "
        'max("offset") AS "offset" FROM bars GROUP BY partition) AS last '
        'USING (partition, "offset") GROUP BY partition, "offset"'
    )
    numbers = {
        table: {
            row["account"]: row["seq"]
            for row in read(f"SELECT account, max(seq) AS seq FROM {table} GROUP BY account")
        }
        for table in ("fills", "equity")
    }
    return Cursor(began, places.advance_bars({}, bars), numbers["fills"], numbers["equity"])


def read_after(read: Read, cursor: Cursor, *, bounded: bool) -> Facts:
    """Return the facts behind a place.

    Raises TooFarError where they are more than are sent.
    """
    condition = places.after_bars(cursor, bounded=bounded)
    bars = read(f"{BARS} WHERE {condition} {BAR_ORDER} LIMIT {ROWS_MOST + 1}")
    rows = {
        name: read(f"{sql} WHERE {places.after_seq(known)} ORDER BY account, seq "
                   f"LIMIT {ROWS_MOST + 1}")
        for name, sql, known in (("fills", FILLS, cursor.fills), ("equity", EQUITY, cursor.equity))
    }  # fmt: skip
    if max(map(len, (bars, *rows.values()))) > ROWS_MOST:
        raise TooFarError
    ahead = Cursor(
        cursor.generation,
        places.advance_bars(cursor.bars, bars),
        places.advance_seq(cursor.fills, rows["fills"]),
        places.advance_seq(cursor.equity, rows["equity"]),
    )
    return Facts(ahead, bars, rows["fills"], rows["equity"])


def read_between(read: Read, begin: Cursor, end: Cursor, instrument: str) -> Facts:
    """Return the facts between two places: bars of one instrument, all fills and equity.

    Raises TooFarError where they are more than are sent.
    """
    of = f"instrument = {to_sql(instrument)}"
    bars = read(
        f"{BARS} WHERE {of} AND {places.after_bars(begin)} AND {places.until_bars(end)} "
        f"{BAR_ORDER} LIMIT {ROWS_MOST + 1}"
    )
    fills, equity = (
        read(f"{sql} WHERE {places.after_seq(low)} AND {places.until_seq(high)} "
             f"ORDER BY account, seq LIMIT {ROWS_MOST + 1}")
        for sql, low, high in (
            (FILLS, begin.fills, end.fills), (EQUITY, begin.equity, end.equity)
        )
    )  # fmt: skip
    if max(map(len, (bars, fills, equity))) > ROWS_MOST:
        raise TooFarError
    return Facts(end, bars, fills, equity)
