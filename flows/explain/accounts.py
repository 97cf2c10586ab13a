"""Explains positions and equity; and what the job says of a strategy."""

import json
from typing import Any, Final

from tapeflow.connectors.duckdb.reading import ResultsReader, to_sql
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Node, Row

MARKS_WITHIN: Final = (
    "INTERVAL 1 MINUTE"  # before a payment: there is a mark price in it, or more is read
)


def strategy_rows(reader: ResultsReader, name: str) -> list[Row]:
    """Return a strategy as the jobs of the runs declare it, each way once, the last one last."""
    declared: list[dict[str, Any]] = []
    for run in reader.rows("SELECT job FROM runs ORDER BY id"):
        for each in json.loads(run["job"]).get("strategies", ()):
            if each["name"] == name:
                declared = [other for other in declared if other != each] + [each]
    return declared


def explain_position(chain: Chain, row: Row) -> Node:
    """Explain a position: the one before it, and the fill that changed it."""
    before = chain.reader.where(
        "positions", f"AND seq < {row['seq']} ORDER BY seq DESC LIMIT 1",
        account=row["account"], strategy=row["strategy"], instrument=row["instrument"],
    )  # fmt: skip
    name = f"{row['account']}/{row['seq']}"
    node = Node("position", name, row, tables={"the position before": before})
    node.causes.append(chain.by_id("fill", row["fill_id"], "changed by"))
    return node


def explain_equity(chain: Chain, row: Row) -> Node:
    """Explain a row of equity by the last position of its strategy in each instrument."""
    last = chain.reader.rows(
        f"SELECT * FROM positions WHERE account = {to_sql(row['account'])} "
        f"AND strategy = {to_sql(row['strategy'])} AND seq < {row['seq']} "
        "QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY seq DESC) = 1 "
        "ORDER BY instrument"
    )
    note = "equity = realized + unrealized - fees + funding, over the positions of its strategy"
    return Node(
        "equity", f"{row['account']}/{row['seq']}", row,
        tables={"positions after their last fill": last}, notes=[note],
    )  # fmt: skip


def explain_funding(chain: Chain, row: Row) -> Node:
    """Explain a payment by the mark prices that it follows from, and the last position."""
    name = f"funding/{row['account']}/{row['seq']}"
    last = chain.reader.where(
        "positions",
        f"AND time <= TIMESTAMP_NS {to_sql(row['time'])} ORDER BY seq DESC LIMIT 1",
        account=row["account"], strategy=row["strategy"], instrument=row["instrument"],
    )  # fmt: skip
    node = Node("funding", name, row, tables={"the position before": last})
    time, instrument = f"TIMESTAMP_NS {to_sql(row['time'])}", to_sql(row["instrument"])
    spans = chain.reader.rows(
        f'SELECT partition, coalesce(max("offset") FILTER (log_time < {time} - {MARKS_WITHIN}), 0)'
        f' AS first_offset, coalesce(min("offset") FILTER (log_time > {time}), max("offset")) '
        f"AS last_offset, epoch_ns({time}) AS time_ns, "
        f"epoch_ns(TIMESTAMP_NS {to_sql(row['next_time'])}) AS next_ns FROM bars WHERE partition "
        f"IN (SELECT partition FROM bars WHERE instrument = {instrument}) GROUP BY ALL ORDER BY 1"
    )
    if not spans:
        node.notes.append("no bar says in which partition its mark prices are")
    for span in spans:
        known = {key: row[key] for key in ("instrument", "mark", "rate")} | span
        node.causes.append(Node("marks", f"{name}/{span['partition']}", known, "of"))
    return node
