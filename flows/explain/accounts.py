"""Explains positions and equity; and what the job says of a strategy."""

import json
from typing import Any

from tapeflow.connectors.duckdb.reading import ResultsReader, to_sql
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Node, Row


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


def explain_funding(_chain: Chain, row: Row) -> Node:
    """Return a fact of which no cause is stored."""
    return Node("funding", f"funding/{row['account']}/{row['seq']}", row)
