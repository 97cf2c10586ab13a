"""Explains a bar: what is missing in it, the record that closed it, and its trades."""

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.find import find_bar
from tapeflow.flows.explain.node import Node, Row
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.errors import TapeflowError

OF_TRADES = ("instrument", "partition", "first_offset", "last_offset", "open_ns", "close_ns",
             "count", "volume")  # of a bar, by which its trades are found  # fmt: skip


def bar_with_id(chain: Chain, name: str) -> Node:
    """Explain the bar with an id; a note says where its row is not there."""
    try:
        row = find_bar(chain.reader, name)
    except TapeflowError as error:
        return Node("bar", name, notes=[str(error)])
    return explain_bar(chain, row)


def explain_bar(chain: Chain, row: Row) -> Node:
    """Explain a bar; `row` has its times in ns too."""
    kind = row.get("kind")
    name = bar_id(row["instrument"], row["open_ns"], row["close_ns"]) + (f"/{kind}" if kind else "")
    chain.seen.add(("bar", name))
    node = Node("bar", name, {key: row[key] for key in row if key not in {"open_ns", "close_ns"}})
    instrument, begin, end = to_sql(row["instrument"]), row["open_ns"], row["close_ns"]
    node.tables["gaps"] = chain.reader.rows(
        f"SELECT * FROM gaps WHERE partition = {to_sql(row['partition'])} "
        f"AND coalesce(instrument, {instrument}) = {instrument} "
        f"AND epoch_ns(after_time) >= {begin} AND epoch_ns(before_time) < {end} ORDER BY first_id"
    )
    node.tables["late trades, in no bar"] = late_trades(
        chain, row, f"epoch_ns(event_time) >= {begin} AND epoch_ns(event_time) < {end}"
    )
    node.causes += chain.records(row, "closed it", row["log_time"])
    node.causes.append(trades_node(chain, row, name))
    return node


def late_trades(chain: Chain, row: Row, condition: str) -> list[Row]:
    """Return the late trades of a bar's instrument for which a condition holds."""
    return chain.reader.rows(
        'SELECT partition, "offset", trade_id, event_time, aggressor, price, size '
        f"FROM late_trades WHERE instrument = {to_sql(row['instrument'])} "
        f'AND partition = {to_sql(row["partition"])} AND {condition} ORDER BY "offset"'
    )


def trades_node(chain: Chain, row: Row, name: str) -> Node:
    """Return the node of the trades of a bar, without frames."""
    kind = row.get("kind") or ""
    if kind.startswith("quote:"):
        note = "a bar of quotes: its frames are those with a quote of the instrument in its time"
        return Node("quotes", name, why="made of", notes=[note])
    known = {key: row[key] for key in OF_TRADES}
    among = f'"offset" BETWEEN {row["first_offset"]} AND {row["last_offset"]}'
    late = late_trades(chain, row, among)
    known["late"] = [[each["offset"], each["trade_id"]] for each in late]
    known["by_time"] = ":" not in kind  # else a bar begins where the one before is full
    return Node("trades", name, known, "its trades")
