"""Columns of a foreign file as the texts of our frames; what cannot be read is marked.

price  61837.63000000  1e-05  abc        text 61837.63000000  0.00001  abc        good 1 1 0

Whole columns are checked at once. A value of a rarer form is read alone, exactly, as a decimal.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tapeflow.schemas.columns import Bools

PLAIN = r"^[0-9]{1,18}(\.[0-9]{1,18})?$"
ZERO = r"^[0.]*$"
INTEGER = r"^(0|[1-9][0-9]{0,17})$"
SYMBOL = r'^[^"\\\x00-\x20]{1,64}$'
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
    except InvalidOperation:
        raise ValueError(text) from None
    is_short = len(text) <= DIGITS_MAX and text.isascii()
    if not is_short or not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise ValueError(text)
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
    meant = pa.array([side.encode() for side in words.values()])
    return Texts(pc.fill_null(meant.take(found), b""), good)


def lower_ascii(column: Any) -> Any:
    """Return texts in small letters; what is no UTF-8 becomes empty."""
    try:
        return pc.ascii_lower(column.cast(pa.string())).cast(pa.binary())
    except pa.ArrowInvalid:
        values = (each if is_utf8(each) else b"" for each in column.to_pylist())
        return pa.array([each.lower() for each in values], pa.binary())
