"""Values of rows as an explanation writes them."""

import json
from collections.abc import Iterator
from typing import Any

from tapeflow.flows.explain.node import Row

EMPTY: tuple[Any, ...] = (None, "", [], {})


def strategy_line(row: Row) -> str:
    """Return how the job declares a strategy; what it leaves out is left out."""
    names = ["kind", *(name for name in row if name not in {"kind", "name"})]
    known = {name: without_empty(row.get(name)) for name in names}
    return ", ".join(f"{name} {text_of(each)}" for name, each in known.items() if each not in EMPTY)


def without_empty(value: Any) -> Any:
    """Return a value without the keys of its tables that say nothing."""
    if isinstance(value, list):
        return [without_empty(each) for each in value]
    if not isinstance(value, dict):
        return value
    known = {name: without_empty(each) for name, each in value.items()}
    return {name: each for name, each in known.items() if each not in (*EMPTY, False)}


def all_values(row: Row) -> Iterator[str]:
    """Yield all values of a row, by name."""
    known = {name: each for name, each in row.items() if each is not None and each != ""}
    yield "  ".join(f"{name} {text_of(each)}" for name, each in known.items())


def number(value: float) -> str:
    """Return a number without the digits that sums of float64 add.

    >>> number(0.6910000000000001)
    '0.691'
    """
    return f"{value:.12g}"


def text_of(value: Any) -> str:
    """Return a value as text: tables and lists as JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
