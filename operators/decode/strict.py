"""The strict reader: reads one frame at a time, exactly, or refuses it with a reason.

    frame --JSON--> message --first channel it matches--> channel --read its shape--> rows

It defines what a frame means: the compiled scanner must agree with it. Without numba it reads every
frame: what can be said of a shape beforehand is in `shape_plans.py`.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tapeflow.operators.decode.messages import (
    MalformedError,
    describe_channel,
    parse_message,
    require,
)
from tapeflow.operators.decode.shape_plans import ChannelPlan, ShapePlan, plans_of
from tapeflow.operators.decode.values import MISSING, expect_type
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.venues.dialect import FIRST_ID, Dialect, Field, Kind

Row = dict[str, int | float]
Symbols = Mapping[str, int]  # the venue's symbol -> number of the instrument
NOT_LISTED = -1
COUNT_MAX = 2**31 - 1  # trades of one row


class Reading(NamedTuple):
    """What a frame says."""

    channel: int  # its number in the dialect
    rows: list[Row]  # in log order
    instrument: int = NOT_LISTED  # of trades that the job does not read


def read_frame(dialect: Dialect, frame: bytes, symbols: Symbols) -> Reading:
    """Read one frame.

    A row holds a number for each column the channel declares; `instrument` is NOT_LISTED where the
    symbol is not in `symbols`.

    Raises MalformedError for a frame that cannot be read, and nothing else.
    """
    message = parse_message(frame)
    for number, plan in enumerate(plans_of(dialect)):
        if matches(plan, message):
            channel = plan.channel
            if channel.reason:
                raise MalformedError(channel.reason)
            if channel.unread:
                return Reading(number, [], find_instrument(channel.shape, message, symbols))
            rows = read_rows(plan, message, symbols) if channel.table else []
            return Reading(number, rows[::-1] if channel.newest_first else rows)
    raise MalformedError(f"no channel we know{describe_channel(message)}")


def matches(plan: ChannelPlan, message: Any) -> bool:
    """Return whether a message satisfies the LITERAL, PRESENT and ABSENT fields of a channel."""
    if plan.is_array:
        return type(message) is list and all(fits(plan.shape, each) for each in message)
    return fits(plan.shape, message)


def fits(plan: ShapePlan, message: Any) -> bool:
    """Return whether an object satisfies the LITERAL, PRESENT and ABSENT fields of a shape."""
    if not isinstance(message, dict):
        return False
    for name, text in plan.literals:
        if message.get(name) != text:
            return False
    for name, present in plan.presences:
        if (name in message) is not present:
            return False
    for name, is_array, inside in plan.distinguishing:
        value = message.get(name, MISSING)
        if not is_array:
            if not fits(inside, value):
                return False
        elif type(value) is not list or not all(fits(inside, each) for each in value):
            return False
    return True


def find_instrument(shape: Any, message: Any, symbols: Symbols) -> int:
    """Return the listed instrument that a frame without rows is about; NOT_LISTED if it is none."""
    for name, part in shape.items():
        if isinstance(part, Mapping):
            return find_instrument(part, message[name], symbols)
        if isinstance(part, Field) and part.kind is Kind.SYMBOL:
            symbol = message.get(name)
            return symbols.get(symbol, NOT_LISTED) if isinstance(symbol, str) else NOT_LISTED
    return NOT_LISTED


def read_rows(plan: ChannelPlan, message: Any, symbols: Symbols) -> list[Row]:
    """Read the rows of a frame, or of an array of them, in the order of the frame."""
    start: Row = {"verdict": plan.channel.verdict}
    if plan.is_array:
        return [row for each in message for row in read_shape(plan.shape, each, start, symbols)]
    return read_shape(plan.shape, message, start, symbols)


def read_shape(plan: ShapePlan, message: Any, outer: Row, symbols: Symbols) -> list[Row]:
    """Read the rows of an object, each with the fields of the objects that enclose it."""
    require(isinstance(message, dict), "an object is missing where rows should be")
    row, unreadable = outer.copy(), None
    for name, column, read, field in plan.fields:
        value = message.get(name, MISSING)
        if field.optional and (value is MISSING or value is None):
            continue
        try:
            if read is None:
                row[column] = symbols.get(expect_type(value, name, str), NOT_LISTED)
            else:
                row[column] = read(value, name)
        except MalformedError as error:
            if not field.only_accepted:
                raise
            row[column] = math.nan
            unreadable = unreadable or error
    if unreadable and row["verdict"] == ACCEPTED:
        raise unreadable
    if not plan.below:
        return [count_trades(row)]
    rows = []
    for name, is_array, inside in plan.below:
        value = message.get(name, MISSING)
        if not is_array:
            rows += read_shape(inside, value, row, symbols)
            continue
        require(type(value) is list, f"{name} is not an array")
        rows += [each for item in value for each in read_shape(inside, item, row, symbols)]
    return rows


def count_trades(row: Row) -> Row:
    """Return a row whose `count` is of the trades from its first id to the last, if it has ids."""
    if FIRST_ID in row:
        row["count"] += 1 - row.pop(FIRST_ID)
        require(1 <= row["count"] <= COUNT_MAX, "the ids of its trades are no range")
    return row
