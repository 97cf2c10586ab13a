"""Ids that are missing, or may be, until the bars that they may belong to have closed.

7 8 9 13       Range 10-12, with the event times of 9 and 13
11             Range 10, Range 12
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.schemas.gaps import FILLED, FOUND, NO_INSTRUMENT
from tapeflow.schemas.time import MAX_NS

RANGES_MAX = 32  # of an instrument: beyond that the oldest does not wait, or two become one
PATIENCE_NS = 60_000_000_000  # how long after its bars have closed a gap may still be filled
END_NS = MAX_NS + PATIENCE_NS + 1  # later than every gap


class Range(Struct, gc=False):
    """Ids of one instrument that are missing, or a pause of its partition; changed in place."""

    offset: int  # of the record by which it was found
    log_ns: int
    first_id: int
    last_id: int
    missing: int  # less than its ids where several ranges became one
    before_ns: int
    after_ns: int
    settled: bool = False  # it is a fact already, or nobody can say how much is missing


class Break(NamedTuple):
    """A row of `Breaks`."""

    offset: int
    log_ns: int
    kind: int
    instrument: int
    first_id: int
    last_id: int
    before_ns: int
    after_ns: int


@dataclass(slots=True)
class State:
    """What is missing in bars that have not closed, by instrument, changed in place."""

    ranges: dict[int, list[Range]] = field(default_factory=dict)
    due_ns: int = MAX_NS  # when the next range is to be settled or forgotten
    closed_ns: int = 0  # end of the newest bar that has closed


Row = tuple[int, ...]  # of `Gaps`, without the last column


def make_room(ranges: list[Range], closed_ns: int) -> Iterator[Range]:
    """Yield the oldest range of a full list if its bars have closed; else join two neighbours."""
    if len(ranges) < RANGES_MAX:
        return
    if ranges[0].after_ns < closed_ns:
        yield ranges.pop(0)
        return
    number = min(range(RANGES_MAX - 1), key=lambda n: ranges[n + 1].after_ns - ranges[n].before_ns)
    one, two = pair = ranges[number : number + 2]
    counted = [each for each in pair if not each.settled] or pair
    ranges[number : number + 2] = [
        replace(
            counted[0],
            last_id=counted[-1].last_id,
            missing=sum(each.missing for each in counted),
            before_ns=min(one.before_ns, two.before_ns),
            after_ns=max(one.after_ns, two.after_ns),
        )
    ]


def fill_range(ranges: list[Range], trade_id: int, event_ns: int) -> None:
    """Take an id that has come out of the range that it is in."""
    within = (n for n, each in enumerate(ranges) if each.first_id <= trade_id <= each.last_id)
    number = next(within, None)
    if number is None:
        return
    each = ranges[number]
    at_ns = min(max(event_ns, each.before_ns), each.after_ns)
    if each.missing < each.last_id - each.first_id + 1:
        parts = [replace(each, missing=each.missing - 1)]
    else:
        below, above = trade_id - each.first_id, each.last_id - trade_id
        parts = [
            replace(each, last_id=trade_id - 1, missing=below, after_ns=at_ns),
            replace(each, first_id=trade_id + 1, missing=above, before_ns=at_ns),
        ]
    ranges[number : number + 1] = [part for part in parts if part.missing]


def apply_break(state: State, found: Break) -> Iterator[Row]:
    """Change what is missing by a break; yield the gaps that it settles."""
    offset, log_ns, kind, instrument, first_id, last_id, *times = found
    ranges = state.ranges.setdefault(instrument, [])
    fresh = Range(offset, log_ns, first_id, last_id, 0, min(times), max(times))
    if kind == FILLED:
        fill_range(ranges, first_id, times[0])
        return
    if kind == FOUND:
        fresh.missing = last_id - first_id + 1
        state.due_ns = min(state.due_ns, fresh.after_ns + PATIENCE_NS)
    else:  # nothing can be filled any more
        for each in ranges:
            if not each.settled:
                yield settle_range(each, offset, instrument)
            each.first_id, each.last_id = 1, 0
        yield settle_range(fresh, offset, instrument)
        fresh.first_id, fresh.last_id = 1, 0
    for each in make_room(ranges, state.closed_ns):
        if not each.settled:
            yield settle_range(each, offset, instrument)
    ranges.append(fresh)


def settle_range(settled: Range, offset: int, instrument: int) -> Row:
    """Return the gap that a range is at a record."""
    settled.settled = True
    place = (offset, settled.offset, settled.log_ns, instrument)
    ids = (settled.first_id, settled.last_id, settled.missing)
    return *place, *ids, settled.before_ns, settled.after_ns


def settle_until(state: State, offset: int, open_ns: int, close_ns: int) -> Iterator[Row]:
    """Yield the gaps that nothing fills any more when a bar closes; forget those it is beyond."""
    until_ns = close_ns - PATIENCE_NS
    for instrument, ranges in sorted(state.ranges.items()):  # a copy
        for each in ranges:
            if not each.settled and each.after_ns < until_ns:
                yield settle_range(each, offset, instrument)
        ranges[:] = [each for each in ranges if not each.settled or each.after_ns >= open_ns]
        if not ranges:
            del state.ranges[instrument]
    state.due_ns = min(
        (
            each.after_ns + (0 if each.settled else PATIENCE_NS)
            for ranges in state.ranges.values()
            for each in ranges
        ),
        default=MAX_NS,
    )


def is_touched(state: State, instrument: int, open_ns: int, close_ns: int) -> bool:
    """Return whether a trade of a bar may be missing."""
    return any(
        each.before_ns < close_ns and each.after_ns >= open_ns
        for number in (instrument, NO_INSTRUMENT)
        for each in state.ranges.get(number, ())
    )
