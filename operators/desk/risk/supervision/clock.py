"""Supervise log times: the UTC day begins, feeds are checked, positions are too old.

00:00 UTC        the profit of each scope, at the marks before the first record of the day
last tick + age  is there a newer one? if not, nothing more is opened in its instrument
"""

from collections.abc import Iterator

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.profit import profit_of
from tapeflow.operators.desk.risk.supervision.feeds import ask_feeds
from tapeflow.operators.desk.risk.supervision.memory import DAY_NS
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.time import Ns


def begin_clock(state: State, settings: DeskSettings) -> None:
    """Set the first log times, once the first record of the log is certain."""
    memory, limits = state.risk.supervision.memory, settings.risk.limits.values()
    first_ns = state.merge.first_ns
    if memory.day_end_ns is None and any(each.daily_loss is not None for each in limits):
        memory.day_end_ns = midnight_after(first_ns)
    ages_ns = [each.feed_age_ns for each in limits if each.feed_age_ns is not None]
    if memory.feeds_ns is None and ages_ns:
        memory.feeds_ns = first_ns + min(ages_ns) + 1


def midnight_after(time_ns: Ns) -> Ns:
    """Return the next midnight UTC, later than a time.

    >>> midnight_after(0) == midnight_after(DAY_NS - 1) == DAY_NS
    True
    """
    return (time_ns // DAY_NS + 1) * DAY_NS


def next_timer_ns(state: State) -> Ns | None:
    """Return the log time at which supervision has something to do, None for none."""
    supervision = state.risk.supervision
    times = (supervision.memory.day_end_ns, supervision.memory.feeds_ns, supervision.next_ns)
    return min((each for each in times if each is not None), default=None)


def pass_time(state: State, settings: DeskSettings, now_ns: Ns) -> Iterator[Fact]:
    """Do what is due at a log time, before its records; what follows is evaluated at once."""
    supervision = state.risk.supervision
    memory, supervision.next_ns = supervision.memory, None
    supervision.is_due = True
    state.merge.release_before((now_ns, "", -1))
    if memory.day_end_ns is not None and memory.day_end_ns <= now_ns:
        memory.day_end_ns = midnight_after(now_ns)
        for scope, limits in settings.risk.limits.items():
            if limits.daily_loss is not None:
                memory.of(scope).day_profit = profit_of(state, settings, scope)
    if memory.feeds_ns is not None and memory.feeds_ns <= now_ns:
        yield from ask_feeds(state, settings, now_ns)
