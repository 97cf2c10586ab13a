"""Explains changes of trading states, and the control commands that are signed for them."""

from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Node, Row


def explain_state(chain: Chain, row: Row) -> Node:
    """Explain a change of a trading state: its rule or command, and its record."""
    node = Node("state", f"states/{row['seq']}", row)
    node.causes += chain.records(row, "changed at it", row["time"])
    if row["cause"] == "command":
        node.causes.append(chain.by_id("control", row["rule"], "by command"))
    return node


def explain_control(chain: Chain, row: Row) -> Node:
    """Explain a control command: its record, and the states that it changed."""
    chain.seen.add(("control", row["id"]))
    node = Node("control", row["id"], row)
    node.tables["states"] = chain.reader.where("states", "ORDER BY seq", rule=row["id"])
    node.causes += chain.records(row, "written as", row["time"])
    return node
