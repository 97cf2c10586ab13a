"""Brackets, groups and slices through the desk and its paper venue, over random markets.

The desk restarts between pages that are cut anywhere, and the facts stay the same. Of the facts:
no report contradicts another, money moves by fills alone, slices never pass their order, exits
never more than close what their entry has filled.
"""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.flows.job import portfolio
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.accounts import Limits, Position
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order, Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import AmendIntent, CancelIntent, Intent, Leg, Signal, Slicing
from tests.columns import bar, batch, batches, tick
from tests.frames import MS, S
from tests.plain_flow import IDS, INSTRUMENTS, JOB

BTC = IDS.index("BTC-USDT.BINANCE")
LIMITS = Limits(Decimal(10_000), Decimal(10**9), 1000, S)
PARTITION = "binance-0"
BEGIN = 1_000 * S


def desk_of(model, latency_ns, answer_ns, patience_ns):
    """Return the settings of a desk of one account, for a model and latencies."""
    desk = portfolio.desk_settings(JOB, INSTRUMENTS, [PARTITION])
    paper = replace(
        desk.paper, model=model, entry=Latency(latency_ns), cancel=Latency(latency_ns // 2),
        answer=Latency(answer_ns, answer_ns), patience_ns=patience_ns,
    )  # fmt: skip
    accounts = {"main": replace(desk.accounts["main"], limits=LIMITS)}
    sent = {"reads_bars": True, "has_triggers": True}
    return replace(desk, accounts=accounts, paper=paper, order_events=True, **sent)


@st.composite
def markets(draw):
    """Return trades around a price of 100, a record each."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(-8, 8), st.integers(1, 12), st.integers(0, 700)),
            min_size=30,
            max_size=90,
        )
    )
    price, now, records = 400, BEGIN, []
    for number, (step, size, later) in enumerate(steps):
        price, now = max(price + step, 300), now + later * MS
        records.append(tick(now, price / 4, size / 2, instrument=BTC, trade_id=number))
    return records


sizes = st.integers(1, 16).map(lambda halves: Decimal(halves) / 2)
prices = st.integers(370, 430).map(lambda quarters: Decimal(quarters) / 4)
terms = st.one_of(
    st.just(Terms()),
    st.builds(Terms, st.just("limit"), limit=prices, post_only=st.booleans()),
    st.builds(Terms, st.just("limit"), limit=prices, tif=st.sampled_from(["IOC", "FOK"])),
    st.builds(Terms, st.sampled_from(["stop", "take_profit"]), trigger=prices),
    st.builds(
        Terms, st.sampled_from(["stop_limit", "take_profit_limit"]), limit=prices, trigger=prices
    ),
    st.builds(Terms, st.just("trailing"), trail=st.sampled_from([Decimal(1), Decimal("2.5")])),
)
sides = st.sampled_from([BUY, SELL])
slicings = st.one_of(
    st.none(),
    st.builds(Slicing, st.just("twap"), count=st.integers(1, 6), every_ns=st.integers(1, 3000).map(lambda ms: ms * MS), jitter_ns=st.sampled_from([0, S])),
    st.builds(Slicing, st.just("iceberg"), display=sizes),
    st.builds(Slicing, st.just("participation"), share=st.sampled_from([Decimal("0.1"), Decimal("0.5")])),
)  # fmt: skip
rules = st.sampled_from(["", "OCO", "OUO"])


@st.composite
def intents_of(draw, records):
    """Return intents of a strategy each, and cancels and amendments of their orders."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(records) - 2))
        side = draw(sides)
        signal = Signal(
            f"s{number}",
            f"strategy-{number}",
            IDS[BTC],
            records[at].log_ns,
            side,
            1.0,
            "a bar",
            S,
            100.0,
            PARTITION,
            at,
        )
        later = st.builds(
            replace,
            terms,
            expire_ns=st.integers(-2000, 9000).map(lambda ms, at=at: records[at].log_ns + ms * MS),
        )
        any_terms = st.one_of(terms, later.map(lambda each: replace(each, tif="GTD")))
        exits = [Leg(-side, draw(sizes), draw(any_terms)) for _ in range(draw(st.integers(0, 3)))]
        others = [Leg(side, draw(sizes), draw(any_terms)) for _ in range(draw(st.integers(0, 1)))]
        found.append(
            Intent(
                "main",
                signal,
                draw(sizes),
                draw(any_terms),
                tuple(others),
                draw(rules),
                tuple(exits),
                draw(rules),
                draw(slicings),
            )
        )
    return found


def changes_of(draw, facts, records):
    """Return cancels and amendments of orders that were made."""
    orders = [fact for fact in facts if isinstance(fact, Order)]
    changes = []
    for number in range(draw(st.integers(0, 3)) if orders else 0):
        order, at = draw(st.sampled_from(orders)), draw(st.integers(0, len(records) - 2))
        signal = Signal(
            f"c{number}",
            order.strategy,
            IDS[BTC],
            records[at].log_ns,
            BUY,
            1.0,
            "a bar",
            2 * S + number,
            100.0,
            PARTITION,
            at,
        )
        if draw(st.booleans()):
            changes.append(CancelIntent("main", signal, order.id))
        else:
            limit = draw(prices) if order.limit is not None else None
            changes.append(AmendIntent("main", signal, order.id, draw(sizes), limit))
    return changes


def bars_of(records):
    """Return a bar for each ten records, closed by the one after them."""
    volumes = []
    for end in range(10, len(records), 10):
        volume = sum(each.size for each in records[end - 10 : end])
        opened = records[end - 10].log_ns
        made = bar(100.0, instrument=IDS[BTC], log_ns=records[end].log_ns, offset=end)
        volumes.append(replace(made, open_ns=opened, close_ns=records[end].log_ns, volume=volume))
    return volumes


def facts_of(desk, records, intents, splits, restarts):
    """Return the facts of a log that is cut into pages, with restarts between."""
    step, facts = Desk(desk), []
    state, all_bars = step.initial(), bars_of(records)
    for page in batches(records, splits):
        last = page.first_offset + len(page.log_ns)
        inside = tuple(each for each in intents if page.first_offset <= each.signal.offset < last)
        bars = [each for each in all_bars if page.first_offset <= each.offset < last]
        whole = page.replace(intents=inside, bars=batch(bars=bars).bars)
        if restarts:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, desk_batch(whole, desk))
        facts += out
    return facts


