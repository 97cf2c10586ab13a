"""The values of one key of a grid: a list, or a range, and how they are written in a name.

fast = [5, 8]                            5, 8
slow = { from = 20, to = 45, step = 10 } 20, 30, 40
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from tapeflow.flows.job.messages import suggestion
from tapeflow.schemas.errors import UsageError

VARIANTS_MAX = 10_000  # of a sweep
RANGE_KEYS = ("from", "to", "step")


def read_values(where: str, values: Any) -> list[Any]:
    """Return the values of one key: those of a list, or of a range.

    >>> read_values("grid.slow", {"from": 20, "to": 45, "step": 10})
    [20, 30, 40]
    """
    if isinstance(values, Mapping):
        found = [*read_range(where, values)]
    elif isinstance(values, list | tuple):
        found = list(values)
    else:
        raise UsageError(f"{where}: write a list [5, 8], or {{ from = 20, to = 60, step = 5 }}")
    if not found:
        raise UsageError(f"{where} has no values")
    for number, value in enumerate(found):
        if isinstance(value, list | tuple | Mapping):
            raise UsageError(f"{where}: {value} is no single value")
        if format_value(value) in map(format_value, found[:number]):
            raise UsageError(f"{where} has {format_value(value)} twice")
    return found


def read_range(where: str, values: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values of a range, `to` included where a step comes to it; exact as decimals."""
    for key in values:
        if key not in RANGE_KEYS:
            raise UsageError(f"{where}.{key} is no setting{suggestion(key, RANGE_KEYS)}")
    for key in RANGE_KEYS:
        if key not in values:
            raise UsageError(f"{where}.{key} is missing")
        value = values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise UsageError(f"{where}.{key}: {value!r} is no number")
    first, last, step = (Decimal(repr(values[key])) for key in RANGE_KEYS)
    if step <= 0 or last < first:
        raise UsageError(f"{where}: a range goes up: from <= to, and step above 0")
    if (last - first) // step >= VARIANTS_MAX:
        raise UsageError(f"{where} has more than {VARIANTS_MAX:,} values: take a larger step")
    whole = all(isinstance(values[key], int) for key in RANGE_KEYS)
    value = first
    while value <= last:
        yield int(value) if whole else float(value)
        value += step


def format_value(value: Any) -> str:
    """Return a value as the job writes it, without quotes.

    >>> format_value(True), format_value(2.5), format_value(3.0), format_value("a")
    ('true', '2.5', '3', 'a')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    return str(value)
