"""Makes the work file, and inserts facts into its tables."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from tapeflow.connectors.duckdb.file import (
    ResultPaths,
    connect_owner,
    delete_database,
    translate_errors,
)
from tapeflow.connectors.duckdb.tables import INTERNAL, TRANSACTION, RunInfo, create_tables
from tapeflow.engine.prepare import call_early
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.instruments import Instrument


class WithoutPandas:
    """A finder of modules that finds no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ModuleNotFoundError for pandas; leave all else to others."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


@call_early
def look_for_pandas() -> None:
    """Let pyarrow look for pandas once, and find none.

    It does with its first list, and the import would take half a second, in a thread of the flow.
    What needs pandas later, as `to_pandas`, still imports it.
    """
    if "pandas" in sys.modules:
        return
    finder: Any = WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


def create(paths: ResultPaths) -> Any:
    """Make a fresh work file with all tables, and return the owner's connection to it.

    That the results may be replaced was checked before (`check_replaceable`).

    Raises TapeflowError where a file cannot be written.
    """
    with translate_errors(paths.work):
        paths.work.parent.mkdir(parents=True, exist_ok=True)
        delete_database(paths.work)
    with translate_errors(paths.work), ExitStack() as failed:
        con = connect_owner(paths.work)
        failed.callback(con.close)
        con.begin()
        create_tables(con)
        con.commit()
        failed.pop_all()
    return con


def put_instruments(con: Any, run: RunInfo) -> None:
    """Insert the instruments of a run, or replace them; those of earlier runs stay."""
    rows = pa.Table.from_batches([to_record_batch(Instrument, run.instruments.rows)])
    con.execute("DELETE FROM instruments WHERE list_contains(?, id)", [[*run.instruments.ids]])
    insert(con, "instruments", rows)


def insert(con: Any, name: str, table: Any) -> None:
    """Insert a pyarrow.Table into the table `name`, whose columns are in the same order."""
    con.from_arrow(table).insert_into(name)


def insert_facts(con: Any, transaction: int, tables: Mapping[str, Any]) -> None:
    """Insert pyarrow.Tables of facts, by table, as rows of the transaction of this number."""
    for name, table in tables.items():
        numbers = pa.repeat(pa.scalar(transaction, pa.int64()), len(table))
        insert(con, f"{INTERNAL}.{name}", table.append_column(TRANSACTION, numbers))
