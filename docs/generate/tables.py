"""tables.md: every table of the results, as DuckDB has it; meanings from the types' comments."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from docs.generate.comments import field_comments
from docs.generate.markdown import NOTE, code, join, summary, table
from tapeflow.connectors.duckdb.file import ResultPaths, RunInfo, create
from tapeflow.schemas.arrow import columns
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.registry import FACT_TYPES

SHARED = {  # columns that mean the same wherever they stand without a comment of their own
    "_txn": "number of the transaction that wrote the row",
    "instrument": "id of the instrument, `BASE-QUOTE[-PERP].VENUE`",
    "venue": "the venue's name in capitals",
    "partition": "partition of the log, `<venue>-<n>`",
    "offset": "number of the record in its partition, of the frame where frames are packed",
    "log_time": "when the record entered the log",
    "event_time": "when it happened at the venue",
    "time": "log time",
    "trade_id": "the venue's number of the trade",
    "account": "name of the account",
    "strategy": "name of the strategy",
    "seq": "running number over all facts of the account",
    "side": "`BUY` or `SELL`",
    "size": "in base currency, or contracts where the instrument has a multiplier",
    "price": "in quote currency",
    "ref_price": "close of the bar that caused it",
    "id": "the same in every run",
    "order_id": "id of the order",
    "signal_id": "id of the signal",
    "fill_id": "id of the fill",
    "realized": "profit of all that was closed, before fees",
    "unrealized": "profit of what is open, at the mark",
    "fees": "fees paid so far",
}
RUNS = {
    "id": "number of the start: a run that was stopped and continued has several",
    "started": "when it started, by the wall clock",
    "finished": "when it came to the end of its log; NULL if it has not",
    "version": "version of Tapeflow",
    "command": "`demo`, `replay`, `run` or `bytewax.run`",
    "job": "the whole job; settings of the Kafka client are left out",
}
QUALITY = {
    "first_minute": "first minute with a record",
    "last_minute": "last minute with a record",
}
RECOGNISED = {
    "channel": "the venue's name of it; `@arr`: of all symbols in one frame",
    "frames": "frames of the channel",
    "unread": "of these, with a trade of a listed instrument that the job does not read",
}
INTRO = """\
The tables of `results.duckdb`, to query with `tapeflow query`. Times are UTC to the nanosecond. Money is DECIMAL, exact;
prices and sizes of the market are DOUBLE. The rows of a table have no order of their own: `ORDER BY` what is named
below for the order of the log."""
TITLES = {
    "instruments": summary(Instrument),
    "runs": "The runs that made these results.",
    "data_quality": "A view: the counts of `data_quality_minutes` over all minutes.",
    "recognised_channels": "A view of `metrics`: frames that were recognised, of which nothing is "
    "stored.",
}


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
    for name, found in database_columns().items():
        known = meanings(name)
        missing = [column for column, _ in found if not known.get(column)]
        if missing:
            raise KeyError(f"{name}.{missing[0]} has no meaning: add a comment to its field")
        text = TITLES.get(name) or summary(facts[name].type)
        if name in facts:
            order = {column.field: column.name for column in columns(facts[name].type)}
            text += f" Order: {code(', '.join(order[field] for field in facts[name].order))}."
        rows = [(code(column), code(kind), known[column]) for column, kind in found]
        yield name, f"{text}\n\n{table(('column', 'type', 'meaning'), rows)}"


def database_columns() -> dict[str, list[tuple[str, str]]]:
    """Return name and SQL type of each column, by table."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ResultPaths.for_stateless_run(Path(folder) / "results.duckdb")
        with create(paths, RunInfo("", "", "{}", InstrumentTable.from_rows(()))) as con:
            rows = con.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() "
                "WHERE NOT internal ORDER BY table_oid, column_index"
            ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for name, column, kind in rows:
        if column != "_txn":
            found.setdefault(name, []).append((column, kind))
    return found


def meanings(name: str) -> dict[str, str]:
    """Return what the columns of a table mean."""
    if name == "runs":
        return RUNS
    if name == "recognised_channels":
        return {**SHARED, **RECOGNISED}
    if name == "data_quality":
        return meanings("data_quality_minutes") | QUALITY
    kind = next((fact.type for fact in FACT_TYPES if fact.table == name), Instrument)
    comments = field_comments(kind)
    return SHARED | {
        column.name: comments[column.field] for column in columns(kind) if comments[column.field]
    }
