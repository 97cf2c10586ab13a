"""The tables of a compiled dialect, row by row, for templates.py."""

from typing import NamedTuple

from tapeflow.operators.decode import layout
from tapeflow.operators.decode.plans import ScanTables
from tapeflow.schemas.columns import Ints


class TableRows(NamedTuple):
    """The tables that a template is made from: (rows, words) each, over the kernel's memory."""

    plans: Ints
    nodes: Ints
    entries: Ints
    fills: Ints

    @classmethod
    def of(cls, tables: ScanTables) -> "TableRows":
        """Cut the tables of the kernel into rows."""
        return cls(
            tables.plans.reshape(-1, layout.PLAN_WORDS),
            tables.nodes.reshape(-1, layout.NODE_WORDS),
            tables.entries.reshape(-1, layout.ENTRY_WORDS),
            tables.fills.reshape(-1, layout.FILL_WORDS),
        )


def has_templates(tables: TableRows, plan: int) -> bool:
    """Return whether templates of a plan can be made: whether it reads no array."""

    def is_flat(node: int) -> bool:
        first, last = tables.nodes[node, [layout.ENTRIES, layout.ENTRIES_END]]
        entries = tables.entries[first:last]
        inner = entries[entries[:, layout.ACTION] == layout.OBJECT][:, layout.A]
        return not (entries[:, layout.ACTION] == layout.ARRAY).any() and all(map(is_flat, inner))

    return not tables.plans[plan, layout.IN_ARRAY] and is_flat(int(tables.plans[plan, layout.ROOT]))
