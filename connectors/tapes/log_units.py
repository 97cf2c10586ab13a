"""The unit of a tape's log times, as the number of their digits shows it: it is never guessed.

    1723161254            10 digits   s
    1723161254087         13          ms
    1723161254087896      16          us
    1723161254087896568   19          ns       any other number of digits is refused

All log times of a partition have one unit, and lie from 2000 to before 2200.
"""

from typing import Any

import pyarrow as pa

from tapeflow.schemas.columns import Ints
from tapeflow.schemas.time import KNOWN_UNITS, LOG_MAX_NS, LOG_MIN_NS, LOG_UNITS, format_time

UNIT_NS = dict(LOG_UNITS.values())  # by name, as Arrow names them too


class LogTimeError(Exception):
    """What is wrong with a log time, without the place where it stands."""


def to_ns(time: int, digits: int, digits_before: int) -> int:
    """Return a log time in ns; `digits_before` of the partition's others, 0 for the first.

    Raises LogTimeError for a unit that is not known, or not that of the others, and for a time
    that no log can have.
    """
    if digits not in LOG_UNITS:
        raise LogTimeError(f"has a log time of {digits} digits: {KNOWN_UNITS}")
    unit, unit_ns = LOG_UNITS[digits]
    if digits_before not in {0, digits}:
        raise LogTimeError(
            f"has a log time of {digits} digits ({unit}), those before it have {digits_before} "
            f"({LOG_UNITS[digits_before][0]}): {KNOWN_UNITS}; a partition has one unit"
        )
    return check_range(time * unit_ns)


def check_range(time_ns: int) -> int:
    """Return a log time that lies from 2000 to before 2200; LogTimeError for any other."""
    if LOG_MIN_NS <= time_ns < LOG_MAX_NS:
        return time_ns
    if 0 <= time_ns < LOG_MIN_NS:
        raise LogTimeError(f"has log time {format_time(time_ns)}, before 2000: is its unit wrong?")
    raise LogTimeError(f"has log time {time_ns} ns, not from 2000 to 2199: is its unit wrong?")


def column_to_ns(column: Any, offset: int, digits_before: int) -> tuple[Ints, int]:
    """Return an Arrow column of log times in ns, and the digits of the partition's log times.

    A timestamp says its unit; of integers the digits show it. `offset` is that of the first record.
    Raises LogTimeError, which names the record, as `to_ns` does.
    """
    kind = column.type
    is_number = pa.types.is_integer(kind)
    if not is_number and not pa.types.is_timestamp(kind):
        raise LogTimeError(f"its column log_ns is {kind}: it must be a timestamp or an integer")
    if column.null_count:
        row = column.is_null().index(pa.scalar(True)).as_py()
        raise LogTimeError(f"record {offset + row} has no log time")
    try:
        written = column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:  # beyond 63 bits
        raise LogTimeError(f"a log time behind record {offset}: {error}") from None
    digits = len(str(written[0])) if is_number else 0
    unit_ns = LOG_UNITS.get(digits, ("", 1))[1] if is_number else UNIT_NS[kind.unit]
    wrong = (written < LOG_MIN_NS // unit_ns) | (written >= LOG_MAX_NS // unit_ns)
    if is_number:
        wrong |= digits_before not in {0, digits}
    if wrong.any() or (is_number and digits not in LOG_UNITS):
        row = int(wrong.argmax())
        time = int(written[row])
        try:
            if is_number:
                to_ns(time, len(str(time)), digits_before or digits)
            check_range(time * unit_ns)
        except LogTimeError as error:
            raise LogTimeError(f"record {offset + row} {error}") from None
    return written * unit_ns, digits or digits_before
