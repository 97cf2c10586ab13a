"""Columns of a foreign file as the texts and times of our frames; what cannot be read is marked.

    price  61837.63000000  1e-05    abc        text 61837.63000000 0.00001 .   good  1 1 0
    time   1723161255342   2026-..  1723.5 s   ns                              good  1 1 1

Whole columns are checked at once. A value of a rarer form is read alone, exactly, as a decimal.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, LOG_UNITS

PLAIN = r"^[0-9]{1,18}(\.[0-9]{1,18})?$"
ZERO = r"^[0.]*$"
INTEGER = r"^(0|[1-9][0-9]{0,17})$"
DIGITS = r"^[0-9]{1,19}$"
SYMBOL = r'^[^"\\\x00-\x20]{1,64}$'
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?"
)
UNITS = {unit: unit_ns for unit, unit_ns in LOG_UNITS.values()}
DIGITS_MAX = 60  # of a decimal of a rarer form
SIDES = {
    "buy": "buy", "b": "buy", "bid": "buy", "sell": "sell", "s": "sell", "ask": "sell", "a": "sell",
}  # fmt: skip
MAKER_IS_BUYER = {"true": "sell", "t": "sell", "1": "sell", "false": "buy", "f": "buy", "0": "buy"}
OTHER = {"buy": "sell", "sell": "buy"}


class Texts(NamedTuple):
    """A column as texts of a frame."""

    text: Any  # Arrow array, binary
    good: Bools  # (rows,) which of them can be read


class Times(NamedTuple):
    """A column of times."""

    ns: Ints  # (rows,) since 1970; 0 of those that cannot be read
    good: Bools  # (rows,)
    text: Any  # Arrow array, binary: digits that show their unit


def to_text(column: Any) -> Any:
    """Return an Arrow column of any type as binary; null is empty."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_binary(column.type):
        column = column.cast(pa.string()).cast(pa.binary())
    return pc.fill_null(column, b"")


def matches(column: Any, pattern: str) -> Bools:
    """Return which values match, as a (rows,) mask."""
    mask: Bools = pc.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False)
    return mask


def replace_odd(column: Any, good: Bools, read: Callable[[str], str]) -> Texts:
    """Read the values that are not good one by one; those that raise ValueError stay bad."""
    odd = np.flatnonzero(~good)
    if not len(odd):
        return Texts(column, good)
    good, texts = good.copy(), []
    for at, value in zip(odd.tolist(), column.take(pa.array(odd)).to_pylist(), strict=True):
        try:
            texts.append(read(value.decode().strip()).encode())
            good[at] = True
        except ValueError:  # of the decoder too
            texts.append(value)
    replaced = np.zeros(len(good), bool)
    replaced[odd] = True
    texts = pa.array(texts, pa.binary())
    return Texts(pc.replace_with_mask(column, pa.array(replaced), texts), good)


def read_decimal(text: str) -> str:
    """Return a decimal of a rarer form, `1e-05` or `.5`, in plain digits; ValueError if none."""
    try:
        number = Decimal(text)
        if len(text) > DIGITS_MAX or not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
            raise ValueError(text)
    except InvalidOperation:
        raise ValueError(text) from None
    return format(number, "f")


def read_positive(text: str) -> str:
    """Return a decimal above zero in plain digits; ValueError if none."""
    if Decimal(plain := read_decimal(text)) <= 0:
        raise ValueError(text)
    return plain


def read_size_or_none(text: str) -> str:
    """Return a decimal that is not below zero, or nothing; ValueError if none."""
    if text.lower() in {"", "nan", "null", "none"}:
        return ""
    if Decimal(plain := read_decimal(text)) < 0:
        raise ValueError(text)
    return plain


def read_id(text: str) -> str:
    """Return an integer of 63 bits, also one written as `12.0`; ValueError if none."""
    number = Decimal(read_decimal(text))
    if number != int(number) or not 0 <= number < 2**63:
        raise ValueError(text)
    return str(int(number))


def decimals(column: Any) -> Texts:
    """Return prices or sizes above zero."""
    column = to_text(column)
    good = matches(column, PLAIN) & ~matches(column, ZERO)
    return replace_odd(column, good, read_positive)


def decimals_or_none(column: Any) -> Texts:
    """Return prices or sizes of a quote, of which there may be none."""
    column = to_text(column)
    return replace_odd(column, matches(column, PLAIN), read_size_or_none)


def ids(column: Any) -> Texts:
    """Return integers of 63 bits."""
    column = to_text(column)
    return replace_odd(column, matches(column, INTEGER), read_id)


def symbols(column: Any) -> Texts:
    """Return the venue's symbols."""
    column = to_text(column)
    good = matches(column, SYMBOL)
    for at in np.flatnonzero(good).tolist() if not good.all() else ():
        good[at] = is_utf8(column[at].as_py())
    return Texts(column, good)


def is_utf8(value: bytes) -> bool:
    """Return whether bytes are text."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def sides(column: Any, field: str, *, by_maker: bool) -> Texts:
    """Return the aggressor of each trade; a column of the maker's sides is turned round."""
    words = MAKER_IS_BUYER if field == "is_buyer_maker" else SIDES
    if field == "maker_side" or (field == "side" and by_maker):
        words = {word: OTHER[side] for word, side in words.items()}
    known = pa.array([word.encode() for word in words])
    found = pc.index_in(lower_ascii(to_text(column)), value_set=known)
    good = found.is_valid().to_numpy(zero_copy_only=False)
    said = pa.array([side.encode() for side in words.values()])
    return Texts(pc.fill_null(said.take(found), b""), good)


def lower_ascii(column: Any) -> Any:
    """Return texts in small letters; what is no UTF-8 becomes empty."""
    try:
        return pc.ascii_lower(column.cast(pa.string())).cast(pa.binary())
    except pa.ArrowInvalid:
        values = (each if is_utf8(each) else b"" for each in column.to_pylist())
        return pa.array([each.lower() for each in values], pa.binary())


def times(column: Any, unit: str) -> Times:
    """Return times: typed ones, digits in `unit` or with the unit that they show, or ISO texts."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        ns = pc.fill_null(column.cast(pa.timestamp("ns")).cast(pa.int64()), 0).to_numpy()
        return with_text(ns, in_range(ns))
    column = to_text(column)
    digits = matches(column, DIGITS)
    lengths = pc.binary_length(column).to_numpy()
    whole = pc.if_else(pa.array(digits), column, b"0").cast(pa.string()).cast(pa.uint64()).to_numpy()
    if unit:
        unit_ns = np.full(len(whole), UNITS[unit], np.int64)
    else:
        unit_ns = np.zeros(len(whole), np.int64)
        for count, (_, each_ns) in LOG_UNITS.items():
            unit_ns[lengths == count] = each_ns
    digits &= (unit_ns > 0) & (whole <= np.uint64(LOG_MAX_NS) // np.maximum(unit_ns, 1).astype("u8"))
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
        return int(number * unit_ns)
    except ValueError:
        return 0


def read_iso(day: str, clock: str, fraction: str | None, zone: str | None) -> int:
    """Return a time in ns; without a zone it is UTC."""
    zone = "+00:00" if zone in {None, "Z", "UTC"} else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{zone}") - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = moment.days * 86_400 + moment.seconds
    return seconds * 10**9 + int((fraction or "").ljust(9, "0"))
