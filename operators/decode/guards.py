"""Keys that must be absent, so that the scanner may try the channels of a dialect in any order.

    trade            e = "trade"
    combined.trade   stream is there, data.e = "trade"      and, as a guard: no `e` at the top

The strict reader tries the channels in their order, and the first that matches a frame reads it.
Where the conditions of two channels do not exclude each other, the later one gets a guard: a key of
the earlier one that must not be there.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tapeflow.schemas.venues.dialect import Channel, Field, Kind, Shape

Path: TypeAlias = tuple[str, ...]  # keys, from the outermost object on
Conditions: TypeAlias = dict[Path, str]  # by path: PRESENT, ABSENT, NESTED or "=text"
PRESENT, ABSENT, NESTED = "present", "absent", "nested"


class UnscannableError(Exception):
    """The tables of the scanner cannot express this channel."""


def discriminators(shape: Shape, path: Path = ()) -> Conditions:
    """List the conditions under which the channel of this shape matches a frame."""
    conditions: Conditions = {}
    for name, part in shape.items():
        here = (*path, name)
        if isinstance(part, Mapping):
            conditions |= {here: NESTED, **discriminators(part, here)}
        elif isinstance(part, Field) and part.kind <= Kind.ABSENT:
            text = f"={part.words[0][0]}" if part.words else ""
            conditions[here] = (text, PRESENT, ABSENT)[part.kind]
    return conditions


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
    conditions = discriminators(shape)
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


def is_free(path: Path, shape: Shape) -> bool:
    """Return whether a shape has the object of the path's last key, but not the key itself."""
    for name in path[:-1]:
        part = shape.get(name)
        if not isinstance(part, Mapping):
            return False
        shape = part
    return path[-1] not in shape


def discriminators_only(shape: Shape) -> Shape:
    """Return a shape without the fields that are read: an ignored frame needs none of them."""
    return {
        name: discriminators_only(part) if isinstance(part, Mapping) else part
        for name, part in shape.items()
        if isinstance(part, Mapping) or (isinstance(part, Field) and part.kind <= Kind.ABSENT)
    }


def require_scannable(condition: bool, reason: str) -> None:
    """Raise UnscannableError, which leaves a channel to the strict reader, unless `condition`."""
    if not condition:
        raise UnscannableError(reason)
