"""Rows of a results file, or of facts, against those of the model."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
from msgspec import Struct
from msgspec.structs import asdict

from bench.simulation.facts import Tables
from tapeflow.schemas.batches import BarBlock
from tapeflow.schemas.registry import BY_TYPE, FACT_TYPES, FactType
from tapeflow.schemas.tables import columns

CLOSE = {"volume", "vwap", "notional", "buy_volume", "buy_notional", "strength", "value"}
SIDES = {"BUY": 1, "SELL": -1}
SHOWN = 3  # differences of a table


def differences(found: Tables, expected: Tables) -> Iterator[str]:
    """Yield a line for each of the first differences of each table."""
    for fact_type in FACT_TYPES:
        table = fact_type.table
        yield from table_differences(fact_type, found.get(table, []), expected.get(table, []))


def tables_of_results(results: Path) -> Tables:
    """Return the rows of a results file, by table."""
    with duckdb.connect(str(results), read_only=True) as con:
        return {fact_type.table: rows(con, fact_type) for fact_type in FACT_TYPES}


def tables_of_facts(facts: Iterable[Struct], ids: tuple[str, ...]) -> Tables:
    """Return facts as rows, by table; `ids` are those of the instruments, by number."""
    tables: Tables = {}
    for fact in facts:
        several = (
            fact.bars.values(fact.partition, ids, fact.kind)
            if isinstance(fact, BarBlock)
            else [fact]
        )
        for each in several:
            tables.setdefault(BY_TYPE[type(each)].table, []).append(asdict(each))
    return tables


def rows(con: Any, fact_type: FactType) -> list[dict[str, Any]]:
    """Return the rows of a table by field, in the model's terms."""
    table = columns(fact_type.type)
    selected = ", ".join(
        f'epoch_ns("{each.name}")' if each.sql == "TIMESTAMP_NS" else f'"{each.name}"'
        for each in table
    )
    names = [each.field for each in table]
    found = []
    for values in con.execute(f"SELECT {selected} FROM internal.{fact_type.table}").fetchall():
        row = dict(zip(names, values, strict=True))
        for name in row.keys() & {"side", "aggressor"}:
            row[name] = SIDES[row[name]]
        found.append(row)
    return found


def table_differences(
    fact_type: FactType, found: list[dict[str, Any]], wanted: list[dict[str, Any]]
) -> Iterator[str]:
    """Yield the first differences of one table; the model has not every column."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple((row[name] is not None, row[name]) for name in names)

    known = wanted[0] if wanted else fact_type.order
    names = [name for name in fact_type.order if name in known]  # the model derives no ids
    table, found, wanted = fact_type.table, sorted(found, key=key), sorted(wanted, key=key)
    if len(found) != len(wanted):
        keys, wanted_keys = [*map(key, found)], [*map(key, wanted)]
        extra = [each for each in keys if each not in wanted_keys][:SHOWN]
        missing = [each for each in wanted_keys if each not in keys][:SHOWN]
        yield f"{table}: {len(found)} rows, model {len(wanted)}; extra {extra}, missing {missing}"
        return
    shown = 0
    for ours, expected in zip(found, wanted, strict=True):
        for name, value in expected.items():
            if shown < SHOWN and not is_same(ours[name], value, close=name in CLOSE):
                shown += 1
                yield f"{table}.{name}: {ours[name]!r}, model {value!r}, at {key(ours)}"


def is_same(ours: Any, expected: Any, *, close: bool) -> bool:
    """Return whether two values are equal: floats to the bit, sums to 1e-9."""
    if not (isinstance(ours, float) and isinstance(expected, float)):
        return bool(ours == expected)
    if ours == expected or (math.isnan(ours) and math.isnan(expected)):
        return True
    return close and math.isclose(ours, expected, rel_tol=1e-9)
