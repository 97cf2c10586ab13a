"""An oracle of supervision: a loop over every record, in exact decimals, from the facts alone.

    records in log order ─▶ marks ┐
    facts at their places ────────┴─▶ is a limit exceeded here? ◀─▶ is there a StateChange here?

It knows nothing of bands, boxes and the watch of the desk. Rules: docs/risk.md 5.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tapeflow.schemas.accounts import Equity, Position
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.states import StateChange

DAY_NS = 86_400 * 10**9
FRESH_NS = 5 * 10**9
LOSSES = ("DAILY_LOSS", "DRAWDOWN")
BEGINNINGS = ("CHANGED", "CLOSING", "REDUCING")
EXPOSURES = ("POSITION_LIMIT", "GROSS_LIMIT", "NET_LIMIT", "LEVERAGE_LIMIT", "MARGIN")


@dataclass
class Market:
    """The newest prices of one instrument."""

    last: Fraction | None = None
    last_at: Any = ()
    bid: Fraction | None = None
    ask: Fraction | None = None
    quote_at: Any = ()
    mark: Fraction | None = None
    mark_ns: int = -(10**18)
    own: Fraction | None = None

    def add(self, row: Any, place: Any) -> None:
        """Apply a row: ("trade", price), ("quote", bid, ask) or ("mark", price)."""
        kind, *values = row
        if kind == "trade":
            self.last, self.last_at = Fraction(repr(values[0])), place
            return
        prices = [
            None if math.isnan(each) or each == 0 else Fraction(repr(each)) for each in values
        ]
        known = [each for each in prices if each is not None]
        if any(each >= 10**12 for each in known):
            return
        if kind == "mark":
            self.mark, self.mark_ns = prices[0], place[0]
        elif not (len(known) == 2 and prices[0] > prices[1]):
            (self.bid, self.ask), self.quote_at = prices, place

    def price(self, *, long: bool) -> Fraction | None:
        """Return the mark of a position."""
        newest = max([each[0] for each in (self.last_at, self.quote_at) if each], default=-(10**18))
        if newest - self.mark_ns <= FRESH_NS and self.near(self.mark):
            return self.mark
        side = self.bid if long else self.ask
        if self.quote_at >= self.last_at and self.near(side):
            return side
        return self.own if self.last is None else self.last

    def near(self, price: Fraction | None) -> bool:
        """Return whether a price is of the market of the last trade."""
        if price is None or self.last is None:
            return price is not None
        return self.last / 10 <= price <= self.last * 10


@dataclass
class Oracle:
    """Checks each place of a log; `differences` are those it found."""

    settings: Any
    markets: dict[int, Market] = field(default_factory=lambda: defaultdict(Market))
    positions: dict[Any, Position] = field(default_factory=dict)
    orders: dict[str, tuple[Order, Decimal]] = field(default_factory=dict)  # with what is open
    states: dict[str, str] = field(default_factory=dict)
    closings: set[str] = field(default_factory=set)
    day_profit: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    peaks: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    guards: dict[Any, Any] = field(default_factory=dict)  # begin, best, even
    day: int | None = None
    differences: list[str] = field(default_factory=list)

    # --- facts --------------------------------------------------------------------------------

    def add_fact(self, fact: Any) -> None:
        """Apply what a fact says has changed."""
        if isinstance(fact, Order) and fact.role == "entry" and not fact.reduce_only:
            self.orders[fact.id] = (fact, fact.size)
        elif isinstance(fact, OrderEvent) and fact.end:
            self.orders.pop(fact.order_id, None)
        elif isinstance(fact, Fill):
            order, left = self.orders.get(fact.order_id, (None, Decimal(0)))
            if order is not None:
                self.orders[fact.order_id] = (order, left - fact.size)
            number = self.settings.instruments.number[fact.instrument]
            self.markets[number].own = Fraction(fact.price)
        elif isinstance(fact, Position):
            self.add_position(fact)
        elif isinstance(fact, StateChange):
            self.states[fact.scope] = fact.state
            if fact.event in ("CLOSING", "REDUCING") or fact.state == "KILLED":
                self.closings.add(fact.scope)
            if fact.event in ("FLAT", "REDUCED"):
                self.closings.discard(fact.scope)

    def add_position(self, after: Position) -> None:
        """Apply a position after a fill; what protects it begins with its first fill."""
        key = (after.account, after.strategy, after.instrument)
        before = self.positions.get(key)
        was = before.quantity if before else Decimal(0)
        self.positions[key] = after
        if was * after.quantity <= 0:
            self.guards.pop(key, None)
            if after.quantity:
                best = float(self.entry(after)) if self.trails_at_once(key) else None
                self.guards[key] = {"begin": after.time_ns, "best": best, "even": False}

    def trails_at_once(self, key: Any) -> bool:
        """Return whether a position has a stop behind its best mark from its first fill on."""
        rules = next((each for each in self.settings.protections if each.holds(*key[1:])), None)
        return rules is not None and rules.trail_bps is not None and not rules.trail_after_bps

    def entry(self, position: Position) -> Fraction:
        """Return the average entry price."""
        row = self.settings.instruments.get(position.instrument)
        units, cost = (
            Fraction(position.quantity) * Fraction(row.multiplier),
            Fraction(position.cost),
        )
        return -units / cost if row.inverse else cost / units

    # --- money --------------------------------------------------------------------------------

    def price(self, name: str, *, long: bool) -> Fraction | None:
        """Return the mark of an instrument."""
        return self.markets[self.settings.instruments.number[name]].price(long=long)

    def rate(self, row: Any) -> Fraction | None:
        """Return what the settlement currency of an instrument is worth."""
        if row.settlement in ("USD", "USDT"):
            return Fraction(1)
        if row.inverse:
            return self.price(row.id, long=True)
        pairs = [
            each
            for each in self.settings.instruments.rows
            if each.is_spot and each.base == row.settlement and each.quote in ("USD", "USDT")
        ]
        return self.price(min(pairs, key=lambda each: each.id).id, long=True) if pairs else None

    def profit(self, scope: str) -> Fraction | None:
        """Return what a scope has made; None where a rate is not known."""
        total = Fraction(0)
        for (account, strategy, name), position in self.positions.items():
            if scope not in ("portfolio", f"account:{account}", f"strategy:{strategy}"):
                continue
            row, quantity = self.settings.instruments.get(name), Fraction(position.quantity)
            made = (
                Fraction(position.realized) - Fraction(position.fees) + Fraction(position.funding)
            )
            if quantity:
                mark, units = (
                    self.price(name, long=quantity > 0),
                    quantity * Fraction(row.multiplier),
                )
                made += (-units / mark if row.inverse else units * mark) - Fraction(position.cost)
            if made:
                rate = self.rate(row)
                if rate is None:
                    return None
                total += made * rate
        return total

    def exposure(self, scope: str) -> tuple[Fraction, Fraction, Decimal] | None:
        """Return gross, net and the largest position of a scope, worst case by side."""
        held: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for (account, strategy, name), position in self.positions.items():
            if scope in ("portfolio", f"account:{account}", f"strategy:{strategy}"):
                units, buys, sells = held[name]
                held[name] = [units + position.quantity, buys, sells]
        for order, left in self.orders.values():
            if scope in ("portfolio", f"account:{order.account}", f"strategy:{order.strategy}"):
                units, buys, sells = held[order.instrument]
                more = [left, Decimal(0)] if order.side > 0 else [Decimal(0), left]
                held[order.instrument] = [units, buys + more[0], sells + more[1]]
        gross, longs, shorts, largest = Fraction(0), Fraction(0), Fraction(0), Decimal(0)
        for name, (units, buys, sells) in held.items():
            if not (units or buys or sells):
                continue
            longest, shortest = units + buys, units - sells
            sides = [self.notional(name, each) for each in (longest, shortest)]
            if None in sides:
                return None
            gross += max(map(abs, sides))
            longs, shorts = longs + sides[0], shorts + sides[1]
            largest = max(largest, abs(longest), abs(shortest))
        return gross, max(abs(longs), abs(shorts)), largest

    def notional(self, name: str, units: Decimal) -> Fraction | None:
        """Return the signed notional of units at the side where they would be closed."""
        row, price = self.settings.instruments.get(name), self.price(name, long=units > 0)
        if price is None:
            return None
        each = Fraction(row.multiplier) * (1 if row.inverse else price)
        rate = self.rate(row) if row.contract == "quanto" else Fraction(1)
        return None if rate is None else Fraction(units) * each * rate

    # --- limits -------------------------------------------------------------------------------

    def find_exceeded(self, scope: str, limits: Any) -> set[str]:
        """Return the rules of a scope that are exceeded here."""
        found, profit = set(), self.profit(scope)
        capital = Fraction(
            sum(
                each.capital or 0
                for name, each in self.settings.accounts.items()
                if scope in ("portfolio", f"account:{name}")
            )
        )
        if profit is not None and limits.daily_loss is not None:
            is_lost = self.day_profit[scope] - profit > Fraction(limits.daily_loss)
            found |= {"DAILY_LOSS"} if is_lost else set()
        if profit is not None and limits.drawdown is not None:
            floor = (capital + self.peaks[scope]) * (1 - Fraction(repr(limits.drawdown)))
            found |= {"DRAWDOWN"} if capital + profit < floor else set()
        sums = self.exposure(scope) if limits.holds_exposure else None
        if sums is None:
            return found
        gross, net, largest = sums
        is_held = limits.on_exceed == "reduce"
        if is_held and limits.position_max is not None and largest > limits.position_max:
            found.add("POSITION_LIMIT")
        if is_held and limits.gross_max is not None and gross > Fraction(limits.gross_max):
            found.add("GROSS_LIMIT")
        if is_held and limits.net_max is not None and net > Fraction(limits.net_max):
            found.add("NET_LIMIT")
        if profit is not None and gross:
            equity = capital + profit
            if is_held and limits.leverage_max is not None:
                is_over = equity <= 0 or gross > Fraction(limits.leverage_max) * equity
                found |= {"LEVERAGE_LIMIT"} if is_over else set()
            if limits.margin_min is not None and equity < Fraction(limits.margin_min) * gross:
                found.add("MARGIN")
        return found

    def find_reached(self, key: Any, now_ns: int) -> str | None:
        """Ratchet the stop of a protected position; return the rule that closes it here."""
        rules = next((each for each in self.settings.protections if each.holds(*key[1:])), None)
        if rules is None:
            return None
        guard, position = self.guards[key], self.positions[key]
        side, entry = (1 if position.quantity > 0 else -1), float(self.entry(position))
        mark = float(self.price(key[2], long=side > 0))
        if rules.break_even_bps is not None:
            guard["even"] |= side * (mark - entry * (1 + side * rules.break_even_bps / 1e4)) >= 0
        if rules.trail_bps is not None and guard["best"] is None:
            if side * (mark - entry * (1 + side * rules.trail_after_bps / 1e4)) >= 0:
                guard["best"] = mark
        elif side * (mark - (guard["best"] or mark) * (1 + side * rules.trail_step_bps / 1e4)) >= 0:
            guard["best"] = mark
        stops = [entry] if guard["even"] else []
        if rules.stop_bps is not None:
            stops.append(entry * (1 - side * rules.stop_bps / 1e4))
        if rules.trail_bps is not None and guard["best"] is not None:
            stops.append(guard["best"] * (1 - side * rules.trail_bps / 1e4))
        if any(side * (mark - each) <= 0 for each in stops):
            return "stop"
        take = rules.take_bps
        if take is not None and side * (mark - entry * (1 + side * take / 1e4)) >= 0:
            return "take"
        is_old = rules.time_ns is not None and now_ns >= guard["begin"] + rules.time_ns
        return "time" if is_old else None

    # --- places -------------------------------------------------------------------------------

    def note_time(self, place: Any) -> None:
        """Note what a place begins, at the marks before its records: a day."""
        day = place[0] // DAY_NS
        if self.day is not None and day > self.day:
            for scope in self.settings.risk.limits:
                profit = self.profit(scope)
                self.day_profit[scope] = Fraction(0) if profit is None else profit
        self.day = day

    def note_sample(self) -> None:
        """Note the profit of each scope where equity is sampled."""
        for scope in self.settings.risk.limits:
            profit = self.profit(scope)
            if profit is not None:
                self.peaks[scope] = max(self.peaks[scope], profit)

    def check_begun(self, place: Any, fact: StateChange) -> None:
        """Compare what the desk has begun at a place with what is exceeded there."""
        limits = self.settings.risk.limits.get(fact.scope)
        if limits is not None and fact.rule in (*LOSSES, *EXPOSURES):
            is_exceeded = fact.rule in self.find_exceeded(fact.scope, limits)
            self.differences += [] if is_exceeded else [f"{place} {fact.scope} {fact.rule}: no"]
        for key in [*self.guards]:
            if fact.scope == f"position:{'/'.join(key)}" and not self.find_reached(key, place[0]):
                self.differences.append(f"{place} {fact.scope}: closed without a reason")

    def check_place(self, place: Any) -> None:
        """Compare what is exceeded after a place with what the desk is doing about it."""
        for scope, limits in self.settings.risk.limits.items():
            state, is_closing = self.states.get(scope, "ACTIVE"), scope in self.closings
            for rule in self.find_exceeded(scope, limits):
                is_halted = rule in LOSSES and state in ("HALTED", "KILLED")
                if not (is_halted or (rule in EXPOSURES and is_closing)):
                    self.differences.append(f"{place} {scope} {rule}: nothing was done")
        for key in [*self.guards]:
            reached, scope = self.find_reached(key, place[0]), f"position:{'/'.join(key)}"
            if reached and not any(self.covers(each, key) for each in self.closings):
                self.differences.append(f"{place} {scope} {reached}: not closed")

    def covers(self, scope: str, key: Any) -> bool:
        """Return whether a scope that is being closed holds a position."""
        account, strategy, _ = key
        return scope in (
            "portfolio", f"account:{account}", f"strategy:{strategy}", f"position:{'/'.join(key)}",
        )  # fmt: skip


def compare(settings: Any, records: list[Any], facts: list[Any]) -> Oracle:
    """Compare facts with a loop over the records (place, instrument, rows); return the oracle."""
    oracle, at = Oracle(settings), facts_by_place(facts)
    rows = {place: (instrument, found) for place, instrument, found in records}
    last_ns = max(rows)[0]
    midnights = {((place[0] // DAY_NS) * DAY_NS, "", -1) for place in rows}
    for place in sorted({*at, *rows, *(each for each in midnights if each > min(rows))}):
        oracle.note_time(place)
        if place in rows:
            instrument, found = rows[place]
            for row in found:
                oracle.markets[instrument].add(row, place)
        for fact in at.get(place, ()):
            if isinstance(fact, Equity) and place[0] < last_ns:
                oracle.note_sample()
            if isinstance(fact, StateChange) and fact.cause == "rule" and fact.event in BEGINNINGS:
                oracle.check_begun(place, fact)
            oracle.add_fact(fact)
        oracle.check_place(place)
    return oracle


def facts_by_place(facts: list[Any]) -> dict[Any, list[Any]]:
    """Return the facts at each place, in their order; those without a place follow the others."""
    at: dict[Any, list[Any]] = defaultdict(list)
    now: Any = (-(10**18), "", -1)
    for fact in facts:
        if isinstance(fact, StateChange | Order):
            now = max(now, (fact.time_ns, fact.partition, fact.offset))
        elif isinstance(fact, Fill):
            now = max(now, (fact.log_ns, fact.partition, fact.offset))
        elif fact.time_ns > now[0]:
            now = (fact.time_ns, "", -1)
        at[now].append(fact)
    return at
