"""Plan the strict reader of a dialect: take what it needs out of the shapes once.

{"e": literal("trade"), "s": SYMBOL, "p": decimal("price")}
literals  e = "trade"        fields  s -> instrument, p -> price, each with its reader
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tapeflow.operators.decode.guards import distinguishes
from tapeflow.operators.decode.values import field_reader
from tapeflow.schemas.venues.dialect import Channel, Dialect, Field, Kind

Read = Callable[[Any, str], int | float]
PLANS_MAX = 256  # dialects: a job has one by venue
_plans: dict[int, tuple[Dialect, "tuple[ChannelPlan, ...]"]] = {}  # by the id of the dialect


class ShapePlan(NamedTuple):
    """One object: what distinguishes it, and what is read of it, in the order of its keys."""

    literals: tuple[tuple[str, str], ...]  # key, text
    presences: tuple[tuple[str, bool], ...]  # key, whether it must be there
    distinguishing: tuple[tuple[str, bool, Any], ...]  # key, whether an array, ShapePlan
    fields: tuple[tuple[str, str, Read | None, Field], ...]  # key, column; None: it is a symbol
    below: tuple[tuple[str, bool, Any], ...]  # key, whether an array, ShapePlan


class ChannelPlan(NamedTuple):
    """One channel: the object it is, or whose array it is."""

    channel: Channel
    is_array: bool
    shape: ShapePlan


def plans_of(dialect: Dialect) -> tuple[ChannelPlan, ...]:
    """Return the plan of each channel; made once for a dialect."""
    known = _plans.get(id(dialect))
    if known is not None and known[0] is dialect:
        return known[1]
    if len(_plans) >= PLANS_MAX:
        _plans.clear()
    made = tuple(plan_channel(channel) for channel in dialect.channels)
    _plans[id(dialect)] = dialect, made
    return made


def plan_channel(channel: Channel) -> ChannelPlan:
    """Make the plan of a channel."""
    shape = channel.shape
    if isinstance(shape, list):
        return ChannelPlan(channel, True, plan_shape(shape[0]))
    return ChannelPlan(channel, False, plan_shape(shape))


def plan_shape(shape: Any) -> ShapePlan:
    """Make the plan of an object."""
    own = [(name, part) for name, part in shape.items() if isinstance(part, Field)]
    below = tuple(
        (name, isinstance(part, list), plan_shape(part[0] if isinstance(part, list) else part))
        for name, part in shape.items()
        if not isinstance(part, Field)
    )
    return ShapePlan(
        tuple((name, each.words[0][0]) for name, each in own if each.kind is Kind.LITERAL),
        tuple(
            (name, each.kind is Kind.PRESENT)
            for name, each in own
            if each.kind in (Kind.PRESENT, Kind.ABSENT)
        ),
        tuple(one for one in below if not one[1] or distinguishes(shape[one[0]])),
        tuple(
            (name, each.column, None if each.kind is Kind.SYMBOL else field_reader(each), each)
            for name, each in own
            if each.kind > Kind.ABSENT
        ),
        below,
    )