def check_orders(facts):
    """Check what must hold of orders, their events and their fills, at every event."""
    orders = {fact.id: fact for fact in facts if isinstance(fact, Order)}
    sliced = {order.parent for order in orders.values() if order.role == "child"}
    largest = largest_sizes(facts, orders)
    filled, last = {}, {}
    for fact in facts:
        if isinstance(fact, Fill):
            filled[fact.order_id] = filled.get(fact.order_id, 0) + fact.size
        elif isinstance(fact, OrderEvent):
            assert fact.alert == "", fact
            assert fact.order_id in sliced or fact.filled == filled.get(fact.order_id, 0)
            last[fact.order_id] = fact
            parent = orders[fact.order_id].parent
            if parent in sliced:
                children = [
                    each
                    for name, each in last.items()
                    if orders[name].parent == parent and orders[name].role == "child"
                ]
                assert sum(each.filled + each.leaves for each in children) <= largest[parent]
        elif isinstance(fact, Command):
            assert fact.wire_id[:24] == fact.order_id in orders and fact.order_id not in sliced
    return orders, filled, last


def largest_sizes(facts, orders):
    """Return the largest size of each order: as approved, or as amended."""
    found = {name: order.size for name, order in orders.items()}
    for fact in facts:
        if isinstance(fact, OrderEvent) and fact.kind in ("AMENDED", "AMEND_ASKED") and fact.size:
            found[fact.order_id] = max(found[fact.order_id], fact.size)
    return found


def check_links(facts, orders, filled, last):
    """Check that exits close what their entry has filled, and no more."""
    children = defaultdict(Decimal)
    for name, size in filled.items():
        if orders[name].role == "child":
            children[orders[name].parent] += size
    for name, order in orders.items():
        if order.role == "entry" and name in children:
            assert last[name].filled == children[name]
        if (
            order.role == "exit"
            and order.parent in last
            and last[order.parent].end
            and not last[order.parent].filled
        ):
            assert last[name].end == "CANCELED" and name not in filled
    by_strategy = defaultdict(set)
    for fact in facts:
        if isinstance(fact, Position) and fact.quantity:
            by_strategy[fact.strategy].add(fact.quantity > 0)
    assert all(len(signs) == 1 for signs in by_strategy.values()), "an exit has turned a position"


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(
    st.data(),
    markets(),
    st.sampled_from(["trade", "sized", "touch"]),
    st.sampled_from([0, 250 * MS]),
    st.sampled_from([0, 100 * MS]),
    st.sampled_from([None, 5 * S]),
)
def test_orders_that_are_linked_and_sliced_live_by_their_rules_wherever_pages_are_cut(
    data, records, model, latency_ns, answer_ns, patience_ns
):
    desk = desk_of(model, latency_ns, answer_ns, patience_ns)
    intents = data.draw(intents_of(records))
    facts = facts_of(desk, records, intents, [], False)
    intents += changes_of(data.draw, facts, records)
    facts = facts_of(desk, records, intents, [], False)
    splits = data.draw(st.lists(st.integers(1, len(records)), max_size=12))
    assert facts_of(desk, records, intents, splits, True) == facts
    check_links(facts, *check_orders(facts))


@pytest.mark.parametrize("splits", [[], [1, 2, 3, 4, 5]])
def test_an_order_whose_time_is_over_when_it_is_decided_ends_then_and_not_before(splits):
    records = [tick(BEGIN + second * S, instrument=BTC, trade_id=second) for second in range(8)]
    signal = Signal(
        "s", "trend", IDS[BTC], records[4].log_ns, BUY, 1.0, "a bar", S, 100.0, PARTITION, 4
    )
    gtd = Terms("limit", limit=Decimal(50), tif="GTD", expire_ns=BEGIN + S)
    desk = desk_of("sized", 250 * MS, 0, None)
    facts = facts_of(desk, records, [Intent("main", signal, Decimal(1), gtd)], splits, True)
    events = [
        (fact.kind, fact.time_ns, fact.event_ns) for fact in facts if isinstance(fact, OrderEvent)
    ]
    assert events == [
        ("SENT", BEGIN + 4 * S, BEGIN + 4 * S),
        ("EXPIRED", BEGIN + 4 * S, BEGIN + 4 * S),
    ]
