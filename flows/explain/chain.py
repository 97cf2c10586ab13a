"""One explanation: what is met a second time is named only.

fill ─▶ order ─▶ parent order
└─▶ decision ─▶ signal ─▶ bar, fill, order or timer ─▶ records
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain.find import IDS
from tapeflow.flows.explain.node import Node, Row, record

if TYPE_CHECKING:  # steps are slow to import, and most facts need none of them
    from tapeflow.flows.explain.features import Features


class Chain:
    """The facts of one explanation, each explained once."""

    def __init__(self, reader: ResultsReader, kinds: "Mapping[str, Explain]") -> None:
        """Begin with nothing explained; `kinds` say how each kind of fact is."""
        self.reader, self.kinds = reader, kinds
        self.seen: set[tuple[str, str]] = set()  # kind and id

    @cached_property
    def features(self) -> "Features":
        """What strategies read."""
        from tapeflow.flows.explain.features import Features  # noqa: PLC0415  # see above

        return Features(self.reader)

    def anew(self) -> "Chain":
        """Return an explanation of another fact of the same results."""
        other = Chain(self.reader, self.kinds)
        other.__dict__["features"] = self.features
        return other

    def explain(self, kind: str, row: Row) -> Node:
        """Return a fact with its causes."""
        return self.kinds[kind](self, row)

    def by_id(self, kind: str, name: str, why: str) -> Node:
        """Return the fill, order, decision, signal or command with an id, with its causes."""
        table, column = IDS[kind]

        def make() -> Node:
            row = self.first(table, **{column: name})
            if row is None:
                return Node(kind, name, faults=[f"table {table} has no row of it"])
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


Explain = Callable[[Chain, Row], Node]
