r"""The tables of a results file: facts in schema `internal`, and views of them for everybody.

    internal.fills: seq, id, ..., _txn        written by transactions, whose number is _txn
    main.fills:     seq, id, ...              a view, with the meaning of each column as comment

`decode(frame)` of this file shows bytes that are not UTF-8 as \xFF, where DuckDB's own fails.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from tapeflow.schemas.arrow import columns, ddl, to_record_batch
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.meanings import column_meanings, summarise
from tapeflow.schemas.quality import OpenCounts, QualityCounts, UnlistedSymbol
from tapeflow.schemas.registry import FACT_TYPES, OPEN_MINUTES

INTERNAL = "internal"  # schema of the tables of facts
TRANSACTION = "_txn"  # their last column: number of the transaction that wrote the row
DECODE = "CREATE MACRO decode(frame) AS coalesce(try(system.main.decode(frame)), frame::VARCHAR)"
UNLISTED = """
    SELECT partition, symbol, sum(records)::BIGINT AS records,
        min(first_log_time) AS first_log_time, max(last_log_time) AS last_log_time,
        min(first_offset) AS first_offset
    FROM unlisted_minutes GROUP BY ALL ORDER BY records DESC, partition, symbol
"""
RUNS = {  # column: (type, meaning)
    "id": ("BIGINT", "number of the start: a run that was stopped and continued has several"),
    "started": ("TIMESTAMP_NS", "when it started, by the wall clock"),
    "committed": ("TIMESTAMP_NS", "when facts were last written; NULL before the first ones"),
    "stopped": ("TIMESTAMP_NS", "when it stopped before the end of its log; NULL if it has not"),
    "finished": ("TIMESTAMP_NS", "when it came to the end of its log; NULL if it has not"),
    "version": ("VARCHAR", "version of Tapeflow"),
    "command": ("VARCHAR", "`demo`, `replay`, `run` or `bytewax.run`"),
    "job": ("JSON", "the whole job; settings of the Kafka client are left out"),
}
QUALITY = {  # columns of data_quality that data_quality_minutes does not have
    "first_minute": "first minute with a record",
    "last_minute": "last minute with a record",
}
TITLES = {  # of what is no table of facts
    "instruments": summarise(Instrument),
    "runs": "The runs that made these results.",
    "unlisted": "A view: the counts of `unlisted_minutes` over all minutes, most records first.",
    "data_quality": "A view: the counts of `data_quality_minutes` over all minutes; of a "
    "stopped run also those of the minutes that it left open.",
}


class RunInfo(Struct, frozen=True):
    """The row of a run in table `runs`, and its instruments."""

    version: str
    command: str
    job: str  # JSON
    instruments: InstrumentTable


def create_tables(con: Any, instruments: InstrumentTable) -> None:
    """Create all tables, views and comments, in the transaction that is open."""
    con.execute(f"CREATE SCHEMA {INTERNAL}")
    for fact in FACT_TYPES:
        con.execute(ddl(f"{INTERNAL}.{fact.table}", fact.type, [f"{TRANSACTION} BIGINT"]))
        names = ", ".join(f'"{column.name}"' for column in columns(fact.type))
        con.execute(f"CREATE VIEW {fact.table} AS SELECT {names} FROM {INTERNAL}.{fact.table}")
    con.execute(ddl(f"{INTERNAL}.{OPEN_MINUTES}", OpenCounts, [f"{TRANSACTION} BIGINT"]))
    con.execute(f"CREATE VIEW data_quality AS {quality_sql()}")
    con.execute(f"CREATE VIEW unlisted AS {UNLISTED}")
    con.execute(ddl("instruments", Instrument))
    rows = pa.Table.from_batches([to_record_batch(Instrument, instruments.rows)])
    insert(con, "instruments", rows)
    con.execute(f"CREATE TABLE runs ({', '.join(f'{name} {RUNS[name][0]}' for name in RUNS)})")
    con.execute(DECODE)
    for statement in comment_statements():
        con.execute(statement)


def quality_sql() -> str:
    """Return the query of the view `data_quality`."""
    counts = [column.name for column in columns(QualityCounts) if column.sql == "BIGINT"]
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
    return (
        "SELECT partition, instrument, min(time) AS first_minute, max(time) AS last_minute, "
        f"{sums} FROM (FROM data_quality_minutes UNION ALL BY NAME FROM {INTERNAL}.{OPEN_MINUTES}) "
        "GROUP BY ALL ORDER BY partition, instrument"
    )


def insert(con: Any, name: str, table: Any) -> None:
    """Insert a pyarrow.Table into the table `name`, whose columns are in the same order."""
    con.from_arrow(table).insert_into(name)


def insert_facts(con: Any, transaction: int, tables: Mapping[str, Any]) -> None:
    """Insert pyarrow.Tables of facts, by table, as rows of the transaction of this number."""
    for name, table in tables.items():
        numbers = pa.array(np.full(len(table), transaction))
        insert(con, f"{INTERNAL}.{name}", table.append_column(TRANSACTION, numbers))


def roll_back_to(con: Any, transaction: int) -> None:
    """Delete the rows of all transactions after this number."""
    con.begin()
    for fact in FACT_TYPES:
        con.execute(f"DELETE FROM {INTERNAL}.{fact.table} WHERE {TRANSACTION} > ?", [transaction])
    con.commit()


def comment_statements() -> Iterator[str]:
    """Yield the statements that comment every table, view and column."""
    for kind, name, title, meanings in descriptions():
        yield f"COMMENT ON {kind} {name} IS {literal(title)}"
        for column, meaning in meanings.items():
            if meaning:
                yield f'COMMENT ON COLUMN {name}."{column}" IS {literal(meaning)}'


def descriptions() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield kind, name, title and the columns' meanings of all that a user sees."""
    for fact in FACT_TYPES:
        yield "VIEW", fact.table, summarise(fact.type), column_meanings(fact.type)
    counts = column_meanings(QualityCounts)
    del counts["time"]
    yield "VIEW", "data_quality", TITLES["data_quality"], counts | QUALITY
    symbols = column_meanings(UnlistedSymbol)
    del symbols["time"]
    yield "VIEW", "unlisted", TITLES["unlisted"], symbols
    yield "TABLE", "instruments", TITLES["instruments"], column_meanings(Instrument)
    runs = {name: meaning for name, (_, meaning) in RUNS.items()}
    yield "TABLE", "runs", TITLES["runs"], runs


def literal(text: str) -> str:
    """Return a text as a literal of SQL.

    >>> literal("the venue's number")
    "'the venue''s number'"
    """
    return "'" + text.replace("'", "''") + "'"
