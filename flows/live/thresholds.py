"""Thresholds of alerts, where they depend on the job."""

from msgspec import Struct

from tapeflow.flows.live.source import Row

COMMIT_AGE_S = 15.0  # a replay without state commits every 5 s
MINUTE_S = 90.0  # facts of a minute are there at least


class Thresholds(Struct, frozen=True):
    """Limits of what is normal."""

    commit_age_s: float = COMMIT_AGE_S
    stall_s: float = 1.0


def thresholds_of(row: Row) -> Thresholds:
    """Return the thresholds for the job of a run.

    A run commits when it has facts: bars, at least by their width, and counts of minutes.
    """
    width_s, stall_s = seconds_of(row["bar_width"]), seconds_of(row["stall_warning"])
    age_s = MINUTE_S if width_s is None else min(max(COMMIT_AGE_S, 3 * width_s), MINUTE_S)
    return Thresholds(age_s, 1.0 if stall_s is None else stall_s)


def seconds_of(text: str | None) -> float | None:
    """Return the seconds of a duration; None of another kind of width.

    >>> seconds_of("250ms"), seconds_of("100 trades")
    (0.25, None)
    """
    from tapeflow.flows.job.duration import parse_duration  # noqa: PLC0415  # of the job: slow

    try:
        return parse_duration(text) / 1e9
    except ValueError:
        return None
