"""The tables of a sweep in a results file: read from its first pass, written into its last."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
from msgspec import Struct

from tapeflow.connectors.duckdb.file import connect_owner, translate_errors
from tapeflow.connectors.duckdb.insertion import insert_facts
from tapeflow.connectors.duckdb.query import connect
from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.registry import SWEEP_TABLES
from tapeflow.schemas.tables import columns
from tapeflow.schemas.variants import VariantInterval

FIRST_TRANSACTION = 0  # before those of the facts


def read_intervals(results: Path) -> dict[str, list[VariantInterval]]:
    """Return the intervals of each variant in a results file, in order."""
    selected = ", ".join(
        f'epoch_ns("{column.name}")' if column.sql == "TIMESTAMP_NS" else f'"{column.name}"'
        for column in columns(VariantInterval)
    )
    found: defaultdict[str, list[VariantInterval]] = defaultdict(list)
    with connect(results) as con:
        table = f"{INTERNAL}.{SWEEP_TABLES[VariantInterval]}"
        rows = con.execute(f"SELECT {selected} FROM {table} ORDER BY variant, begin_time")
        for row in rows.fetchall():
            found[row[0]].append(VariantInterval(*row))
    return dict(found)


def write_rows(work: Path, rows: Iterable[Sequence[Struct]]) -> None:
    """Write rows of the tables of a sweep into the work file of its last pass."""
    with translate_errors(work), connect_owner(work) as con:
        for values in rows:
            if values:
                kind = type(values[0])
                table = pa.Table.from_batches([to_record_batch(kind, values)])
                con.begin()
                insert_facts(con, FIRST_TRANSACTION, {SWEEP_TABLES[kind]: table})
                con.commit()
