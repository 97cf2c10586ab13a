"""Feeds that are silent for too long: nothing is opened in their instruments until they are back.

feed_age 5s, calm 10s
tick          x x x x              x x x x x x x x x x x
state         ACTIVE    REDUCING                          ACTIVE
                        ^ 5 s without a tick              ^ fresh at two questions, 10 s apart

Ticks are trades and quotes of any kind. An instrument without any is as old as the log.
"""

from collections.abc import Iterator

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.scopes import holds_instrument
from tapeflow.operators.desk.risk.states import change_state
from tapeflow.operators.desk.risk.supervision.memory import Feed
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.states import Cause
from tapeflow.schemas.time import Ns

RULE = "STALE_FEED"


def ask_feeds(state: State, settings: DeskSettings, now_ns: Ns) -> Iterator[Fact]:
    """Ask all feeds that have an age; sets the log time of the next question. Yield the facts."""
    times = []
    for limits in settings.risk.limits.values():
        if limits.feed_age_ns is None:
            continue
        for instrument in settings.instruments.ids:
            if holds_instrument(settings, limits.scope, instrument):
                yield from ask_feed(state, settings, limits, instrument, now_ns)
                times.append(next_question_ns(state, settings, limits, instrument))
    state.risk.supervision.memory.feeds_ns = min(times, default=None)


def ask_feed(
    state: State, settings: DeskSettings, limits: ScopeLimits, instrument: str, now_ns: Ns
) -> Iterator[Fact]:
    """Ask the feed of one instrument, where a question is due; yield the facts."""
    feeds, age_ns = state.risk.supervision.memory.feeds, limits.feed_age_ns
    assert age_ns is not None, "a feed without an age"
    if next_question_ns(state, settings, limits, instrument) > now_ns:
        return
    feed, scope = feeds.get(instrument), f"instrument:{instrument}"
    old_ns = now_ns - last_tick_ns(state, settings, instrument)
    is_fresh = old_ns <= age_ns
    observed, limit = f"{old_ns} ns", f"{age_ns} ns"
    if feed is None:
        is_active = state.risk.trading.of(scope) == "ACTIVE"
        feeds[instrument] = Feed(now_ns, is_active)
        cause = Cause("rule", RULE, observed=observed, limit=limit)
        yield from change_state(state, settings, scope, "REDUCING", cause)
    elif is_fresh and feed.was_fresh:
        del feeds[instrument]
        if feed.set_state and state.risk.trading.of(scope) == "REDUCING":
            cause = Cause("calm", RULE, observed=observed, limit=limit)
            yield from change_state(state, settings, scope, "ACTIVE", cause)
    else:
        feed.question_ns, feed.was_fresh = now_ns, is_fresh


def next_question_ns(
    state: State, settings: DeskSettings, limits: ScopeLimits, instrument: str
) -> Ns:
    """Return the log time at which the feed of an instrument is asked next."""
    feed = state.risk.supervision.memory.feeds.get(instrument)
    if feed is not None:
        return feed.question_ns + limits.calm_ns
    assert limits.feed_age_ns is not None, "a feed without an age"
    return last_tick_ns(state, settings, instrument) + limits.feed_age_ns + 1


def last_tick_ns(state: State, settings: DeskSettings, instrument: str) -> Ns:
    """Return the log time of the last trade or quote, that of the first record before any."""
    number, marks = settings.instruments.number[instrument], state.merge.marks
    last_ns = max(int(marks.last_at[number, 0]), int(marks.quote_row_at[number, 0]))
    return max(last_ns, state.merge.first_ns)
