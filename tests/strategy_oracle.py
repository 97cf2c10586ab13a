"""An oracle of strategies in the merge, from docs/strategies.md and docs/paper.md alone.

All records of all partitions in the order of the log, one after another; plain lists and numbers. No
batches, no horizon, no heaps: only the model `trade` by the log's clock, market orders and stops.
"""

from collections import defaultdict
from decimal import Decimal
from types import SimpleNamespace

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.accounts import Decision, Position
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.strategy import Target
from tests.laws import rows


def records_of(decided, ids):
    """Return the trades and the bars of each place."""
    records = defaultdict(lambda: ([], []))
    for batches in decided.values():
        for batch in batches:
            for trade in rows(batch.market.trades):
                if trade.verdict == ACCEPTED and 1e-12 <= trade.price < 1e12:
                    records[trade.log_ns, batch.partition, trade.offset][0].append(trade)
            for bar in batch.bars.values(batch.partition, ids):
                records[bar.log_ns, batch.partition, bar.offset][1].append(bar)
    return records


class Oracle:
    """Calls strategies and fills their orders, a record at a time; it is their context too."""

    def __init__(self, settings: DeskSettings):
        self.settings, self.facts, self.number = settings, defaultdict(list), 0
        self.strategies = sorted(settings.strategies, key=lambda each: each.name.encode())
        self.state = {each.name: each.strategy.start() for each in self.strategies}
        self.working, self.waiting, self.prices = [], [], {}
        self.held, self.cash, self.units = (defaultdict(Decimal) for _ in range(3))
        self.approved_ns = defaultdict(list)

    def run(self, records):
        """Return the facts of each account, as short tuples."""
        for place in sorted(records):
            self.place, (trades, bars) = place, records[place]
            fills = [each for row in trades for each in self.meet(row)]
            for order, price in fills:
                self.book(order, price)
            self.call_waiting()
            for bar in sorted(bars, key=lambda each: (each.close_ns, each.instrument.encode())):
                for each in self.strategies:
                    if bar.instrument in each.instruments:
                        cause = bar_id(bar.instrument, bar.open_ns, bar.close_ns)
                        self.call(each, "on_bar", bar, cause)
                self.call_waiting()
        return self.facts

    def meet(self, row):
        """Return the orders that a trade fills; stops that it triggers meet later rows."""
        name, price = self.settings.instruments.ids[row.instrument], Decimal(repr(row.price))
        self.prices[name] = row.price
        seen = [
            each for each in sorted(self.working, key=lambda it: (it["at"], it["number"]))
            if each["instrument"] == name and each["since"] < self.place and each["at"] <= row.log_ns
        ]  # fmt: skip
        filled = [each for each in seen if each["trigger"] is None]
        for each in filled:
            self.working.remove(each)
        for each in seen:
            if each["trigger"] is not None and price <= each["trigger"]:
                each.update(trigger=None, since=self.place, at=max(each["at"], row.log_ns))
        return [(each, price) for each in filled]

    def book(self, order, price):
        """Change the position, and send the exits of what is filled."""
        key, signed = (order["by"].name, order["instrument"]), order["side"] * order["size"]
        self.held[key] += signed
        self.cash[key] -= signed * price
        if order["role"] == "exit":
            self.units[order["by"].account, order["instrument"]] += signed
        facts = self.facts[order["by"].account]
        facts.append(("fill", self.place, *key, order["side"], order["size"], price))
        facts.append(("position", self.place[0], *key, self.held[key], self.cash[key]))
        self.waiting.append((order["by"], "on_fill", SimpleNamespace(**order, price=price), ""))
        for leg in order["exits"]:
            self.send(
                order["by"], order["instrument"], leg.side, leg.size, leg.terms.trigger, "exit"
            )

    def send(self, by, instrument, side, size, trigger, role, exits=()):
        """Send an order to the venue."""
        at, self.number = self.place[0] + self.settings.paper.entry.constant_ns, self.number + 1
        self.working.append({
            "by": by, "instrument": instrument, "side": side, "size": size, "trigger": trigger, "role": role,
            "exits": exits, "since": self.place, "at": at, "number": self.number,
        })  # fmt: skip

    def call_waiting(self):
        """Call strategies with what waits for them, in the order in which it came about."""
        while self.waiting:
            self.call(*self.waiting.pop(0))

    def call(self, by, handler, event, cause):
        """Call a strategy, and decide each of its requests at once."""
        self.by, number = by, 0
        for request in getattr(by.strategy, handler)(self.state[by.name], event, self):
            is_first = (
                handler == "on_bar" and number == 0 and request.instrument == event.instrument
            )
            parts = (by.name, cause) if is_first else (by.name, cause, number)
            number += self.decide(by, request, derive_id("signal", *parts) if cause else "")

    def decide(self, by, request, signal_id):
        """Approve a request or refuse it; return whether it asked for anything."""
        name, log_ns, limits = (
            request.instrument,
            self.place[0],
            self.settings.accounts[by.account].limits,
        )
        side, size, exits = getattr(request, "side", 0), by.size, ()
        if isinstance(request, Target):
            on_way = sum(each["side"] * each["size"] for each in self.working
                         if (each["by"], each["instrument"], each["role"]) == (by, name, "entry"))  # fmt: skip
            missing = request.size - self.held[by.name, name] - on_way
            side, size = (1 if missing > 0 else -1), abs(missing)
            if not missing:
                return False
        else:
            exits = request.exits
        recent = [
            ns for ns in self.approved_ns[by.account] if ns > log_ns - limits.orders_window_ns
        ]
        after = self.units[by.account, name] + side * size
        reason = "POSITION_LIMIT" if abs(after) > limits.position_max else ""
        reason = reason or ("RATE_LIMIT" if len(recent) >= limits.orders_max else "")
        facts = self.facts[by.account]
        facts.append(("decision", log_ns, by.name, name, side, size, reason, signal_id))
        if reason:
            self.waiting.append((by, "on_refusal", reason, ""))
            return True
        self.units[by.account, name] = after
        self.approved_ns[by.account].append(log_ns)
        facts.append(("order", log_ns, by.name, name, side, size, "entry", signal_id))
        for leg in exits:
            facts.append(("decision", log_ns, by.name, name, leg.side, leg.size, "", signal_id))
            facts.append(("order", log_ns, by.name, name, leg.side, leg.size, "exit", signal_id))
        self.send(by, name, side, size, None, "entry", exits)
        return True

    # --- what a strategy sees: only what the subjects ask for

    def last(self, instrument):
        """Return the price of the last trade."""
        return self.prices.get(instrument)

    def holding(self, instrument):
        """Return the position of the strategy that is called."""
        return self.held[self.by.name, instrument]

    def orders(self, instrument):
        """Return its orders that work."""
        return [
            each
            for each in self.working
            if (each["by"], each["instrument"]) == (self.by, instrument)
        ]

    def instrument(self, instrument):
        """Return the facts of an instrument."""
        return self.settings.instruments.get(instrument)

    def size(self, _instrument):
        """Return the size that the job declares."""
        return self.by.size


def summaries(facts, account):
    """Return the facts of a desk as the oracle's short tuples; the ids of signals of bars only."""
    own = [each for each in facts if getattr(each, "account", "") == account]
    return [SUMMARIES[type(each)](each) for each in own if type(each) in SUMMARIES]


SUMMARIES = {
    Decision: lambda it: (
        "decision", it.time_ns, it.strategy, it.instrument, it.side, it.size, it.reason, it.signal_id,
    ),
    Order: lambda it: (
        "order", it.time_ns, it.strategy, it.instrument, it.side, it.size, it.role, it.signal_id,
    ),
    Fill: lambda it: (
        "fill", (it.log_ns, it.partition, it.offset), it.strategy, it.instrument, it.side, it.size, it.price,
    ),
    Position: lambda it: (
        "position", it.time_ns, it.strategy, it.instrument, it.quantity, it.realized - it.cost,
    ),
}  # fmt: skip
