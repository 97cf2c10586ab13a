"""A snapshot as plain text: a block of lines."""

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.monitor.table import GAP, Table, fit
from tapeflow.flows.monitor.tables import head_lines, tables_of
from tapeflow.flows.monitor.values import write_time


def write_block(snapshot: Snapshot, width: int | None = None) -> str:
    """Return the block of a snapshot, with an empty line at its end; None: as wide as it needs."""
    lines = [f"== {write_time(snapshot.taken_ns)} UTC, {snapshot.results}", *head_lines(snapshot)]
    for table in tables_of(snapshot):
        lines += ["", *table_lines(table, width)]
    return "\n".join(lines) + "\n\n"


def table_lines(table: Table, width: int | None = None) -> list[str]:
    """Return a table as lines; one line where it is empty."""
    title = f"{table.title} ({table.note})" if table.note and table.rows else table.title
    if not table.rows:
        return [f"{title}: {table.empty}"]
    if table.wraps:
        return [f"{title}:", *(f"{' ' * GAP}{'  '.join(row)}" for row in table.rows)]
    fitted, gap = fit(table, width), " " * GAP
    return [
        f"{title}:",
        *(f"{gap}{gap.join(row).rstrip()}" for row in (fitted.header(), *fitted.rows)),
    ]
