"""Strategies that use every part of the API obey the laws of a step, in every model and clock."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.quality import Metric
from tests import frames, laws
from tests.desk_stories import check_numbers
from tests.frames import MS, S
from tests.laws import run
from tests.plain_flow import IDS
from tests.strategies.witness import Witness
from tests.strategy_desks import BASE, decided_of, declare_row, desk_of, received_by

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a log
MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "30"))  # random logs of each test
some = settings(max_examples=MARKETS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = frames.page_sizes(1)
scripts = st.tuples(*[st.binary(min_size=20, max_size=120)] * 2)


def witnesses(first, second):
    """Return two witnesses: of tight limits and of wide ones, who watch each other's market."""
    return (
        declare_row("a", Witness(script=first, watched=(IDS[1], IDS[-1])), account="main", instruments=IDS[:3]),
        declare_row("b", Witness(script=second, watched=IDS[:2]), instruments=IDS[1:], size="2"),
    )  # fmt: skip


def desk_with(scripts, model, *, venue_clock):
    """Return a desk by a model, with latencies of some spread, that calls two witnesses."""
    paper = replace(
        BASE.paper, model=model, slip=1 if venue_clock else None, patience_ns=3 * S,
        quote_age_ns=10 * S, entry=Latency(100 * MS, 200 * MS), cancel=Latency(50 * MS),
        answer=Latency(0, 300 * MS),
    )  # fmt: skip
    changes = {"paper": paper, "venue_clock": venue_clock, "reads_bars": True}
    return desk_of(*witnesses(*scripts), order_events=venue_clock, **changes)


models = st.sampled_from(["trade", "sized", "touch"])


def seen_by(desk, state):
    """Return what strategies have written down."""
    return {name: laws.plain(each.state) for name, each in state.strategies.running.items()}


def in_order(facts):
    """Return facts in their order, and apart from them metrics, which have none."""
    metrics = [laws.plain(each) for each in facts if isinstance(each, Metric)]
    return laws.plain([each for each in facts if not isinstance(each, Metric)]), sorted(metrics)


@some
@given(frames.logs(), sizes, sizes, scripts, models, st.booleans(), frames.arrival_orders())
def test_pages_and_the_order_of_arrival_change_no_call(
    log, page_sizes, other_sizes, drawn, model, venue_clock, order
):
    desk = desk_with(drawn, model, venue_clock=venue_clock)
    state, facts = run(desk, received_by(desk, decided_of(log, page_sizes)))
    others = received_by(desk, decided_of(log, other_sizes), order)
    other_state, other_facts = run(desk, others)
    assert seen_by(desk, state) == seen_by(desk, other_state)
    assert in_order(facts) == in_order(other_facts)
    check_numbers([each for each in facts if hasattr(each, "account")])


@some
@given(frames.logs(), sizes, scripts, models, st.booleans(), frames.arrival_orders())
def test_a_desk_restored_before_every_batch_calls_the_same(
    log, page_sizes, drawn, model, venue_clock, order
):
    desk = desk_with(drawn, model, venue_clock=venue_clock)
    values = received_by(desk, decided_of(log, page_sizes), order)
    state, resumed = desk.initial(), []
    for value in values:
        snapshot = desk.snapshot(state)
        restored = desk.restore(snapshot)
        assert desk.snapshot(restored) == snapshot, "a snapshot of what was restored is the same"
        state, out = desk.step(restored, value)
        resumed += out
    whole, facts = run(desk, values)
    assert seen_by(desk, state) == seen_by(desk, whole)
    assert laws.plain(resumed) == laws.plain(facts)


@some
@given(frames.logs(), sizes, scripts, models, st.integers(0, 200))
def test_strategies_change_no_value_and_nothing_of_the_past(log, page_sizes, drawn, model, cut_at):
    desk = desk_with(drawn, model, venue_clock=False)
    values = received_by(desk, decided_of(log, page_sizes))
    laws.never_rewrites_the_past(desk, values, cut_at % (len(values) + 1))
    laws.changes_no_value(desk, values)
