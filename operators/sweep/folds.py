"""Folds: parts of a log in which variants are chosen, and those after them that test the choice.

    folds = 3              | train | test  |               four equal parts of the log
                                   | train | test  |
                                           | train | test |

    train = 2, test = 1    | train         | test  |       as many as the log has room for
                                   | train         | test |

The ends of parts are moved to the nearest end of an interval: see intervals.py.
"""

from itertools import pairwise
from typing import NamedTuple

from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.time import format_seconds


class Part(NamedTuple):
    """A part of the log: from its begin to before its end, in log time."""

    begin_ns: int
    end_ns: int


class Fold(NamedTuple):
    """Where variants are chosen, and where they are tested."""

    train: Part
    test: Part


def cut_folds(
    whole: Part, length_ns: int, folds: int | None, train_ns: int | None, test_ns: int | None
) -> list[Fold]:
    """Return the folds of a log that is cut at the ends of intervals of some length.

    Without any wish there is one fold, if the log has two intervals.

    Raises UsageError where the log is too short for those that were asked for.
    """
    if folds == 0:
        return []
    if train_ns is not None and test_ns is not None:
        return cut_by_lengths(whole, length_ns, folds, train_ns, test_ns)
    count = 1 if folds is None else folds
    total = whole.end_ns - whole.begin_ns
    edges = [whole.begin_ns + total * number // (count + 1) for number in range(1, count + 1)]
    ends = [whole.begin_ns, *(snap(each, length_ns) for each in edges), whole.end_ns]
    if any(begin >= end for begin, end in pairwise(ends)):
        if folds is None:
            return []
        raise too_short(whole, length_ns, f"{folds} folds")
    parts = [Part(begin, end) for begin, end in pairwise(ends)]
    return [Fold(train, test) for train, test in pairwise(parts)]


def cut_by_lengths(
    whole: Part, length_ns: int, folds: int | None, train_ns: int, test_ns: int
) -> list[Fold]:
    """Return the folds of these lengths, one after the other, as far as the log goes."""
    found: list[Fold] = []
    begin_ns = whole.begin_ns
    while begin_ns + train_ns + test_ns <= whole.end_ns and (folds is None or len(found) < folds):
        edges = (begin_ns, begin_ns + train_ns, begin_ns + train_ns + test_ns)
        begin, middle, end = (
            min(max(snap(each, length_ns), whole.begin_ns), whole.end_ns) for each in edges
        )
        if not begin < middle < end:
            raise too_short(whole, length_ns, "parts of this length")
        found.append(Fold(Part(begin, middle), Part(middle, end)))
        begin_ns += test_ns
    if not found or (folds is not None and len(found) < folds):
        raise too_short(whole, length_ns, f"{folds or 1} folds of train and test")
    return found


def snap(time_ns: int, length_ns: int) -> int:
    """Return the nearest end of an interval; the later one of two."""
    return (time_ns + length_ns // 2) // length_ns * length_ns


def too_short(whole: Part, length_ns: int, what: str) -> UsageError:
    """Return the error of a log that is too short for its folds."""
    return UsageError(
        f"[sweep]: {what} do not fit a log of {format_seconds(whole.end_ns - whole.begin_ns)} s in "
        f"steps of {format_seconds(length_ns)} s: ask for fewer, or sample equity more often with "
        "[results] equity_interval"
    )
