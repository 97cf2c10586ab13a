"""All partitions in log order: a brute force oracle over sorted records, and the rules that fail it."""

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job import wiring as jobs
from tapeflow.operators.desk import merge as merging
from tapeflow.operators.desk.merge import Marks, Merge, rows_before
from tapeflow.operators.desk.step import account_batch
from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.market import ACCEPTED, Trades
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.time import MAX_NS
from tests import frames
from tests.frames import (
    JOB,
    PARTITIONS,
    TABLE,
    S,
    account_batches,
    batch,
    flow_steps,
    heartbeat,
    interleaved,
    tick,
    with_quotes,
)
from tests.laws import rows, run

STEPS = flow_steps()
DESKS = jobs.accounts_of(JOB, TABLE, PARTITIONS)
LAST = chr(0x10FFFF)  # a partition behind all others


# --- the oracle: every record by its place, one after another ---------------------------------


def worked_off(desk, said):
    """What the desk says, as short tuples: all records sorted by place, plain lists, exact fractions."""
    at = defaultdict(lambda: ([], [], []))  # place -> trades, quotes, intents
    for stream in said.values():
        for each in stream:
            if each.next_offset > each.first_offset:
                at[
                    each.log_ns, each.partition, each.next_offset - 1
                ]  # a record without ticks is one too
            for trade in (row for row in rows(each.market.trades) if row.verdict == ACCEPTED):
                at[trade.log_ns, each.partition, trade.offset][0].append(trade)
            for quote in rows(each.market.quotes):
                at[quote.log_ns, each.partition, quote.offset][1].append(quote)
            for intent in each.intents:
                at[intent.signal.position][2].append(intent)
    naive = Naive(desk)
    for place in sorted(at):
        naive.sample_up_to(place[0])
        naive.record(place, *at[place])
        if at[place][0] or at[place][1]:
            naive.heard_ns.append(place[0])
    if naive.sample_ns:
        naive.equity(max(place[0] for place in at))
    return naive.said


