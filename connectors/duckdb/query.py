"""Reading results: queries, and the digest by which the facts of two runs are compared."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from msgspec import NODEFAULT, structs

from tapeflow.connectors.duckdb.file import check_is_file, connect_sealed, sibling
from tapeflow.connectors.duckdb.query_result import (
    QueryResult,
    one_line,
    read_exact,
)
from tapeflow.connectors.duckdb.runs import describe, describe_absent
from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.engine.threads import call_on_thread
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.registry import FACT_TYPES, FactType
from tapeflow.schemas.tables import columns

CHUNK_ROWS = 4096  # read at a time
DEFAULTS = {  # of the fields of each type of fact
    each.type: {field.name: field.default for field in structs.fields(each.type)}
    for each in FACT_TYPES
}
EMPTY = hashlib.sha256().hexdigest()  # of a table without rows
CHANGES = {  # of a view DuckDB says something else than that nothing can be changed
    duckdb.StatementType.INSERT,
    duckdb.StatementType.UPDATE,
    duckdb.StatementType.DELETE,
}


def connect(results: Path, notify: Notify = lambda _: None) -> Any:
    """Open results for reading; `notify` gets a line where they are not a finished answer alone.

    Raises TapeflowError where there are none, or they cannot be read.
    """
    if not results.exists():
        raise TapeflowError(describe_absent(results))
    check_is_file(results)
    con = connect_sealed(results, {}, read_only=True)
    if shown := describe(results, con):
        notify(shown)
    return con


def has_table(con: Any, name: str) -> bool:
    """Return whether the results hold a table or view of this name."""
    try:
        con.execute(f"FROM {name} LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def query(results: Path, sql: str, notify: Notify = lambda _: None) -> QueryResult:
    """Run a query: in the run that makes these results, if there is one, else on the file.

    `notify` gets a line where the file is not a finished answer alone.

    Raises TapeflowError for a query that fails.
    """
    if sibling(results, ".live").exists():
        from tapeflow.connectors.duckdb.flight import query_running  # noqa: PLC0415  # slow to import

        result = query_running(results, sql)
        if result is not None:
            return result
    with connect(results, notify) as con:
        try:
            if CHANGES & {statement.type for statement in con.extract_statements(sql)}:
                raise TapeflowError(f"the query failed: {results} is read-only")
            return call_on_thread(lambda: read_exact(con, sql), con.interrupt)
        except duckdb.Error as error:
            raise TapeflowError(f"the query failed: {one_line(str(error))}") from None


def digests(results: Path, notify: Notify = lambda _: None) -> dict[str, str]:
    """Return the digest of each table of facts, in the order of the registry.

    `notify` gets a line where the results are not a finished answer alone.
    """
    with connect(results, notify) as con:
        return {each.table: table_digest(con, each, f"{INTERNAL}.") for each in FACT_TYPES}


def digest(tables: dict[str, str]) -> str:
    """Return one digest of the tables that count in it: sha256 over lines of name and digest."""
    counted = {
        fact.table: tables[fact.table]
        for fact in FACT_TYPES
        if fact.digested == "always"
        or (fact.digested == "with rows" and tables[fact.table] != EMPTY)
    }
    lines = "".join(f"{name} {value}\n" for name, value in counted.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def table_digest(con: Any, fact_type: FactType, schema: str = "") -> str:
    """Return the sha256 over the rows of a table in log order, every value by its exact text.

    They are the facts as they were sent, not those of the view. A field with a default came later
    than its table: where every row has the default, the digest is that of the rows without it,
    else the names of these fields are in it.
    """
    name, defaults = f"{schema}{fact_type.table}", DEFAULTS[fact_type.type]
    unchanged = unchanged_fields(con, fact_type, name)
    table = [column for column in columns(fact_type.type) if column.field not in unchanged]
    names = {column.field: column.name for column in columns(fact_type.type)}
    selected = ", ".join(
        f'epoch_ns("{column.name}")' if column.sql == "TIMESTAMP_NS" else f'"{column.name}"'
        for column in table
    )
    later = [each.name for each in table if defaults.get(each.field, NODEFAULT) is not NODEFAULT]
    order = ", ".join(f'"{names[field]}"' for field in fact_type.order)
    rows = execute_on_facts(con, f"SELECT {selected} FROM {name} ORDER BY {order}")
    total = hashlib.sha256(repr(later).encode() if later else b"")
    while chunk := rows.fetchmany(CHUNK_ROWS):
        for row in chunk:
            total.update(repr(row).encode())
    return total.hexdigest()


def unchanged_fields(con: Any, fact_type: FactType, table: str) -> set[str]:
    """Return the fields that have a default, and have it in every row of the table."""
    later = {
        column.field: column.name
        for column in columns(fact_type.type)
        if DEFAULTS[fact_type.type].get(column.field, NODEFAULT) is not NODEFAULT
    }
    if not later:
        return set()
    others = ", ".join(f'count(*) FILTER ("{name}" IS DISTINCT FROM ?)' for name in later.values())
    defaults = [DEFAULTS[fact_type.type][field] for field in later]
    counts = execute_on_facts(con, f"SELECT {others} FROM {table}", defaults).fetchone()
    return {field for field, count in zip(later, counts, strict=True) if count == 0}


def execute_on_facts(con: Any, sql: str, values: Sequence[Any] = ()) -> Any:
    """Run a query of the tables of facts; TapeflowError where they are not as we know them."""
    try:
        return con.execute(sql, values)
    except duckdb.Error as error:
        raise TapeflowError(
            f"not results of this version: replay the log again ({str(error).splitlines()[0]})"
        ) from None
