"""The rules of risk over any story: requests, prices, late answers, commands, restarts, pages."""

import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk import loop
from tapeflow.operators.desk.hear import hear_all
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.time import LogPosition
from tests.laws import plain
from tests.risk_laws import check_story
from tests.risk_runs import run_story
from tests.risk_stories import Story, make_story, stories

STORIES = int(os.environ.get("TAPEFLOW_RISK_STORIES", "500"))
FIRST = int(os.environ.get("TAPEFLOW_RISK_SEED", "0"))
CUTS = st.lists(st.integers(0, 200), max_size=12)
ORDER = st.lists(st.integers(0, 2), max_size=30)
RESTARTS = st.lists(st.booleans(), max_size=4)
slowly = pytest.mark.slow


def check(
    story: Story, cuts: Sequence[int], order: Sequence[int], restarts: Sequence[bool]
) -> None:
    """Check a story by all laws, and that it is the same however it is read."""
    facts, state = run_story(story)
    check_story(story, facts, state)
    other, _ = run_story(story, cuts, order, restarts)
    assert plain(other) == plain(facts)


def check_seed(seed: int, beats: int) -> None:
    """Check the story of a seed."""
    choose = random.Random(seed)
    cuts = [choose.randrange(200) for _ in range(12)]
    order = [choose.randrange(3) for _ in range(30)]
    restarts = [choose.random() < 0.5 for _ in range(7)]
    try:
        check(make_story(seed, beats), cuts, order, restarts)
    except Exception as error:
        error.add_note(f"make_story({seed}, {beats})")
        raise


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories(), CUTS, ORDER, RESTARTS)
def test_the_rules_hold_at_every_fact_of_any_story(story, cuts, order, restarts):
    check(story, cuts, order, restarts)


def test_the_rules_hold_at_every_fact_of_random_stories():
    for seed in range(FIRST, FIRST + STORIES):
        check_seed(seed, 40)


def hear_twice(state: State, settings: DeskSettings, reports: Any, now: LogPosition) -> Any:
    """Hear each report twice, but for answers to requests: of those each is one of its own."""
    answers = ("AMENDED", "AMEND_REFUSED", "CANCEL_REFUSED")
    for each in reports:
        yield from hear_all(state, settings, [each] * (1 if each.kind in answers else 2), now)


def test_reports_that_come_twice_change_no_fact(monkeypatch):
    for seed in range(FIRST, FIRST + STORIES // 4):
        story = make_story(seed, 40)
        once, _ = run_story(story)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "hear_all", hear_twice)
            assert plain(run_story(story)[0]) == plain(once), f"make_story({seed}, 40)"


@slowly
def test_the_rules_hold_at_every_fact_of_many_long_stories():
    for seed in range(FIRST, FIRST + 10 * STORIES):
        check_seed(seed, 100)
