"""Which frames a channel claims for itself, so that the scanner may try channels in any order.

    trade            e = "trade"
    combined.trade   stream is there, data.e = "trade"      and, as a guard: no `e` at the top

The strict reader asks the channels in turn, and the first that claims a frame reads it. Where two
channels do not exclude each other by themselves, the later one gets a guard: a key of the earlier
one that must not be there.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tapeflow.schemas.venues.dialect import Channel, Field, Kind, Shape

Path: TypeAlias = tuple[str, ...]
Claims: TypeAlias = dict[Path, str]  # what must hold there: PRESENT, ABSENT, NESTED or "=text"
PRESENT, ABSENT, NESTED = "present", "absent", "nested"


class UnscannableError(Exception):
    """The tables have no words for this channel."""


def discriminators(shape: Shape, path: Path = ()) -> Claims:
    """List what must hold of a frame so that the channel of this shape claims it."""
    claims: Claims = {}
    for name, part in shape.items():
        here = (*path, name)
        if isinstance(part, Mapping):
            claims |= {here: NESTED, **discriminators(part, here)}
        elif isinstance(part, Field) and part.kind <= Kind.ABSENT:
            claims[here] = (f"={part.words[0][0]}" if part.words else "", PRESENT, ABSENT)[
                part.kind
            ]
    return claims


def mutually_exclusive(one: Claims, other: Claims) -> bool:
    """Whether no frame can be claimed by both."""
    for path in one.keys() & other.keys():
        both = {one[path], other[path]}
        if len(both) == 2 and (ABSENT in both or PRESENT not in both):
            return True
    return False


def guards(channels: Sequence[Channel], number: int) -> set[Path]:
    """Keys that must be absent lest an earlier channel claims the frame."""
    shape = channels[number].shape
    mine = discriminators(shape)
    absent: set[Path] = set()
    for earlier in channels[:number]:
        theirs = discriminators(earlier.shape)
        if mutually_exclusive(mine, theirs):
            continue
        choice = [
            path for path, claim in theirs.items() if claim != ABSENT and is_free(path, shape)
        ]
        require_scannable(bool(choice), f"not told apart from {earlier.name}")
        if not absent & set(choice):
            absent.add(choice[0])
    return absent


def is_free(path: Path, shape: Shape) -> bool:
    """Whether a shape has the object that the path's last key would be in, but not the key."""
    for name in path[:-1]:
        part = shape.get(name)
        if not isinstance(part, Mapping):
            return False
        shape = part
    return path[-1] not in shape


def discriminators_only(shape: Shape) -> Shape:
    """Only what tells channels apart: nothing of a ignored frame is read."""
    return {
        name: discriminators_only(part) if isinstance(part, Mapping) else part
        for name, part in shape.items()
        if isinstance(part, Mapping) or (isinstance(part, Field) and part.kind <= Kind.ABSENT)
    }


def require_scannable(condition: bool, reason: str) -> None:
    """Give the channel up, or go on."""
    if not condition:
        raise UnscannableError(reason)