class Naive:
    """The account, one record at a time."""

    def __init__(self, desk):
        self.desk, self.said, self.seq, self.sample_ns = desk, [], 0, 0
        self.heard_ns = []
        self.resting, self.units, self.notional, self.approved_ns = [], {}, {}, []
        self.held, self.cash, self.fees = (
            defaultdict(Fraction),
            defaultdict(Fraction),
            defaultdict(Fraction),
        )
        self.last, self.bid, self.ask = {}, {}, {}

    def say(self, *words):
        self.seq += 1
        self.said.append((self.seq, *words))

    def record(self, place, trades, quoted, intents):
        for order in list(self.resting):
            hits = [row for row in trades if row.instrument == order["number"]]
            if hits and place > order["place"] and place[0] >= order["active_ns"]:
                self.resting.remove(order)
                self.fill(order, place, price=hits[0].price)
        intents.sort(
            key=lambda each: (each.signal.close_ns, each.signal.instrument, each.signal.strategy)
        )
        for intent in intents:
            self.decide(intent, place)
        for row in trades:
            self.last[row.instrument] = row.price
        for row in quoted:
            self.bid[row.instrument], self.ask[row.instrument] = row.bid, row.ask

    def decide(self, intent, place):
        desk, signal = self.desk, intent.signal
        name, size, ref = signal.instrument, Fraction(intent.size), Fraction(str(signal.ref_price))
        was = self.units.get(name, Fraction(0))
        after = was + signal.side * size
        others = sum(value for other, value in self.notional.items() if other != name)
        recent = [ns for ns in self.approved_ns if ns > place[0] - desk.limits.orders_window_ns]
        if abs(after) > desk.limits.position_max:
            reason = "POSITION_LIMIT"
        elif abs(after) > abs(was) and others + abs(after) * ref > desk.limits.gross_max:
            reason = "GROSS_LIMIT"
        elif len(recent) + 1 > desk.limits.orders_max:
            reason = "RATE_LIMIT"
        else:
            reason = ""
        self.say("decision", place[0], name, signal.strategy, signal.side, reason)
        if not reason:
            self.units[name], self.notional[name] = after, abs(after) * ref
            self.approved_ns.append(place[0])
            order = {
                "number": desk.number[name], "name": name, "strategy": signal.strategy, "place": place,
                "active_ns": place[0] + desk.latency_ns, "signed": signal.side * size,
            }  # fmt: skip
            self.resting.append(order)
            self.say("order", place[0], name, signal.strategy, signal.side)

    def fill(self, order, place, price):
        tick = Fraction(self.desk.instrument(order["name"]).tick)
        price = round(Fraction(str(price)) / tick) * tick
        key = (order["strategy"], order["name"])
        notional = abs(order["signed"]) * price
        self.held[key] += order["signed"]
        self.cash[key] -= order["signed"] * price
        self.fees[key] += notional * Fraction(self.desk.fee_rate)
        self.say(
            "fill",
            place,
            order["name"],
            order["strategy"],
            price,
            notional * Fraction(self.desk.fee_rate),
        )
        self.say("position", place[0], *key, self.held[key], self.cash[key], self.fees[key])
        self.sample_ns = (
            self.sample_ns or (place[0] // self.desk.sample_ns + 1) * self.desk.sample_ns
        )

    def sample_up_to(self, log_ns):
        while self.sample_ns and self.sample_ns <= log_ns:
            began_ns = self.sample_ns - self.desk.sample_ns
            if any(began_ns <= ns < self.sample_ns for ns in self.heard_ns):
                self.equity(self.sample_ns)
            self.sample_ns += self.desk.sample_ns

    def equity(self, at):
        for strategy in sorted({strategy for strategy, _ in self.held}):
            worth = fees = gross = Fraction(0)
            for (whose, name), held in self.held.items():
                if whose == strategy:
                    number = self.desk.number[name]
                    quoted = (self.bid if held > 0 else self.ask).get(number, float("nan"))
                    mark = Fraction(str(self.last[number] if quoted != quoted else quoted))  # noqa: PLR0124
                    worth += self.cash[whose, name] + held * mark
                    gross += abs(held) * mark
                    fees += self.fees[whose, name]
            self.say("equity", at, strategy, worth - fees, fees, gross)


def shortened(facts):
    """The desk's facts in the oracle's words."""
    return [(fact.seq, *WORDS[type(fact)](fact)) for fact in facts]


WORDS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    Decision: lambda it: ("decision", it.time_ns, it.instrument, it.strategy, it.side, it.reason),
    Order: lambda it: ("order", it.time_ns, it.instrument, it.strategy, it.side),
    Fill: lambda it: ("fill", (it.log_ns, it.partition, it.offset), it.instrument, it.strategy, it.price, it.fee),
    Position: lambda it: (
        "position", it.time_ns, it.strategy, it.instrument, it.quantity, it.realized - it.cost, it.fees,
    ),
    Equity: lambda it: ("equity", it.time_ns, it.strategy, it.equity, it.fees, it.gross),
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.turns(), st.sampled_from([*DESKS]))
def test_the_desk_says_what_working_off_every_record_by_its_place_says(log, sizes, turns, account):
    said = account_batches(log, sizes, STEPS, account)
    facts = run(STEPS["desk"], interleaved(said, turns))[1]
    assert shortened(facts) == worked_off(DESKS[account], said)


# --- a tape full of ties, and the rules that are wrong -------------------------------------------


def tied_log():
    """Every log time a whole second: most records share theirs with some of another partition."""
    drawn = {
        name: bytes((11 * i * i + 17 * i * k + 5 * k) % 241 for i in range(1500))
        for k, name in enumerate(PARTITIONS)
    }
    return {name: frames.records_of(name, mine, floored=True) for name, mine in drawn.items()}


def seen_in(ways, account="main"):
    """The facts of the tied log for every way of feeding it, pages of 7 as small ones show the most."""
    said = account_batches(tied_log(), [7], STEPS, account)
    return [shortened(run(STEPS["desk"], interleaved(said, turns))[1]) for turns in ways]


