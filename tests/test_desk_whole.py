"""The whole desk fills the orders of intents as its oracle does, in the same order.

    random records, intents ─▶ batches ─▶ Desk ─▶ fills      == the oracle's, cut anywhere

More of them: TAPEFLOW_MARKETS=10000 pytest tests/test_desk_whole.py
"""

import os
import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
from msgspec.structs import replace as changed

from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import AccountSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.market import ACCEPTED, Market, MarkPrices, Quotes, Trades
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import NO_TIME
from tests.columns import batch, heartbeat, ints
from tests.desk_markets import make_story
from tests.desk_oracle_facts import facts_of
from tests.test_desk import account
from tests.test_desk_against_oracle import instrument_table, paper_rules

MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "300"))  # random markets
WHOLE = Decimal(10**6)  # size of an exit that is as large as any entry
WIDE = Limits(Decimal(10**9), Decimal(10**12), 10**6, 1)


def desk_of(story):
    """Return the desk of a story: two accounts whose limits deny nothing."""
    names = sorted(story.log)
    desk = account(*names)
    par = desk.accounts["main"].at_par
    accounts = {name: AccountSettings(name, WIDE, par) for name in "ab"}
    return changed(
        desk,
        accounts=accounts,
        instruments=instrument_table(story),
        paper=paper_rules(story.rules),
        venue_clock=story.rules.clock == "venue",
        order_events=True,
        has_triggers=True,
    )


def market_of(records):
    """Return the rows of records as columns."""
    rows = {
        kind: [(each.offset, each.log_ns, row) for each in records for row in getattr(each, kind)]
        for kind in ("trades", "quotes", "marks")
    }

    def common(kind):
        return {
            "offset": ints(offset for offset, _, _ in rows[kind]),
            "log_ns": ints(log_ns for _, log_ns, _ in rows[kind]),
            "instrument": ints(row.instrument for _, _, row in rows[kind]),
            "event_ns": ints(
                NO_TIME if getattr(row, "event_ns", None) is None else row.event_ns
                for _, _, row in rows[kind]
            ),
        }

    def floats(kind, name):
        return np.array([getattr(row, name) for _, _, row in rows[kind]], np.float64)

    count = len(rows["trades"])
    trades = Trades(
        **common("trades"), trade_id=ints(row.trade_id for _, _, row in rows["trades"]), count=ints([1] * count),
        aggressor=ints([1] * count), verdict=ints([ACCEPTED] * count), price=floats("trades", "price"),
        size=floats("trades", "size"),
    )  # fmt: skip
    sides = {name: floats("quotes", name) for name in ("bid", "bid_size", "ask", "ask_size")}
    marks = MarkPrices.empty()
    extra = {
        name: np.full(len(rows["marks"]), np.nan) if column.dtype == np.float64
        else np.full(len(rows["marks"]), NO_TIME, np.int64)
        for name, column in zip(marks.column_names(), marks.arrays(), strict=True)
    }  # fmt: skip
    marks = MarkPrices(**(extra | common("marks") | {"mark": floats("marks", "mark")}))
    return Market(trades, Quotes(**common("quotes"), **sides), marks)


def batches_of(story, name, draw):
    """Return the batches of a partition, cut anywhere."""
    records, made, begin = story.log[name], [], 0
    while begin < len(records):
        end = min(len(records), begin + draw.choice((1, 2, 5, 100)))
        some = records[begin:end]
        places = {(each.log_ns, name, each.offset) for each in some}
        intents = tuple(each for each in story.intents if each.signal.position in places)
        beats = (heartbeat(each.log_ns) for each in some)
        whole = batch(*beats, first_offset=begin, partition=name)
        made.append(whole.replace(market=market_of(some), intents=intents))
        begin = end
    made.append(batch(first_offset=len(records), partition=name, end_of_log=True))
    return made


def facts_of_desk(story, draw):
    """Return the facts of the desk, whose batches arrive in any order of partitions."""
    settings = desk_of(story)
    step = Desk(settings)
    state, facts = step.initial(), []
    waiting = {name: batches_of(story, name, draw) for name in story.log}
    while waiting:
        name = draw.choice(sorted(waiting))
        state, made = step.step(state, desk_batch(waiting[name].pop(0), settings))
        facts += made
        if not waiting[name]:
            del waiting[name]
        if draw.random() < 0.2:
            state = step.restore(step.snapshot(state))
    return facts


def fills_of(facts):
    return [
        (fact.order_id, fact.event_ns, fact.price, fact.size, fact.liquidity, fact.trade_id)
        for fact in facts
        if isinstance(fact, Fill)
    ]  # fmt: skip


def plain(intent):
    """Return an intent with one order."""
    return changed(intent, others=(), entry_rule="", exits=())


def story_of(seed):
    """Return a story that ends with its log, of plain intents."""
    story = make_story(seed)
    intents = tuple(plain(each) if isinstance(each, Intent) else each for each in story.intents)
    return replace(story, intents=intents, until_ns=0)


def fills_of_oracle(story):
    facts = facts_of(story.rules, story.instruments, story.log, story.intents)
    return [
        (each.order_id, each.event_ns, each.price, each.size, each.liquidity, each.trade_id)
        for each in facts.fills
    ]


def test_the_desk_fills_as_its_oracle():
    for seed in range(MARKETS):
        story = story_of(seed)
        assert fills_of(facts_of_desk(story, random.Random(seed))) == fills_of_oracle(story), seed


def bracket_story(seed):
    """Return a story of brackets whose exits follow their entry whole, and only reduce.

    A trigger is none that cancels the others: the oracle knows of OCO by fills alone.
    """

    def follow(leg):
        return changed(leg, size=WHOLE, terms=changed(leg.terms, reduce_only=True))

    def rule_of(intent):
        return "OUO" if any(leg.terms.is_conditional for leg in intent.exits) else intent.exit_rule

    story = make_story(seed)
    intents = tuple(
        changed(
            each,
            others=(),
            entry_rule="",
            exits=tuple(map(follow, each.exits)),
            exit_rule=rule_of(each),
        )
        for each in story.intents
        if isinstance(each, Intent)
    )
    return replace(story, intents=intents, until_ns=0)


def test_brackets_fill_as_their_oracle_where_no_exit_is_replaced():
    compared = 0
    for seed in range(MARKETS):
        story = bracket_story(seed)
        facts = facts_of_desk(story, random.Random(seed))
        orders = {fact.id for fact in facts if isinstance(fact, Order)}
        if any(derive_id("order", each, "again") in orders for each in orders):
            continue  # the oracle leaves what is filled later without an exit
        assert fills_of(facts) == fills_of_oracle(story), seed
        compared += 1
    assert compared > MARKETS * 0.9
