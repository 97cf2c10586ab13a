"""What must hold of every answer of the paper venue, listed of its oracle on random markets.

More of them: TAPEFLOW_MARKETS=100000 pytest tests/test_desk_oracle_laws.py
"""

import os
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given, settings

from tapeflow.schemas.orders import NO_TRADE
from tests.account_oracle import AccountOracle
from tests.desk_markets import Scenario, lot_of, make_scenario, scenarios
from tests.desk_oracle import (
    AmendOrder,
    PlaceOrder,
    exact,
    in_log_order,
    reports_of,
)

MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "300"))  # random markets of each test
ENDS = ("CANCELED", "EXPIRED", "REJECTED")


def answer(scenario: Scenario):
    return reports_of(
        scenario.rules, scenario.instruments, scenario.log, scenario.commands, scenario.until_ns
    )


def fills(reports):
    return [each for each in reports if each.kind == "FILL"]


def in_order_of_the_venue(scenario):
    """Return the reports as they were made: without the latency of answers."""
    return answer(
        replace(
            scenario,
            rules=replace(scenario.rules, answer_latency_ns=-(10**18), answer_latency_spread_ns=0),
        )
    )


def orders_of(scenario):
    return {each.order.id: each.order for each in scenario.commands if isinstance(each, PlaceOrder)}


def sizes_of(scenario):
    """Return every size that each order ever had."""
    sizes = {name: [order.size] for name, order in orders_of(scenario).items()}
    for each in scenario.commands:
        if isinstance(each, AmendOrder) and each.size is not None:
            sizes[each.order_id].append(each.size)
    return sizes


def check_each_order(scenario):
    """Check that an order ends once, is never filled beyond its size, nor outside its limit."""
    reports, orders, sizes = (
        in_order_of_the_venue(scenario),
        orders_of(scenario),
        sizes_of(scenario),
    )
    filled, over = defaultdict(Decimal), set()
    changed = {each.order_id for each in scenario.commands if isinstance(each, AmendOrder)}
    for each in reports:
        order = orders[each.order_id]
        if each.kind.endswith("REFUSED"):
            continue
        assert each.order_id not in over, "a report after the end"
        if each.kind in ENDS:
            over.add(each.order_id)
        if each.kind == "FILL":
            assert each.size > 0
            assert each.price > 0
            filled[each.order_id] += each.size
            assert filled[each.order_id] <= max(sizes[each.order_id])
            if order.limit is not None and order.id not in changed:
                assert each.price * order.side <= order.limit * order.side
                assert each.liquidity == "TAKER" or each.price == order.limit
            assert order.type != "market" or each.liquidity == "TAKER"


def check_liquidity(scenario):
    """Check that of no trade more is taken than its size times share, but in model `trade`."""
    taken, sizes, orders = defaultdict(Fraction), {}, orders_of(scenario)
    for _, record in in_log_order(scenario.log):
        for trade in record.trades:
            sizes[trade.trade_id] = trade
    for each in fills(answer(scenario)):
        is_beyond = each.liquidity == "TAKER" and scenario.rules.slip is not None
        if (
            each.trade_id != NO_TRADE and not is_beyond
        ):  # beyond a trade it slips, as beyond a touch
            trade = sizes[each.trade_id]
            assert scenario.instruments[trade.instrument].id == orders[each.order_id].instrument
            taken[each.trade_id] += exact(each.size)
    if scenario.rules.model != "trade":
        for trade_id, size in taken.items():
            assert size <= exact(sizes[trade_id].size) * exact(scenario.rules.share)
    if scenario.rules.model == "trade":
        assert NO_TRADE not in taken


def check_positions(scenario):
    """Check that a reduce-only order never opens or turns a position."""
    position, orders = defaultdict(Decimal), orders_of(scenario)
    for each in fills(in_order_of_the_venue(scenario)):
        order = orders[each.order_id]
        holder = order.account, order.strategy, order.instrument
        before = position[holder]
        position[holder] += order.side * each.size
        if order.reduce_only:
            assert before * order.side < 0
            assert position[holder] * before >= 0


