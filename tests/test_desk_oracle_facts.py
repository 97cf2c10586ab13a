"""The oracle of the desk's view against brackets that were worked out by hand, and its laws."""

import os
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from tapeflow.schemas.orders import Terms
from tapeflow.schemas.signals import CancelIntent, Intent, Leg, Signal
from tests.desk_markets import make_story, stories
from tests.desk_oracle import InstrumentRules
from tests.desk_oracle_facts import facts_of, orders_of
from tests.test_desk_oracle import SIZED, beat, records, trade

D = Decimal
MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "300"))  # random markets of each test
ENTRY = Terms(type="limit", limit=D(5))
PROFIT = Leg(-1, D(9), Terms(type="limit", limit=D(8), reduce_only=True))
STOP = Leg(-1, D(9), Terms(type="stop", trigger=D(2), reduce_only=True))


def signal(log, offset, number=0):
    return Signal(f"s{number}", "s", "A", log[offset].log_ns, 1, 1.0, "", number, 5.0, "A", offset)


def bracket(log, *, size=6, terms=ENTRY, rule="OUO"):
    return Intent("a", signal(log, 0), D(size), terms, exits=(PROFIT, STOP), exit_rule=rule)


def steps(log, intents, rules=SIZED, until_ns=None):
    """Return the events of a bracket's orders as texts: `@time name KIND what is left`."""
    facts = facts_of(rules, [InstrumentRules("A", D(1), D(1))], {"A": log}, intents, until_ns)
    ids = [order.id for order in orders_of(intents[0])]
    names = dict(zip(ids, ("entry", "profit", "stop"), strict=False))
    return [
        f"@{each.place[0]} {names[each.order_id]} {each.kind} {each.leaves}"
        for each in facts.events
    ]


def test_the_exits_of_a_bracket_live_by_what_is_filled_of_its_entry_and_of_each_other():
    log = records(
        beat(0), trade(1, 9), trade(2, 4, 2), trade(3, 4, 1), trade(4, 9, 2), trade(5, 2, 9), trade(6, 3, 9)
    )  # fmt: skip
    assert steps(log, [bracket(log)]) == [
        "@0 entry SENT 6",
        "@1 entry ACCEPTED 6",
        "@2 entry FILL 4",  # 2 at 5
        "@2 profit SENT 2",
        "@2 stop SENT 2",
        "@3 profit ACCEPTED 2",
        "@3 stop ACCEPTED 2",
        "@3 entry FILL 3",  # 1 at 5: the exits become 3
        "@3 profit AMEND_ASKED 2",
        "@3 stop AMEND_ASKED 2",
        "@3 profit AMENDED 3",
        "@3 stop AMENDED 3",
        "@4 profit FILL 1",  # 2 at 8: the stop becomes 1
        "@4 stop AMEND_ASKED 3",
        "@4 stop AMENDED 1",
        "@5 entry FILL 0",  # 3 at 5: of the profit 6, of which 2 are filled, of the stop 6 - 2
        "@5 profit AMEND_ASKED 1",
        "@5 stop AMEND_ASKED 1",
        "@5 stop TRIGGERED 1",
        "@5 profit AMENDED 4",
        "@5 stop AMENDED 4",
        "@6 stop FILL 0",  # 4 at 3: the position is flat
        "@6 profit CANCEL_ASKED 4",
        "@6 profit CANCELED 0",  # by the venue: nothing to reduce
        "@6 profit CANCEL_REFUSED 0",
    ]


def test_a_fill_of_one_exit_cancels_the_others_under_oco():
    log = records(
        beat(0), trade(1, 9), trade(2, 4, 6), beat(3), trade(4, 7), trade(5, 9, 2), beat(6)
    )
    assert steps(log, [bracket(log, rule="OCO")])[-3:] == [
        "@5 profit FILL 4",
        "@5 stop CANCEL_ASKED 6",
        "@5 stop CANCELED 0",
    ]


def test_held_exits_end_with_an_entry_that_ends_unfilled():
    log = records(beat(0), trade(1, 9), beat(2))
    canceled = CancelIntent("a", signal(log, 2, 1), orders_of(bracket(log))[0].id)
    assert steps(log, [bracket(log), canceled]) == [
        "@0 entry SENT 6",
        "@1 entry ACCEPTED 6",
        "@2 entry CANCEL_ASKED 6",
        "@2 entry CANCELED 0",
        "@2 profit CANCELED 0",
        "@2 stop CANCELED 0",
    ]


def test_exits_stay_for_what_was_filled_of_an_entry_that_is_canceled():
    log = records(beat(0), trade(1, 9), trade(2, 4, 2), beat(3), trade(4, 9, 9))
    canceled = CancelIntent("a", signal(log, 3, 1), orders_of(bracket(log))[0].id)
    assert steps(log, [bracket(log), canceled])[5:] == [
        "@3 entry CANCEL_ASKED 4",
        "@3 entry CANCELED 0",
        "@4 profit ACCEPTED 2",
        "@4 profit FILL 0",  # it meets a trade within its limit
        "@4 stop CANCEL_ASKED 2",
        "@4 stop REJECTED 0",  # at the same row: nothing to reduce is left
        "@4 stop CANCEL_REFUSED 0",
    ]


# -- laws --------------------------------------------------------------------------------------


def facts_of_story(story):
    return facts_of(story.rules, story.instruments, story.log, story.intents, story.until_ns)


def check_orders(story):
    """Check that what is done stays done, and that what is filled is the sum of the fills."""
    facts = facts_of_story(story)
    done, filled = set(), defaultdict(Decimal)
    for event in facts.events:
        if event.kind == "FILL":
            filled[event.order_id] += event.size
        assert event.filled == filled[event.order_id]
        assert event.leaves >= 0
        assert not event.alert
        assert event.phase == "DONE" or event.order_id not in done
        if event.phase == "DONE":
            assert event.end
            done.add(event.order_id)


def check_positions(story):
    """Check that each position is the sum of the fills of its orders."""
    facts = facts_of_story(story)
    orders = {order.id: order for order in facts.orders}
    quantity = defaultdict(Decimal)
    for fill, position in zip(facts.fills, facts.positions, strict=True):
        order = orders[fill.order_id]
        holder = order.account, order.strategy, order.instrument
        quantity[holder] += order.side * fill.size
        assert (position.holder, position.quantity) == (holder, quantity[holder])


def check_exits(story):
    """Check that no exit is placed before its entry is filled, nor for more than is filled."""
    facts, filled = facts_of_story(story), defaultdict(Decimal)
    entries = {}
    for intent in story.intents:
        if isinstance(intent, Intent):
            orders = orders_of(intent)
            of_intent = [order.id for order in orders if order.role == "entry"]
            entries |= {order.id: of_intent for order in orders if order.role == "exit"}
    for event in facts.events:
        if event.kind == "FILL":
            filled[event.order_id] += event.size
        if event.kind == "SENT" and event.order_id in entries:
            whole = sum(filled[each] for each in entries[event.order_id])
            assert 0 < event.leaves <= whole


CHECKS = (check_orders, check_positions, check_exits)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_the_desk_says_is_possible(check):
    for seed in range(MARKETS):
        check(make_story(seed))


@settings(max_examples=60, deadline=None)
@given(stories())
def test_what_the_desk_says_is_possible_in_shrunk_stories(story):
    for check in CHECKS:
        check(story)


def test_the_order_of_intents_does_not_matter():
    for seed in range(MARKETS // 3):
        story = make_story(seed)
        turned = replace(story, intents=story.intents[::-1])
        assert facts_of_story(turned) == facts_of_story(story)
