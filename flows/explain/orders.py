"""Explains fills, orders with their events and commands, and decisions with their findings."""

import json
import re
from decimal import Decimal
from typing import Any

from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Node, Row, record_id

EXPONENT = re.compile(r"-?[\d.]+E[+-]?\d+")
FINDING = ("check", "passed", "observed", "limit", "scope")
TEXT_FINDING = re.compile(r"([A-Z_]+): observed=([^,;]+), limit=([^,;]+)")


def explain_fill(chain: Chain, row: Row) -> Node:
    """Explain a fill: the record that made it, and its order."""
    chain.seen.add(("fill", row["id"]))
    causes = chain.records(row, "filled it", row["log_time"])
    causes.append(chain.by_id("order", row["order_id"], "its order"))
    return Node("fill", row["id"], row, causes=causes)


def explain_order(chain: Chain, row: Row) -> Node:
    """Explain an order: what became of it, its parent, and the decision that approved it."""
    name = row["id"]
    chain.seen.add(("order", name))
    events = chain.reader.where("order_events", "ORDER BY seq", order_id=name)
    tables = {
        "events": events,
        "commands": chain.reader.where("commands", "ORDER BY seq", order_id=name),
        "fills": chain.reader.where("fills", "ORDER BY seq", order_id=name),
        "slices and exits": chain.reader.where("orders", "ORDER BY seq", parent=name),
    }
    node = Node("order", name, row, tables=tables)
    if not events:
        node.notes.append("no order events are stored: [results] order_events was off")
    node.causes += event_records(chain, events)
    if row["parent"]:
        why = "it is a slice of" if row["role"] == "child" else "its fills release it"
        node.causes.append(chain.by_id("order", row["parent"], why))
    if chain.first("decisions", order_id=name) is not None or not row["parent"]:
        node.causes.append(chain.by_id("decision", name, "approved it"))
    else:
        node.notes.append("approved with its parent: it has no decision of its own")
        node.causes.append(wanted_by(chain, row))
    return node


def event_records(chain: Chain, events: list[Row]) -> list[Node]:
    """Return the records that brought events of an order, each once."""
    found: list[Node] = []
    for each in events:
        if ("record", record_id(each["partition"], each["offset"])) not in chain.seen:
            found += chain.records(each, f"brought {each['kind']}", each["time"])
    return found


def explain_decision(chain: Chain, row: Row) -> Node:
    """Explain a decision: what each check found, and the signal."""
    chain.seen.add(("decision", row["order_id"]))
    node = Node("decision", row["order_id"], row, tables={"findings": findings(row)})
    node.causes.append(wanted_by(chain, row))
    return node


def wanted_by(chain: Chain, row: Row) -> Node:
    """Return the signal of an order, or the change of a state that it closes for."""
    name = row["signal_id"]
    if not name.startswith("states/"):
        return chain.by_id("signal", name, "its signal")
    why, found = "it closes for it", chain.first("states", seq=int(name.removeprefix("states/")))
    if found is None:
        return Node("state", name, why=why, faults=["table states has no row of it"])
    return chain.once("state", name, lambda: chain.explain("state", found), why)


def findings(row: Row) -> list[Row]:
    """Return what the checks of a decision found: of its column `checks`, else of `detail`."""
    if row.get("checks"):
        found = json.loads(row["checks"])
        return [dict(zip(FINDING, map(in_plain_digits, each), strict=False)) for each in found]
    return [
        dict(zip(FINDING, (code, code != row["reason"], observed, limit), strict=False))
        for code, observed, limit in TEXT_FINDING.findall(row["detail"])
    ]


def in_plain_digits(value: Any) -> Any:
    """Return a decimal with an exponent as digits alone; any other value as it is.

    >>> in_plain_digits("0E-8"), in_plain_digits("FLIP")
    ('0', 'FLIP')
    """
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        return f"{Decimal(value).normalize():f}"
    return value


def explain_event(chain: Chain, row: Row) -> Node:
    """Explain an event of an order."""
    node = Node("event", f"order_events/{row['account']}/{row['seq']}", row)
    node.causes += chain.records(row, "brought it", row["time"])
    node.causes.append(chain.by_id("order", row["order_id"], "its order"))
    return node


def explain_command(chain: Chain, row: Row) -> Node:
    """Explain a command to a venue."""
    node = Node("command", f"commands/{row['account']}/{row['seq']}", row)
    node.causes.append(chain.by_id("order", row["order_id"], "its order"))
    return node
