"""The desk under the laws of a step, with orders of every kind, in every model and by both clocks."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill, Order
from tests import frames, laws
from tests.desk_intents import drawn_intents, give_intents
from tests.desk_stories import check_numbers
from tests.frames import MS, S
from tests.laws import run
from tests.plain_flow import decided_batches, flow_steps, interleave

STEPS = flow_steps()


def desk_of(model, *, venue_clock):
    """Return a desk with the rules of a model, short patience, and latencies of some spread."""
    base = STEPS["desk"]
    assert isinstance(base, Desk)
    paper = replace(
        base.settings.paper, model=model, slip=1 if venue_clock else None, patience_ns=3 * S,
        quote_age_ns=10 * S, entry=Latency(100 * MS, 200 * MS), cancel=Latency(50 * MS),
        answer=Latency(0, 300 * MS),
    )  # fmt: skip
    return Desk(
        replace(
            base.settings, paper=paper, venue_clock=venue_clock, order_events=True, reads_bars=True,
            has_triggers=True,
        )
    )  # fmt: skip


DESKS = {
    f"{model} by the {'venue' if venue_clock else 'log'}": desk_of(model, venue_clock=venue_clock)
    for model in ("trade", "sized", "touch")
    for venue_clock in (False, True)
}
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a log
every_desk = pytest.mark.parametrize("name", DESKS)
sizes = frames.page_sizes(1)
forty = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def received_by(desk, log, page_sizes, drawn):
    """Return what the desk receives of a log with drawn intents, by partition."""
    decided = give_intents(decided_batches(log, page_sizes, STEPS), drawn)
    return {
        name: [desk_batch(each, desk.settings) for each in batches]
        for name, batches in decided.items()
    }


@every_desk
@forty
@given(frames.logs(), sizes, drawn_intents(), frames.arrival_orders(), frames.arrival_orders())
def test_the_order_of_arrival_changes_no_fact(name, log, page_sizes, drawn, order, other_order):
    desk = DESKS[name]
    received = received_by(desk, log, page_sizes, drawn)
    laws.arrival_order_changes_nothing(
        desk, interleave(received, order), interleave(received, other_order)
    )


@every_desk
@forty
@given(frames.logs(), sizes, sizes, drawn_intents(), frames.arrival_orders())
def test_page_sizes_change_no_fact(name, log, page_sizes, other_sizes, drawn, order):
    desk = DESKS[name]
    values = interleave(received_by(desk, log, page_sizes, drawn), order)
    repaged = interleave(received_by(desk, log, other_sizes, drawn), order)
    laws.arrival_order_changes_nothing(desk, values, repaged)


@every_desk
@forty
@given(frames.logs(), sizes, drawn_intents(), frames.arrival_orders())
def test_a_desk_restored_before_every_batch_gives_the_same_facts(
    name, log, page_sizes, drawn, order
):
    desk = DESKS[name]
    values = interleave(received_by(desk, log, page_sizes, drawn), order)
    state, resumed = desk.initial(), []
    for value in values:
        snapshot = desk.snapshot(state)
        restored = desk.restore(snapshot)
        assert desk.snapshot(restored) == snapshot, "a snapshot of what was restored is the same"
        state, out = desk.step(restored, value)
        resumed += out
    assert laws.plain(resumed) == laws.plain(run(desk, values)[1])
    check_numbers(resumed)


@every_desk
@settings(max_examples=15, deadline=None)
@given(frames.logs(), sizes, drawn_intents(), st.integers(0, 200))
def test_the_desk_never_looks_ahead_and_changes_no_value(name, log, page_sizes, drawn, cut_at):
    desk = DESKS[name]
    values = interleave(received_by(desk, log, page_sizes, drawn), [])
    laws.never_rewrites_the_past(desk, values, cut_at % (len(values) + 1))
    laws.changes_no_value(desk, values)


@every_desk
@forty
@given(frames.logs(), sizes, drawn_intents())
def test_what_is_filled_and_what_is_over_adds_up(name, log, page_sizes, drawn):
    desk = DESKS[name]
    facts = run(desk, interleave(received_by(desk, log, page_sizes, drawn), []))[1]
    children = [each for each in facts if isinstance(each, Order) and each.role == "child"]
    filled = defaultdict(Decimal)
    for fill in facts:
        if isinstance(fill, Fill):
            filled[fill.order_id] += fill.size
            assert 0 <= fill.beyond <= fill.size
    events = [each for each in facts if isinstance(each, OrderEvent)]
    for event in {each.order_id: each for each in events}.values():
        is_sliced = any(each.parent == event.order_id for each in children)
        assert is_sliced or event.filled == filled[event.order_id]
        assert (event.phase == "DONE") == bool(event.end)
        assert event.leaves == 0 or event.phase != "DONE"
    assert not [each.alert for each in events if "ILLEGAL" in each.alert]
