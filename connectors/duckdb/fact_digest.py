"""The digest of facts that are in no results file: those of a topic."""

import duckdb
import pyarrow as pa
from msgspec import Struct

from tapeflow.connectors.duckdb.insertion import insert
from tapeflow.connectors.duckdb.query import table_digest
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.registry import FactType
from tapeflow.schemas.tables import ddl


def digest_of(fact_type: FactType, facts: list[Struct]) -> str:
    """Return the digest that a table of these facts would have."""
    with duckdb.connect() as con:
        con.execute(ddl(fact_type.table, fact_type.type))
        if facts:
            table = pa.Table.from_batches([to_record_batch(fact_type.type, facts)])
            insert(con, fact_type.table, table)
        return table_digest(con, fact_type)
