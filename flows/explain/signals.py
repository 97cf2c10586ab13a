"""Explains a signal: its strategy, the record at which it was made, and what it answers."""

import re

from tapeflow.flows.explain import accounts, bars
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.find import BAR, HEX, ID_LENGTH
from tapeflow.flows.explain.node import Node, Row
from tapeflow.flows.explain.readings import add_features

EVENT = re.compile(r"(.+)/([a-z_]+)/(\d+)")  # strategy, kind, number of the call


def explain_signal(chain: Chain, row: Row) -> Node:
    """Explain a signal: its strategy as the job declares it, its record, and its cause."""
    chain.seen.add(("signal", row["id"]))
    node = Node("signal", row["id"], row)
    declared = accounts.strategy_rows(chain.reader, row["strategy"])
    if declared:
        node.row = row | {"declared": declared[-1]}
    if len(declared) > 1:
        node.notes.append("the job of an earlier start declared this strategy differently")
    add_features(chain, node)
    node.causes += chain.records(row, "decided at it", row["time"])
    node.causes.append(cause(chain, row))
    return node


def cause(chain: Chain, row: Row) -> Node:
    """Explain what a signal answers: a bar, a fill, a decision, a timer, .."""
    name = row["bar_id"]
    if BAR.fullmatch(name):
        return chain.once("bar", name, lambda: bars.bar_with_id(chain, name), "its bar")
    if HEX.fullmatch(name) and len(name) == ID_LENGTH:
        for kind, table, column in (("fill", "fills", "id"), ("decision", "decisions", "order_id"),
                                    ("control", "control", "id")):  # fmt: skip
            if chain.first(table, **{column: name}) is not None:
                return chain.by_id(kind, name, "it answers")
    return call(chain, row, name)


def call(chain: Chain, row: Row, name: str) -> Node:
    """Explain a call of a strategy by what is no fact of its own: a timer, a price watch, .."""
    match = EVENT.fullmatch(name)
    if match is None:
        return Node("cause", name, why="it answers", notes=["no fact of its own is stored of it"])
    strategy, event, number = match.groups()
    node = Node("call", name, {"strategy": strategy, "event": event, "number": int(number)})
    node.why = "it answers"
    if event == "order":
        extra = f"AND epoch_ns(time) = {row_ns(chain, row)} ORDER BY seq"
        node.tables["events"] = chain.reader.where("order_events", extra, strategy=strategy)
    return node


def row_ns(chain: Chain, row: Row) -> int:
    """Return the log time of a signal in ns."""
    sql = f"SELECT epoch_ns(time) AS ns FROM signals WHERE id = '{row['id']}'"
    return int(chain.reader.rows(sql)[0]["ns"])
