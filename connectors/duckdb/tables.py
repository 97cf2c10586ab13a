r"""The tables of a results file: facts in schema `internal`, and views of them for everybody.

    internal.fills: seq, id, ..., _txn        written by transactions, whose number is _txn
    main.fills:     seq, id, ...              a view, with the meaning of each column as comment

In the view, a bar is not complete either where a gap in its trades was found after it had closed.

`decode(frame)` of this file shows bytes that are not UTF-8 as \xFF, where DuckDB's own fails.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from tapeflow.connectors.duckdb.views.shipped import VIEWS
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.meanings import column_meanings, summarise
from tapeflow.schemas.quality import OpenCounts, QualityCounts
from tapeflow.schemas.registry import FACT_TYPES, OPEN_MINUTES, SWEEP_TABLES, FactType
from tapeflow.schemas.tables import columns, ddl

INTERNAL = "internal"  # schema of the tables of facts
TRANSACTION = "_txn"  # their last column: number of the transaction that wrote the row
DECODE = "CREATE MACRO decode(frame) AS coalesce(try(system.main.decode(frame)), frame::VARCHAR)"
COMPLETE = f"""complete AND NOT EXISTS (
    FROM {INTERNAL}.gaps WHERE gaps.instrument = bars.instrument AND gaps.open_time = bars.open_time
) AS complete"""
RUNS = {  # column: (type, meaning)
    "id": ("BIGINT", "number of the start: a run that was stopped and continued has several"),
    "started": ("TIMESTAMP_NS", "when it started, by the wall clock"),
    "committed": ("TIMESTAMP_NS", "when facts were last written; NULL before the first ones"),
    "stopped": ("TIMESTAMP_NS", "when it stopped before the end of its log; NULL if it has not"),
    "finished": ("TIMESTAMP_NS", "when it came to the end of its log; NULL if it has not"),
    "version": ("VARCHAR", "version of Tapeflow"),
    "command": ("VARCHAR", "`demo`, `replay`, `run`, `sweep` or `bytewax.run`"),
    "job": ("JSON", "the whole job; settings of the Kafka client are left out"),
    "strategies": (
        "JSON",
        "name and kind of each strategy; of a class also the version of its state, and the sha256 "
        "of its file, `''` where it comes with Tapeflow",
    ),
}
QUALITY = {  # columns of data_quality that data_quality_minutes does not have
    "first_minute": "first minute with a record",
    "last_minute": "last minute with a record",
}
TITLES = {  # of what is no table of facts
    "instruments": summarise(Instrument),
    "runs": "The runs that made these results.",
    "data_quality": "A view: the counts of `data_quality_minutes` over all minutes; of a "
    "stopped run also those of the minutes that it left open.",
}


class RunInfo(Struct, frozen=True):
    """The row of a run in table `runs`, and its instruments."""

    version: str
    command: str
    job: str  # JSON
    instruments: InstrumentTable
    strategies: str = "[]"  # JSON: StrategySource of each


def create_tables(con: Any) -> None:
    """Create all tables, views and comments, in the transaction that is open."""
    con.execute(f"CREATE SCHEMA {INTERNAL}")
    for fact in FACT_TYPES:
        con.execute(ddl(f"{INTERNAL}.{fact.table}", fact.type, [f"{TRANSACTION} BIGINT"]))
    for fact in FACT_TYPES:
        con.execute(f"CREATE VIEW {fact.table} AS {view_sql(fact)}")
    con.execute(ddl(f"{INTERNAL}.{OPEN_MINUTES}", OpenCounts, [f"{TRANSACTION} BIGINT"]))
    for kind, table in SWEEP_TABLES.items():
        con.execute(ddl(f"{INTERNAL}.{table}", kind, [f"{TRANSACTION} BIGINT"]))
        names = ", ".join(f'"{column.name}"' for column in columns(kind))
        con.execute(f"CREATE VIEW {table} AS SELECT {names} FROM {INTERNAL}.{table} ORDER BY ALL")
    con.execute(f"CREATE VIEW data_quality AS {quality_sql()}")
    con.execute(ddl("instruments", Instrument))
    con.execute(f"CREATE TABLE runs ({', '.join(f'{name} {RUNS[name][0]}' for name in RUNS)})")
    for view in VIEWS:
        con.execute(f"CREATE VIEW {view.name} AS {view.sql}")
    con.execute(DECODE)
    for statement in comment_statements():
        con.execute(statement)


def view_sql(fact: FactType) -> str:
    """Return the query of the view of a type of fact."""
    names = [f'"{column.name}"' for column in columns(fact.type)]
    if fact.type is Bar:
        names = [COMPLETE if name == '"complete"' else name for name in names]
    return f"SELECT {', '.join(names)} FROM {INTERNAL}.{fact.table}"


def quality_sql() -> str:
    """Return the query of the view `data_quality`."""
    counts = [column.name for column in columns(QualityCounts) if column.sql == "BIGINT"]
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counts)
    return (
        "SELECT partition, instrument, min(time) AS first_minute, max(time) AS last_minute, "
        f"{sums} FROM (FROM data_quality_minutes UNION ALL BY NAME FROM {INTERNAL}.{OPEN_MINUTES}) "
        "GROUP BY ALL ORDER BY partition, instrument"
    )


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
    for kind, table in SWEEP_TABLES.items():
        yield "VIEW", table, summarise(kind), column_meanings(kind)
    counts = column_meanings(QualityCounts)
    del counts["time"]
    yield "VIEW", "data_quality", TITLES["data_quality"], counts | QUALITY
    for view in VIEWS:
        yield "VIEW", view.name, view.title, view.meanings
    yield "TABLE", "instruments", TITLES["instruments"], column_meanings(Instrument)
    runs = {name: meaning for name, (_, meaning) in RUNS.items()}
    yield "TABLE", "runs", TITLES["runs"], runs


def literal(text: str) -> str:
    """Return a text as a literal of SQL.

    >>> literal("the venue's number")
    "'the venue''s number'"
    """
    return "'" + text.replace("'", "''") + "'"