def check_hearing(scenario):
    """Check that reports are received in the order of log time, none before it was decided."""
    reports = answer(scenario)
    times = [each.place[0] for each in reports]
    assert times == sorted(times)
    decided = {each.order.id: each.at for each in scenario.commands if isinstance(each, PlaceOrder)}
    for each in reports:
        assert each.place[0] >= decided[each.order_id][0]
        if each.place[1]:  # brought by a row
            assert each.place > decided[each.order_id]
        if scenario.rules.clock == "log" and each.kind == "FILL":
            earliest = decided[each.order_id][0] + scenario.rules.latency_ns
            assert each.place[0] >= earliest + scenario.rules.answer_latency_ns


CHECKS = (check_each_order, check_liquidity, check_positions, check_hearing)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_the_oracle_answers_is_possible(check):
    for seed in range(MARKETS):
        check(make_scenario(seed))


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_what_the_oracle_answers_is_possible_in_shrunk_markets(scenario):
    for check in CHECKS:
        check(scenario)


def test_other_partitions_do_not_change_what_an_instrument_does():
    # orders of one instrument, whose strategy holds no other, hear the same without the others
    for seed in range(MARKETS):
        scenario = make_scenario(seed, answer_latency_ns=0, answer_latency_spread_ns=0)
        name = scenario.instruments[0].id
        alone = [each for each in scenario.commands if instrument_of(scenario, each) == name]
        expected = [
            each
            for each in answer(scenario)
            if orders_of(scenario)[each.order_id].instrument == name
        ]
        found = reports_of(
            scenario.rules, scenario.instruments, scenario.log, alone, scenario.until_ns
        )
        assert found == expected, seed


def instrument_of(scenario, command):
    name = command.order.id if isinstance(command, PlaceOrder) else command.order_id
    return orders_of(scenario)[name].instrument


def test_more_latency_of_answers_changes_only_when_they_are_received():
    for seed in range(MARKETS):
        early = make_scenario(seed, answer_latency_ns=0, answer_latency_spread_ns=0)
        early = replace(early, until_ns=10**20)
        late = replace(early, rules=replace(early.rules, answer_latency_ns=7))
        without_place = [sorted(each[1:] for each in answer(one)) for one in (early, late)]
        assert without_place[0] == without_place[1]


def test_market_orders_by_the_reference_rules_fill_as_the_oracle_of_an_account_says():
    for seed in range(MARKETS):
        scenario = make_scenario(
            seed, model="trade", clock="log", patience_ns=None, latency_spread_ns=0,
            answer_latency_ns=0, answer_latency_spread_ns=0,
        )  # fmt: skip
        plain = [
            each
            for each in scenario.commands
            if isinstance(each, PlaceOrder) and each.order.type == "market"
            if each.order.tif == "GTC" and not each.order.reduce_only
            if each.size % lot_of(scenario, each.order) == 0
        ]
        free = [
            type(one)(one.id, one.tick, one.lot, one.multiplier) for one in scenario.instruments
        ]
        reports = fills(reports_of(scenario.rules, free, scenario.log, plain))
        found = [(each.place, each.order_id, each.price, each.size) for each in reports]
        assert sorted(found) == sorted(fills_by_the_account_oracle(scenario, plain)), seed


def fills_by_the_account_oracle(scenario, placed):
    account = SimpleNamespace(limits=None)
    oracle = AccountOracle(SimpleNamespace(accounts={"a": account}), "a")
    number = {each.id: index for index, each in enumerate(scenario.instruments)}
    made = []
    oracle.fill = lambda order, position, price: made.append(
        (position, order["name"], Decimal(repr(price)), order["size"])
    )
    for partition, record in in_log_order(scenario.log):
        place = (record.log_ns, partition, record.offset)
        oracle.process(place, record.trades, [])
        oracle.resting += [
            {
                "number": number[each.order.instrument],
                "name": each.order.id,
                "position": place,
                "active_ns": place[0] + scenario.rules.latency_ns,
                "size": each.size,
            }
            for each in placed
            if each.at == place
        ]
    return made