WAYS = [[], [0, 1, 2] * 300, [2, 1, 0, 1] * 300, [(i * i + i // 7) % 3 for i in range(900)]]


def test_ties_do_not_change_a_fact_nor_its_number():
    expected = worked_off(DESKS["main"], account_batches(tied_log(), [7], STEPS, "main"))
    assert len(expected) > 100
    assert seen_in(WAYS) == [expected] * len(WAYS)


def least(merge):
    return min(merge.frontier.values())


def horizon_by(rule):
    """Merge.advance with another rule for what is below the horizon."""

    def advance(self):
        if len(self.frontier) < len(self.partitions):
            return False
        horizon = rule(self)
        moved = horizon != self.horizon
        self.horizon = horizon
        return moved

    return advance


def test_the_loose_rule_is_caught(monkeypatch):
    #   everything with log_ns <= the least frontier's: a smaller name may still speak at that time
    loose = horizon_by(lambda merge: (least(merge)[0], LAST, MAX_NS))
    monkeypatch.setattr(Merge, "advance", loose)
    expected = worked_off(DESKS["main"], account_batches(tied_log(), [7], STEPS, "main"))
    assert any(seen != expected for seen in seen_in(WAYS))


def test_rows_at_the_horizon_taken_as_below_it_are_caught(monkeypatch):
    def at_or_below(place, partition, ticks):
        return int(np.searchsorted(ticks.log_ns, place[0], "right"))

    monkeypatch.setattr(merging, "rows_before", at_or_below)
    expected = worked_off(DESKS["main"], account_batches(tied_log(), [7], STEPS, "main"))
    assert any(seen != expected for seen in seen_in(WAYS))


def test_the_strict_rule_is_right_too(monkeypatch):
    #   everything with log_ns < the least frontier's: it only waits longer
    strict = horizon_by(lambda merge: (least(merge)[0], "", -1))
    monkeypatch.setattr(Merge, "advance", strict)
    expected = worked_off(DESKS["main"], account_batches(tied_log(), [7], STEPS, "main"))
    assert seen_in(WAYS) == [expected] * len(WAYS)


# --- the parts -------------------------------------------------------------------------------


def merge_of(*partitions):
    return Merge(partitions, Marks.empty(len(TABLE)))


def heard(merge, *given, partition, lo=0, end=False, **more):
    merge.add(
        account_batch(batch(*given, partition=partition, lo=lo, end=end, **more), account="main")
    )
    return merge.advance()


def test_nothing_is_certain_before_every_partition_has_spoken():
    merge = merge_of("a-0", "b-0")
    assert not heard(merge, tick(5 * S), partition="a-0")
    assert heard(merge, heartbeat(3 * S), partition="b-0")
    assert merge.horizon == (3 * S, "b-0", 1)


def test_one_partition_never_waits():
    merge = merge_of("a-0")
    assert heard(merge, tick(5 * S), tick(5 * S), partition="a-0")
    assert [len(each) for each in merge.trades_below_horizon("a-0")] == [2]


def test_the_horizon_is_the_least_place_that_can_still_come():
    #   a-0  5 5 .      b-0  5 .        at 5 a-0 may speak again, and what it says comes before b-0's
    merge = merge_of("a-0", "b-0")
    heard(merge, tick(5 * S), tick(5 * S), partition="a-0")
    heard(merge, tick(5 * S), partition="b-0")
    assert merge.horizon == (5 * S, "a-0", 2)
    assert [len(each) for each in merge.trades_below_horizon("a-0")] == [2]
    assert not list(merge.trades_below_horizon("b-0"))


def test_a_partition_waits_for_those_of_a_smaller_name_only():
    #   a-0  5 6 .      b-0  5 .        nothing at 5 can come any more but from b-0 itself
    merge = merge_of("a-0", "b-0")
    heard(merge, tick(5 * S), tick(6 * S), partition="a-0")
    heard(merge, tick(5 * S), partition="b-0")
    assert merge.horizon == (5 * S, "b-0", 1)
    assert [len(each) for each in merge.trades_below_horizon("a-0")] == [1]
    assert [len(each) for each in merge.trades_below_horizon("b-0")] == [1]


def test_after_its_end_a_partition_holds_nobody_back():
    merge = merge_of("a-0", "b-0")
    heard(merge, tick(5 * S), partition="a-0")
    heard(merge, partition="a-0", lo=1, end=True)
    heard(merge, tick(9 * S), partition="b-0")
    assert merge.horizon == (9 * S, "b-0", 1) and not merge.ended
    heard(merge, partition="b-0", lo=1, end=True)
    assert merge.ended


def test_an_empty_page_does_not_move_the_horizon_back():
    merge = merge_of("a-0")
    heard(merge, tick(5 * S), partition="a-0")
    heard(merge, partition="a-0", lo=1)
    assert merge.horizon == (5 * S, "a-0", 1)


def test_an_empty_page_lets_no_tick_be_forgotten_that_is_not_below_the_horizon():
    #   a-0  9 .  (empty)      b-0  5 .      the trade at 9 waits for b-0
    merge = merge_of("a-0", "b-0")
    heard(merge, tick(9 * S), partition="a-0")
    heard(merge, heartbeat(5 * S), partition="b-0")
    heard(merge, partition="a-0", lo=1)
    assert not list(merge.trades_below_horizon("a-0"))


@pytest.mark.parametrize("lo", [0, 2])
def test_a_page_lost_or_doubled_stops_the_run(lo):
    merge = merge_of("a-0")
    heard(merge, heartbeat(5 * S), partition="a-0")
    with pytest.raises(AssertionError, match="came where 1 was due"):
        heard(merge, heartbeat(6 * S), partition="a-0", lo=lo)


def test_a_partition_that_is_not_of_this_run_stops_it():
    with pytest.raises(AssertionError, match="not of this run"):
        heard(merge_of("a-0"), heartbeat(S), partition="c-0")


DECODED = Trades.concat(
    [batch(tick(4 * S), tick(5 * S), tick(5 * S), tick(6 * S), lo=10).market.trades]
)


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ((5 * S, "m-0", 11), 1),  # its own partition: by offset, that record not included
        ((5 * S, "m-0", 12), 2),
        ((7 * S, "m-0", 14), 4),
        ((5 * S, "a-0", 0), 1),  # of a smaller name: all before that time
        ((5 * S, "z-0", 0), 3),  # of a greater name: that time too
        ((MAX_NS, "m-0", 11), 4),  # its own end: everything
        ((MAX_NS, "a-0", 0), 4),
        ((MAX_NS, "z-0", 0), 4),
        ((4 * S, "a-0", 0), 0),
    ],
)
def test_rows_below_a_place(place, count):
    assert rows_before(place, "m-0", DECODED) == count
    assert sum((row.log_ns, "m-0", row.offset) < place for row in rows(DECODED)) == (
        4 if place[0] == MAX_NS else count
    )


def test_a_mark_is_what_the_position_could_be_closed_at():
    merge = merge_of("a-0")
    quoted = [(0, 5 * S, 1, 99.0, 101.0), (1, 6 * S, 1, 98.0, float("nan"))]
    trades = batch(tick(5 * S, 100.0, of=0), [tick(6 * S, 104.0, of=1)], partition="a-0")
    merge.add(account_batch(with_quotes(trades, *quoted), account="main"))
    merge.release_before((6 * S, "a-0", 1))
    assert merge.marks.closing_price(1, long=True) == 99.0  # the bid
    assert merge.marks.closing_price(1, long=False) == 101.0  # the ask
    assert merge.marks.closing_price(0, long=True) == 100.0  # no quote: the last trade
    merge.release_before((7 * S, "", -1))
    assert merge.marks.closing_price(1, long=True) == 98.0
    assert merge.marks.closing_price(1, long=False) == 104.0  # no ask any more: the last trade


def test_forgetting_takes_what_is_below_and_nothing_else():
    merge = merge_of("a-0")
    for lo in (0, 3):
        heard(
            merge,
            *(tick((lo + each) * S, float(lo + each)) for each in range(3)),
            partition="a-0",
            lo=lo,
        )
    merge.release_before((4 * S, "", -1))
    pending = merge.pending["a-0"]["trades"]
    assert [each.offset.tolist() for each in pending] == [[4, 5]]
    assert merge.marks.last[0] == 3.0
