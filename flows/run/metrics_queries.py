"""The one query of a scrape: what was committed since the last one, and what is newest.

    rows    kind, a, b, c (text), value (DOUBLE), seq (BIGINT)

Facts of an account are numbered by `seq`: only those above the last number seen are read. What a
run finds in its results when it starts is read in chunks: a query may take little memory. A run
that goes on from an epoch makes the same facts of the same numbers again.
"""

from collections.abc import Mapping

from tapeflow.connectors.duckdb.reading import to_sql

Seen = Mapping[str, int]  # by account: the last number

COUNTED = ("bars", "signals", "orders", "fills", "late_trades", "dead_letters", "gaps")
CHUNK = 100_000  # facts of an account
CHECKED_DECISIONS = 200  # the newest ones, of which the checks are read
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
ROW = "SELECT {} AS kind, {} AS a, {} AS b, {} AS c, ({})::DOUBLE AS value, ({})::BIGINT AS seq "
NEWEST_RUN = "FROM runs WHERE id = (SELECT max(id) FROM runs)"


def scrape_query(
    seen: Seen, seen_events: Seen, *, order_events: bool, catching_up: bool = False
) -> str:
    """Return the query of a scrape.

    `seen` and `seen_events` are the last numbers of facts and of order events of every account, -1
    of one without any; `order_events` says whether the run writes these. `catching_up`: read at
    most CHUNK facts of each account, as all of them may be millions.
    """
    new, new_events = after(seen, CHUNK if catching_up else None), after(seen_events)
    parts = [
        *counts(),
        row("'refusals'", "account", "reason", value="count(*)")
        + f"FROM decisions WHERE {new} GROUP BY ALL",
        row("'position'", "account", "strategy", "instrument", "arg_max(quantity, seq)", "max(seq)")
        + f"FROM positions WHERE {new} GROUP BY ALL",
        *equity(new),
        row("'state'", "scope", "arg_max(state, seq)") + "FROM states GROUP BY ALL",
        row("'newest'" if catching_up else "'seen'", "account", seq="max(seq)")
        + f"FROM ({numbers(after(seen))}) GROUP BY ALL",
        latency(new),
        "(" + row("'checks'", "account", "checks", value="epoch(time)", seq="seq")
        + f"FROM decisions WHERE {new} ORDER BY time DESC, seq DESC LIMIT {CHECKED_DECISIONS})",
    ]  # fmt: skip
    made = f"made AS (SELECT id, account, strategy, seq FROM orders WHERE {new})"
    if order_events:
        parts += open_orders(new_events, catching_up=catching_up)
    # without an order, DuckDB 2.0 hangs on the LIMIT that a running flow puts around a query
    return f"WITH {made} FROM ({' UNION ALL '.join(parts)}) ORDER BY kind, value, seq"


def row(*columns: str, value: str = "0", seq: str = "-1") -> str:
    """Return the SELECT of a row of the query: kind, up to three texts, then value and number."""
    names = [*columns[:4], *["''"] * (4 - len(columns))]
    numbers = [*columns[4:], *(value, seq)[max(len(columns) - 4, 0) :]]
    return ROW.format(*names, *numbers)


def after(seen: Seen, chunk: int | None = None) -> str:
    """Return the condition of facts with numbers above those seen, and at most `chunk` above them.

    The least number alone lets DuckDB skip the parts of a table that are older.

    >>> after({"a": 7})
    "seq > 7 AND seq > CASE account WHEN 'a' THEN 7 END"
    """
    if not seen:
        return "false"
    floors, tops = (
        " ".join(f"WHEN {to_sql(name)} THEN {number + more}" for name, number in seen.items())
        for more in (0, chunk or 0)
    )
    newer = f"seq > {min(seen.values())} AND seq > CASE account {floors} END"
    if chunk is None:
        return newer
    return f"{newer} AND seq <= {max(seen.values()) + chunk} AND seq <= CASE account {tops} END"


def numbers(new: str) -> str:
    """Return the SELECT of account and number of all new facts that the query reads."""
    tables = ("decisions", "orders", "positions", "equity", "fills")
    return " UNION ALL ".join(f"SELECT account, seq FROM {table} WHERE {new}" for table in tables)


def counts() -> list[str]:
    """Return the SELECTs of all counts, and of the newest run."""
    return [
        *(row(f"'{table}'", value="count(*)") + f"FROM {table}" for table in COUNTED),
        row("'missing_trades'", value="coalesce(sum(missing), 0)") + "FROM gaps",
        row("'committed'", value="epoch(committed)") + f"{NEWEST_RUN} AND committed IS NOT NULL",
        row("'run_number'", value="id") + NEWEST_RUN,
    ]


def equity(new: str) -> list[str]:
    """Return the SELECTs of the newest equity of each strategy, and the course of each account.

    A sample of an account is a row of each strategy, committed together: where `new` cuts one, its
    other rows are read too, as the sum of a part is no equity.
    """
    newest = [
        row(f"'{name}'", "account", "strategy", value=f"arg_max({column}, seq)", seq="max(seq)")
        + f"FROM equity WHERE {new} GROUP BY ALL"
        for name, column in {"equity": "equity", "gross": "gross"}.items()
    ]
    samples = f"SELECT account, time FROM equity WHERE {new}"
    sums = (
        "(SELECT account, time, sum(equity) AS total FROM equity "
        f"WHERE (account, time) IN ({samples}) GROUP BY ALL)"
    )
    return [
        *newest,
        row("'equity_high'", "account", value="max(total)") + f"FROM {sums} GROUP BY ALL",
        row("'equity_now'", "account", value="arg_max(total, time)") + f"FROM {sums} GROUP BY ALL",
    ]


def latency(new: str) -> str:
    """Return the SELECT of times from decision to fill: count and sum by account and bucket."""
    fresh = f"(SELECT account, order_id, log_time FROM fills WHERE {new})"
    seconds = "(epoch_ns(fresh.log_time) - epoch_ns(orders.time)) / 1e9"
    bucket = " ".join(f"WHEN s <= {limit} THEN '{limit}'" for limit in BUCKETS_S)
    sums = (
        f"(SELECT fresh.account AS account, {seconds} AS s "
        f"FROM {fresh} AS fresh JOIN orders ON orders.id = fresh.order_id)"
    )
    return (
        row(
            "'latency'", "account", f"CASE {bucket} ELSE '+Inf' END", value="sum(s)", seq="count(1)"
        )
        + f"FROM {sums} GROUP BY ALL"
    )


def open_orders(new_events: str, *, catching_up: bool) -> list[str]:
    """Return the SELECTs of orders that have begun to live, and of those that live no longer.

    While orders are read in chunks, events of any time may end them.
    """
    ended = "SELECT order_id FROM order_events WHERE phase = 'DONE'"
    of_made = "order_id IN (SELECT id FROM made)"
    since = "true" if catching_up else new_events
    return [
        row("'opened'", "id", "account", "strategy", seq="seq")
        + f"FROM made WHERE id NOT IN ({ended} AND {since} AND {of_made})",
        row("'closed'", "order_id")
        + f"FROM ({ended} AND {'false' if catching_up else new_events} AND NOT {of_made})",
        row("'events'", "account", seq="max(seq)") + "FROM order_events GROUP BY ALL",
    ]
