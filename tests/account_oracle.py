"""An oracle of the desk: every record of every partition by its position, one after another.

Plain lists and exact fractions; no batches, no horizon, no heaps. A fact is a short tuple.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.orders import Fill, Order
from tests.laws import rows


def expected_facts(
    settings: DeskSettings, account: str, decided: Mapping[str, Sequence[Batch]]
) -> list[tuple[Any, ...]]:
    """Return the facts that a desk must send for these batches, by partition, as short tuples.

    All of their ticks are looked at, not only those that the desk is sent.
    """
    records = defaultdict(lambda: ([], [], [], []))  # trades, quotes, mark prices, intents
    for batches in decided.values():
        for batch in batches:
            if batch.next_offset > batch.first_offset:
                # the last record is one of the log, even without a tick
                records[int(batch.log_ns[-1]), batch.partition, batch.next_offset - 1]
            for trade in rows(batch.market.trades):
                if trade.verdict == ACCEPTED and 1e-12 <= trade.price < 1e12:
                    records[trade.log_ns, batch.partition, trade.offset][0].append(trade)
            for quote in rows(batch.market.quotes):
                records[quote.log_ns, batch.partition, quote.offset][1].append(quote)
            for mark in rows(batch.market.mark_prices):
                records[mark.log_ns, batch.partition, mark.offset][2].append(mark)
            for intent in batch.intents:
                if intent.account == account:
                    records[intent.signal.position][3].append(intent)
    oracle = AccountOracle(settings, account)
    for position in sorted(records):
        trades, quotes, marks, intents = records[position]
        oracle.sample_up_to(position[0])
        oracle.process(position, trades, intents)
        oracle.update_prices(position, trades, quotes, marks)
        if trades or quotes or marks:
            oracle.tick_ns.append(position[0])
    if oracle.sample_ns:
        oracle.sample(max(log_ns for log_ns, *_ in records))
    return oracle.facts


class AccountOracle:
    """One account, a record at a time."""

    def __init__(self, settings, account):
        self.settings, self.facts, self.sample_ns = settings, [], 0
        self.limits = settings.accounts[account].limits
        self.tick_ns = []  # log times of ticks
        self.resting, self.units, self.notional, self.approved_ns = [], {}, {}, []
        self.quantity = defaultdict(Fraction)  # all three by (strategy, instrument)
        self.cash = defaultdict(Fraction)
        self.fees = defaultdict(Fraction)
        self.prices = defaultdict(dict)  # by instrument: "last", "bid", .. -> (price, position)

    def add(self, *fact):
        self.facts.append((len(self.facts) + 1, *fact))

    def process(self, position, trades, intents):
        for order in list(self.resting):
            matches = [row for row in trades if row.instrument == order["number"]]
            is_active = position > order["position"] and position[0] >= order["active_ns"]
            if matches and is_active:
                self.resting.remove(order)
                self.fill(order, position, matches[0].price)
        intents.sort(
            key=lambda each: (each.signal.close_ns, each.signal.instrument, each.signal.strategy)
        )
        for intent in intents:
            self.decide(intent, position)

    def update_prices(self, position, trades, quotes, marks):
        for row in trades:
            self.prices[row.instrument]["last"] = row.price, position
        for row in quotes:
            sides = [price for price in (row.bid, row.ask) if not math.isnan(price) and price != 0]
            if sides == sorted(sides) and all(1e-12 <= price < 1e12 for price in sides):
                self.prices[row.instrument]["bid"] = row.bid, position
                self.prices[row.instrument]["ask"] = row.ask, position
        for row in marks:
            if math.isnan(row.mark) or row.mark == 0 or 1e-12 <= row.mark < 1e12:
                self.prices[row.instrument]["mark"] = row.mark, position

    def mark_of(self, number, quantity):
        """Return the price of a position and its log time: the newest but for the venue's own."""
        prices = self.prices[number]
        last = prices["last"]
        near = {
            name: each for name, each in prices.items() if last[0] / 10 <= each[0] <= last[0] * 10
        }
        newest_ns = max(prices[name][1][0] for name in ("last", "bid") if name in prices)
        if "mark" in near and near["mark"][1][0] >= newest_ns - 5_000_000_000:
            price, position = near["mark"]
        else:
            quote = near.get("bid" if quantity > 0 else "ask", last)
            price, position = quote if quote[1] >= last[1] else last
        return Fraction(str(price)), position[0]

    def decide(self, intent, position):
        settings, signal, log_ns = self.settings, intent.signal, position[0]
        name, size, ref = signal.instrument, Fraction(intent.size), Fraction(str(signal.ref_price))
        before = self.units.get(name, Fraction(0))
        after = before + signal.side * size
        others = sum(value for other, value in self.notional.items() if other != name)
        recent = [ns for ns in self.approved_ns if ns > log_ns - self.limits.orders_window_ns]
        if abs(after) > self.limits.position_max:
            reason = "POSITION_LIMIT"
        elif abs(after) > abs(before) and others + abs(after) * ref > self.limits.gross_max:
            reason = "GROSS_LIMIT"
        elif len(recent) + 1 > self.limits.orders_max:
            reason = "RATE_LIMIT"
        else:
            reason = ""
        self.add("decision", log_ns, name, signal.strategy, signal.side, reason)
        if not reason:
            self.units[name], self.notional[name] = after, abs(after) * ref
            self.approved_ns.append(log_ns)
            order = {
                "number": settings.instruments.number[name], "name": name, "strategy": signal.strategy, "position": position,
                "active_ns": log_ns + settings.paper.entry.constant_ns, "signed": signal.side * size,
            }  # fmt: skip
            self.resting.append(order)
            self.add("order", log_ns, name, signal.strategy, signal.side)

    def fill(self, order, position, price):
        price = Fraction(str(price))
        key = (order["strategy"], order["name"])
        fee = abs(order["signed"]) * price * Fraction(self.settings.money.fees.other.tiers[0].taker)
        self.quantity[key] += order["signed"]
        self.cash[key] -= order["signed"] * price
        self.fees[key] += fee
        self.add("fill", position, order["name"], order["strategy"], price, fee)
        held = (self.quantity[key], self.cash[key], self.fees[key])
        self.add("position", position[0], *key, *held)
        interval_ns = self.settings.sample_ns
        self.sample_ns = self.sample_ns or (position[0] // interval_ns + 1) * interval_ns

    def sample_up_to(self, log_ns):
        while self.sample_ns and self.sample_ns <= log_ns:
            begin_ns = self.sample_ns - self.settings.sample_ns
            if any(begin_ns <= ns < self.sample_ns for ns in self.tick_ns):
                self.sample(self.sample_ns)
            self.sample_ns += self.settings.sample_ns

    def sample(self, time_ns):
        for strategy in sorted({strategy for strategy, _ in self.quantity}):
            value = fees = gross = Fraction(0)
            oldest_ns = time_ns
            for key, quantity in self.quantity.items():
                if key[0] == strategy:
                    value, fees = value + self.cash[key], fees + self.fees[key]
                    if quantity:
                        number = self.settings.instruments.number[key[1]]
                        mark, mark_ns = self.mark_of(number, quantity)
                        value, gross = value + quantity * mark, gross + abs(quantity) * mark
                        oldest_ns = min(oldest_ns, mark_ns)
            stale_ns = oldest_ns if time_ns - oldest_ns > self.settings.stale_mark_ns else None
            self.add("equity", time_ns, strategy, value - fees, fees, gross, stale_ns)


def summaries(facts: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the facts of a desk as the oracle's short tuples."""
    return [(fact.seq, *SUMMARIES[type(fact)](fact)) for fact in facts]


SUMMARIES: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    Decision: lambda it: ("decision", it.time_ns, it.instrument, it.strategy, it.side, it.reason),
    Order: lambda it: ("order", it.time_ns, it.instrument, it.strategy, it.side),
    Fill: lambda it: ("fill", (it.log_ns, it.partition, it.offset), it.instrument, it.strategy, it.price, it.fee),
    Position: lambda it: (
        "position", it.time_ns, it.strategy, it.instrument, it.quantity, it.realized - it.cost, it.fees,
    ),
    Equity: lambda it: ("equity", it.time_ns, it.strategy, it.equity, it.fees, it.gross, it.stale_mark_ns),
}  # fmt: skip
