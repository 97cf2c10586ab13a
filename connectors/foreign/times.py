"""Columns of times in a foreign file, in every form that says its unit; exact to the nanosecond.

1723161255342   1723161255.342   2024-08-08T23:54:15.342Z   a typed column   all are one time
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tapeflow.connectors.foreign.values import matches, read_decimal, to_text
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, LOG_UNITS

DIGITS = r"^[0-9]{1,19}$"
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?"
)
UNITS = {unit: unit_ns for unit, unit_ns in LOG_UNITS.values()}


class Times(NamedTuple):
    """A column of times."""

    ns: Ints  # (rows,) since 1970; 0 of those that cannot be read
    good: Bools  # (rows,)
    text: Any  # Arrow array, binary: digits that show their unit


def read_times(column: Any, unit: str) -> Times:
    """Return times: typed ones, digits in `unit` or with the unit that they show, or ISO texts."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        ns = pc.fill_null(column.cast(pa.timestamp("ns")).cast(pa.int64()), 0).to_numpy()
        return with_text(ns, in_range(ns))
    column = to_text(column)
    digits = matches(column, DIGITS)
    lengths = pc.binary_length(column).to_numpy()
    numbers = pc.if_else(pa.array(digits), column, b"0").cast(pa.string())
    whole = numbers.cast(pa.uint64()).to_numpy()
    if unit:
        unit_ns = np.full(len(whole), UNITS[unit], np.int64)
    else:
        unit_ns = np.zeros(len(whole), np.int64)
        for count, (_, each_ns) in LOG_UNITS.items():
            unit_ns[lengths == count] = each_ns
    most = np.uint64(LOG_MAX_NS) // np.maximum(unit_ns, 1).astype(np.uint64)
    digits &= (unit_ns > 0) & (whole <= most)
    ns = np.where(digits, whole.astype(np.int64) * unit_ns, 0)
    for at in np.flatnonzero(~digits).tolist():
        ns[at] = read_time(column[at].as_py(), unit)
    good = in_range(ns)
    as_it_came = bool(digits.all()) and not unit
    return Times(ns, good, column) if as_it_came else with_text(ns, good)


def in_range(ns: Ints) -> Bools:
    """Return which times a log can hold."""
    good: Bools = (ns >= LOG_MIN_NS) & (ns < LOG_MAX_NS)
    return good


def with_text(ns: Ints, good: Bools) -> Times:
    """Return times with their digits in the coarsest of ms, us and ns that says all of them."""
    step = next(each for each in (1_000_000, 1_000, 1) if not (ns[good] % each).any())
    return Times(ns, good, pa.array(ns // step).cast(pa.string()).cast(pa.binary()))


def read_time(value: bytes, unit: str) -> int:
    """Return a time in ns, of digits with a fraction or an ISO text; 0 if it is none."""
    try:
        text = value.decode().strip()
        if iso := ISO.fullmatch(text):
            return read_iso(*iso.groups())
        number = Decimal(read_decimal(text))
        unit_ns = UNITS[unit] if unit else LOG_UNITS.get(len(str(int(number))), ("", 0))[1]
        return min(int(number * unit_ns), LOG_MAX_NS)  # which is too late
    except ValueError:
        return 0


def read_iso(day: str, clock: str, fraction: str | None, zone: str | None) -> int:
    """Return a time in ns; without a zone it is UTC."""
    zone = "+00:00" if zone in {None, "Z", "UTC"} else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{zone}") - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = moment.days * 86_400 + moment.seconds
    return seconds * 10**9 + int((fraction or "").ljust(9, "0"))
