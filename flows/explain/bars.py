"""Explains a bar: what is missing in it, the record that closed it, and its trades."""

from typing import TYPE_CHECKING

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.explain.find import find_bar
from tapeflow.flows.explain.node import Node, Row
from tapeflow.schemas.bar import bar_id

if TYPE_CHECKING:
    from tapeflow.flows.explain.chain import Chain


def bar_with_id(chain: "Chain", name: str) -> Node:
    """Explain the bar with an id."""
    return explain_bar(chain, find_bar(chain.reader, name))


def explain_bar(chain: "Chain", row: Row) -> Node:
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
    late = chain.reader.rows(
        'SELECT partition, "offset", trade_id, event_time, aggressor, price, size '
        f"FROM late_trades WHERE instrument = {instrument} "
        f'AND epoch_ns(event_time) >= {begin} AND epoch_ns(event_time) < {end} ORDER BY "offset"'
    )
    node.tables["late trades, in no bar"] = late
    node.causes.append(chain.record(row, "closed it", row["log_time"]))
    node.causes.append(trades_node(row, late, name))
    return node


def trades_node(row: Row, late: list[Row], name: str) -> Node:
    """Return the node of the trades of a bar, without frames."""
    needed = ("instrument", "partition", "first_offset", "last_offset", "open_ns", "close_ns",
              "count", "volume")  # fmt: skip
    known = {key: row[key] for key in needed}
    known["late"] = [[each["offset"], each["trade_id"]] for each in late]
    return Node("trades", name, known, "its trades")
