"""Explains what is wrong with a log: gaps, late trades, records of unlisted symbols.

gap           the record at which it was found; the trades on both sides of it
late trade    its record; the bar that had closed before it
unlisted      its first record
"""

import re
from functools import partial

from tapeflow.connectors.duckdb.reading import ResultsReader, to_sql
from tapeflow.flows.explain import bars
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.find import WITH_NS
from tapeflow.flows.explain.node import Node, Row, record_id
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.errors import TapeflowError

KINDS = {"gaps": "gap", "late_trades": "late trade", "unlisted": "unlisted"}  # by table
KEYS = {"gaps": "first_id", "late_trades": "trade_id", "unlisted": "symbol"}
OFFSETS = {"unlisted": "first_offset"}  # else `offset`
TEXT = re.compile(r"(gaps|late_trades|unlisted)/([A-Za-z0-9_-]+-\d+):(\d+)(?:/(.+))?")


def find_quality(reader: ResultsReader, text: str) -> tuple[str, Row] | None:
    """Return the fact about the log that an id names; None where the text is no such id.

    Raises TapeflowError where there is none, or several.
    """
    match = TEXT.fullmatch(text)
    if match is None:
        return None
    table, partition, offset, key = match.groups()
    number = OFFSETS.get(table, "offset")
    rows = reader.where(table, f'AND "{number}" = {int(offset)}', partition=partition)
    found = [row for row in rows if key is None or str(row[KEYS[table]]) == key]
    if not found:
        has = f": it has {', '.join(str(row[KEYS[table]]) for row in rows)}" if rows else ""
        raise TapeflowError(f"table {table} has no {text.partition('/')[2]}{has}")
    if len(found) > 1:
        names = ", ".join(quality_id(table, row) for row in found[:5])
        raise TapeflowError(f"{text} is several: {names}")
    return KINDS[table], found[0]


def quality_id(table: str, row: Row) -> str:
    """Return the id of a fact about the log."""
    offset = row[OFFSETS.get(table, "offset")]
    return f"{table}/{record_id(row['partition'], offset)}/{row[KEYS[table]]}"


def explain_gap(chain: Chain, row: Row) -> Node:
    """Explain a gap: of trades by those on both sides; of records by the two around it."""
    node = Node("gap", quality_id("gaps", row), row)
    if row["instrument"] is None:
        before = row | {"offset": row["offset"] - 1}
        node.causes += chain.records(before, "last record before it", row["before_time"])
        node.causes += chain.records(row, "first record after it", row["after_time"])
        return node
    node.causes += chain.records(row, "found at it", row["log_time"])
    begin, end = chain.reader.rows(
        f"SELECT epoch_ns(TIMESTAMP_NS {to_sql(row['before_time'])}) AS ns "
        f"UNION ALL SELECT epoch_ns(TIMESTAMP_NS {to_sql(row['after_time'])}) ORDER BY ns"
    )
    (among,) = chain.reader.rows(
        "SELECT min(first_offset) AS first_offset, max(last_offset) AS last_offset FROM bars "
        f"WHERE instrument = {to_sql(row['instrument'])} "
        f"AND partition = {to_sql(row['partition'])} "
        f"AND close_time > make_timestamp_ns({begin['ns']}) "
        f"AND open_time <= make_timestamp_ns({end['ns']})"
    )
    if among["first_offset"] is None:
        node.notes.append("the bars of both sides are not stored: their trades are not looked for")
        return node
    known = {name: row[name] for name in ("instrument", "partition", "first_id", "last_id",
                                          "missing")}  # fmt: skip
    known |= among | {"last_offset": max(among["last_offset"], row["offset"])}
    node.tables["dead letters in its records"] = chain.reader.rows(
        'SELECT partition, "offset", reason FROM dead_letters WHERE partition = '
        f'{to_sql(row["partition"])} AND "offset" BETWEEN {known["first_offset"]} '
        f'AND {known["last_offset"]} ORDER BY "offset"'
    )
    node.causes.append(Node("sides", node.id, known, "between"))
    return node


def explain_late(chain: Chain, row: Row) -> Node:
    """Explain a late trade: its record, and the bar of its time, which had closed."""
    node = Node("late trade", quality_id("late_trades", row), row)
    node.causes += chain.records(row, "came with", row["log_time"])
    moment = f"TIMESTAMP_NS {to_sql(row['event_time'])}"
    closed = chain.reader.rows(
        f"{WITH_NS} bars WHERE instrument = {to_sql(row['instrument'])} "
        f"AND partition = {to_sql(row['partition'])} "
        f"AND open_time <= {moment} AND close_time > {moment}"
    )
    if not closed:
        node.notes.append("no bar holds its time: it would have been the first trade of one")
    for each in closed:
        if each["offset"] > row["offset"]:
            node.faults.append(f"the bar of its time was closed later, by record {each['offset']}")
        name = bar_id(each["instrument"], each["open_ns"], each["close_ns"])
        node.causes.append(
            chain.once("bar", name, partial(bars.explain_bar, chain, each), "closed before it")
        )
    return node


def explain_unlisted(chain: Chain, row: Row) -> Node:
    """Explain the records of a symbol that the job does not list: their first one."""
    node = Node("unlisted", quality_id("unlisted", row), row)
    first = row | {"offset": row["first_offset"]}
    node.causes += chain.records(first, "first record", row["first_log_time"])
    return node
