"""tables.md: every table of the results, as DuckDB has it; meanings from the types' comments."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from docs.generate.markdown import NOTE, code, join, table
from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.insertion import create
from tapeflow.connectors.duckdb.tables import descriptions
from tapeflow.schemas.meanings import SHARED
from tapeflow.schemas.registry import FACT_TYPES
from tapeflow.schemas.tables import columns

INTRO = """\
The tables of `results.duckdb`, to query with `tapeflow query`. Times are UTC to the nanosecond. Money is DECIMAL, exact;
prices and sizes of the market are DOUBLE. The rows of a table have no order of their own: `ORDER BY` what is named
below for the order of the log."""


def page() -> str:
    """Return the page."""
    shared = [(code(name), meaning) for name, meaning in SHARED.items()]
    found = list(describe())
    names = ", ".join(f"[{name}](#{name})" for name, _ in found)
    sections = (f"## {name}\n\n{text}" for name, text in found)
    common = join("## Columns of many tables", table(("column", "meaning"), shared)).rstrip()
    return join("# Tables", NOTE, INTRO, names, common, *sections)


def describe() -> Iterator[tuple[str, str]]:
    """Yield name and description of each table of fresh results."""
    facts = {fact.table: fact for fact in FACT_TYPES}
    types = database_columns()
    for _kind, name, title, meanings in descriptions():
        missing = [column for column, _ in types[name] if not meanings.get(column)]
        if missing:
            raise KeyError(f"{name}.{missing[0]} has no meaning: add a comment to its field")
        text = title
        if name in facts:
            order = {column.field: column.name for column in columns(facts[name].type)}
            text += f" Order: {code(', '.join(order[field] for field in facts[name].order))}."
        rows = [(code(column), code(kind), meanings[column]) for column, kind in types[name]]
        yield name, f"{text}\n\n{table(('column', 'type', 'meaning'), rows)}"


def database_columns() -> dict[str, list[tuple[str, str]]]:
    """Return name and SQL type of each column, by table."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ResultPaths.for_stateless_run(Path(folder) / "results.duckdb")
        with create(paths) as con:
            rows = con.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() "
                "WHERE NOT internal AND schema_name = 'main' ORDER BY table_oid, column_index"
            ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for name, column, kind in rows:
        found.setdefault(name, []).append((column, kind))
    return found
