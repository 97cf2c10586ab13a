"""Collects the causes of a fact from the results, and names the raw records that prove them.

    fill ─▶ order ─▶ parent order
                 └─▶ decision ─▶ signal ─▶ bar, fill, order or timer ─▶ records

What is met a second time is named only.
"""

from collections.abc import Callable

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain import accounts, bars, orders, records, signals, states
from tapeflow.flows.explain.find import IDS, find
from tapeflow.flows.explain.node import Node, Row, record

Explain = Callable[["Chain", Row], Node]


class Chain:
    """The facts of one explanation, each explained once."""

    def __init__(self, reader: ResultsReader) -> None:
        """Begin with nothing explained."""
        self.reader = reader
        self.seen: set[tuple[str, str]] = set()  # kind and id

    def explain(self, kind: str, row: Row) -> Node:
        """Return a fact with its causes."""
        return KINDS[kind](self, row)

    def by_id(self, kind: str, name: str, why: str) -> Node:
        """Return the fill, order, decision, signal or command with an id, with its causes."""
        table, column = IDS[kind]

        def make() -> Node:
            row = self.first(table, **{column: name})
            if row is None:
                return Node(kind, name, notes=[f"table {table} has no row of it"])
            return self.explain(kind, row)

        return self.once(kind, name, make, why)

    def records(self, row: Row, why: str, time: str | None) -> list[Node]:
        """Return the record that a row names, of this log time; none of a timer."""
        if not row["partition"]:
            return []
        node = record(row["partition"], row["offset"], why, time)
        return [self.once("record", node.id, lambda: node, why)]

    def once(self, kind: str, name: str, make: Callable[[], Node], why: str) -> Node:
        """Return what `make` makes the first time, and the name alone after that."""
        if (kind, name) in self.seen:
            return Node(kind, name, why=f"{why}, see above")
        self.seen.add((kind, name))
        node = make()
        node.why = why
        return node

    def first(self, table: str, **equal: str | int) -> Row | None:
        """Return the row of a table with these values; None where there is none."""
        found = self.reader.where(table, "LIMIT 1", **equal)
        return found[0] if found else None


KINDS: dict[str, Explain] = {
    "fill": orders.explain_fill,
    "order": orders.explain_order,
    "decision": orders.explain_decision,
    "event": orders.explain_event,
    "command": orders.explain_command,
    "signal": signals.explain_signal,
    "bar": bars.explain_bar,
    "record": records.explain_record,
    "position": accounts.explain_position,
    "equity": accounts.explain_equity,
    "funding": accounts.explain_funding,
    "state": states.explain_state,
    "control": states.explain_control,
}


def explain(reader: ResultsReader, text: str) -> Node:
    """Return what an id names with the chain of its causes, frames left out.

    Raises TapeflowError where the id is unknown, or of several facts.
    """
    kind, row = find(reader, text)
    return Chain(reader).explain(kind, row)
