"""The shape of a random log: the grid of its times, and how much of it is odd."""

import random
from typing import Any, NamedTuple

from bench.simulation.job_generator import MS, SECOND

BEGINS_NS = (
    1_700_000_000 * SECOND, 1_700_000_000 * SECOND + 123_456_789, 10**18 + 7,
    7_200_000_000 * SECOND,  # in the year 2198: log times end with 2199
)  # fmt: skip


class Shares(NamedTuple):
    """How much of a log is odd, as probabilities."""

    late: float
    duplicate: float
    malformed: float
    recognised: float
    unlisted: float
    old: float
    quotes: float
    odd: float
    skipped: float  # ids
    ahead: float
    in_us: float


class Times(NamedTuple):
    """The grid of a log."""

    begin_ns: int
    length_ns: int
    grid_ns: int  # log times are multiples of it: ties
    event_grid_ns: int
    rate: int  # records a second of a partition
    heartbeat_ns: int  # 0: none
    gap: bool  # silence in the middle


def draw_times(draw: random.Random, busy: bool) -> Times:
    """Return the grid of a log."""
    return Times(
        begin_ns=draw.choice(BEGINS_NS),
        length_ns=draw.choice([20, 60] if busy else [3, 10, 40, 130]) * SECOND,
        grid_ns=draw.choice([1, 1000, MS, 10 * MS, 100 * MS, SECOND]),
        event_grid_ns=draw.choice([1, MS, 50 * MS, 200 * MS]),
        rate=draw.choice([10, 20] if busy else [1, 5, 20, 60]),
        heartbeat_ns=draw.choice([0, 0, 10 * MS, 100 * MS, SECOND]),
        gap=draw.random() < 0.2,
    )


def draw_shares(draw: random.Random, bars: dict[str, Any], unit: str) -> Shares:
    """Return how much of a log is odd."""
    choices = (
        [0, 0.02, 0.1],
        [0, 0.02, 0.1],
        *([[0, 0.02]] * 3),
        [0, 0.05],
        [0, 0.3, 0.7],
        [0, 0, 0.01],
        [0, 0.01, 0.05] if bars["gaps"] else [0.3],
        [0] if bars["ahead"] == "none" else [0, 0.02],
        [0] if unit == "ms" else [0, 0.3, 1],
    )
    return Shares(*(draw.choice(each) for each in choices))
