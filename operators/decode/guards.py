"""Keys that must be absent, so that the scanner may try the channels of a dialect in any order.

    trade            e = "trade"
    combined.trade   stream is there, data.e = "trade"      and, as a guard: no `e` at the top

The strict reader tries the channels in their order, and the first that matches a frame reads it.
Where the conditions of two channels do not exclude each other, the later one gets a guard: a key of
the earlier one that must not be there.

Conditions on the elements of an array exclude each other, as a plan fits no empty array whose
elements distinguish channels, and no frame without a row whose channel has rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tapeflow.schemas.venues.dialect import Channel, Field, Kind, Shape

Path: TypeAlias = tuple[str, ...]  # keys, from the outermost object on
Conditions: TypeAlias = dict[Path, str]  # by path: PRESENT, ABSENT, OBJECT, ARRAY or "=text"
PRESENT, ABSENT, OBJECT, ARRAY = "present", "absent", "object", "array"
ELEMENT = "[]"  # in a path: each element of an array


class UnscannableError(Exception):
    """The tables of the scanner cannot express this channel."""


def distinguishes(part: "Field | Shape | list[Shape]") -> bool:
    """Return whether a part of a shape holds a field by which channels are distinguished."""
    if isinstance(part, Field):
        return part.kind <= Kind.ABSENT
    return any(map(distinguishes, part if isinstance(part, list) else part.values()))


def discriminators(part: Any, path: Path = (), *, required: bool = False) -> Conditions:
    """List the conditions under which the channel of this shape matches a frame.

    `required`: list also the other keys that a frame must have to be read.
    """
    if isinstance(part, list):
        if path and not distinguishes(part) and not required:
            return {}
        return {path: ARRAY, **discriminators(part[0], (*path, ELEMENT), required=required)}
    if isinstance(part, Mapping):
        conditions = {path: OBJECT}
        for name, each in part.items():
            conditions |= discriminators(each, (*path, name), required=required)
        return conditions
    if part.kind <= Kind.ABSENT:
        text = f"={part.words[0][0]}" if part.words else ""
        return {path: (text, PRESENT, ABSENT)[part.kind]}
    return {path: PRESENT} if required and (part.usual or not part.optional) else {}


def mutually_exclusive(one: Conditions, other: Conditions) -> bool:
    """Return whether no frame can satisfy both."""
    for path in one.keys() & other.keys():
        both = {one[path], other[path]}
        if len(both) == 2 and (ABSENT in both or PRESENT not in both):
            return True
    return False


def guards(channels: Sequence[Channel], number: int) -> set[Path]:
    """Choose keys of earlier channels; where they are absent, no earlier channel matches.

    Raises UnscannableError where an earlier channel has no key that can serve as a guard.
    """
    shape = channels[number].shape
    conditions = discriminators(shape, required=channels[number].table is not None)
    absent: set[Path] = set()
    for earlier in channels[:number]:
        earlier_conditions = discriminators(earlier.shape)
        if mutually_exclusive(conditions, earlier_conditions):
            continue
        candidates = [
            path
            for path, condition in earlier_conditions.items()
            if condition != ABSENT and is_free(path, shape)
        ]
        require_scannable(bool(candidates), f"not distinguished from {earlier.name}")
        if not absent & set(candidates):
            absent.add(candidates[0])
    return absent


def is_free(path: Path, shape: Any) -> bool:
    """Return whether a shape has the object of the path's last key, but not the key itself."""
    for name in path[:-1]:
        shape = shape.get(name) if isinstance(shape, Mapping) else None
    return isinstance(shape, Mapping) and path != () and path[-1] not in (*shape, ELEMENT)


def without_values(part: Any, *, symbol: bool = False) -> Any:
    """Return a shape without the fields that are read: an ignored frame needs none of them.

    `symbol`: leave the symbol in, as of trades that are not read.
    """
    if isinstance(part, list):
        return [without_values(part[0], symbol=symbol)]
    return {
        name: each if isinstance(each, Field) else without_values(each, symbol=symbol)
        for name, each in part.items()
        if isinstance(each, Mapping)
        or distinguishes(each)
        or (symbol and isinstance(each, Field) and each.kind is Kind.SYMBOL)
    }


def require_scannable(condition: bool, reason: str) -> None:
    """Raise UnscannableError, which leaves a channel to the strict reader, unless `condition`."""
    if not condition:
        raise UnscannableError(reason)
