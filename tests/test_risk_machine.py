"""The rules of risk over any story: wishes, prices, late answers, signed commands, restarts, pages."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws import plain
from tests.risk_laws import check_story
from tests.risk_stories import Story, run_story, stories

EXAMPLES = int(os.environ.get("TAPEFLOW_RISK_STORIES", "150"))
CUTS = st.lists(st.integers(0, 200), max_size=12)
ORDER = st.lists(st.integers(0, 2), max_size=30)
RESTARTS = st.lists(st.booleans(), max_size=4)
checked = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def check(story: Story, cuts: Any, order: Any, restarts: Any) -> None:
    """Check a story by all laws, and that it is the same however it is read."""
    facts, state = run_story(story)
    check_story(story, facts, state)
    other, _ = run_story(story, cuts, order, restarts)
    assert plain(other) == plain(facts)


@checked
@given(stories(), CUTS, ORDER, RESTARTS)
def test_the_rules_hold_at_every_fact_of_any_story(story, cuts, order, restarts):
    check(story, cuts, order, restarts)


@pytest.mark.slow
@settings(max_examples=12 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories(60), CUTS, ORDER, RESTARTS)
def test_the_rules_hold_at_every_fact_of_many_long_stories(story, cuts, order, restarts):
    check(story, cuts, order, restarts)
