"""Checks the calls that a witness wrote down against docs/strategies.md.

calls, in their order ─▶ Checker ─▶ before each: all records up to its place, one after another
                                      rows meet watches, and change what is known of the market
"""

import math
from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.market import ACCEPTED
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill
from tests.laws import rows
from tests.plain_flow import IDS

LOW, HIGH = 1e-12, 1e12  # of prices that are traded
FACTS = {"on_fill": Fill, "on_order": OrderEvent, "on_refusal": Decision}


class Record(NamedTuple):
    """The rows of one record with the names of their tables, and the bars that it closed."""

    rows: list[tuple[str, Any]]
    bars: list[tuple[str, Any, dict[str, float]]]  # kind, bar, features


def records_of(decided):
    """Return the records of a log by their place, in its order."""
    found = defaultdict(lambda: Record([], []))
    for batches in decided.values():
        for batch in batches:
            for offset, log_ns in enumerate(batch.log_ns.tolist(), batch.first_offset):
                found[log_ns, batch.partition, offset]  # a record without a row too
            for table in ("trades", "quotes", "mark_prices"):
                for row in rows(getattr(batch.market, table)):
                    if table != "trades" or (row.verdict == ACCEPTED and LOW <= row.price < HIGH):
                        found[row.log_ns, batch.partition, row.offset].rows.append((table, row))
            for kind, bars in {"": batch.bars, **batch.other_bars}.items():
                computed = {
                    need: values for need, values in {"score": batch.scores, **batch.features}.items()
                    if need.partition("@")[2] == kind and len(values) == len(bars)
                }  # fmt: skip
                for number, bar in enumerate(bars.values(batch.partition, IDS)):
                    features = {need: float(values[number]) for need, values in computed.items()}
                    place = bar.log_ns, batch.partition, bar.offset
                    found[place].bars.append((kind, bar, features))
    for record in found.values():
        record.bars.sort(key=lambda it: (it[1].close_ns, it[0], it[1].instrument.encode()))
    return dict(sorted(found.items()))


def sides_of(quote):
    """Return bid and ask of a quote, None for an empty side; None for a quote of no market."""
    bid, ask = (None if math.isnan(p) or p == 0 else p for p in (quote.bid, quote.ask))
    is_crossed = bid is not None and ask is not None and bid > ask
    if is_crossed or not all(p is None or LOW <= p < HIGH for p in (bid, ask)):
        return None
    return bid, ask


class Checker:
    """Goes through the calls of one strategy, and the records before each."""

    def __init__(self, row, kinds, records):
        self.witness, self.traded, self.kinds = row.strategy, row.instruments, kinds
        self.size = row.size
        self.waiting, self.place = list(records.items()), (0, "", 0)
        self.record, self.bars, self.is_late = Record([], []), [], False
        self.watches, self.met, self.timers = {}, [], {}
        self.market = defaultdict(lambda: dict.fromkeys(
            ("last", "bid", "ask", "bid_size", "ask_size", "mark", "at")
        ))  # fmt: skip
        self.closes = defaultdict(list)  # by kind and instrument
        self.features = {}  # by need and instrument
        self.held, self.phases = defaultdict(Decimal), {}

    def check_all(self, calls):
        """Check all calls of a log."""
        for call in calls:
            if tuple(call.place) != self.place:
                self.go_to(tuple(call.place))
            getattr(self, f"check_{call.handler}", lambda _: None)(call)
            self.check_context(call)
            self.take_requests(call)
        self.go_to((2**63, "", 0))

    def go_to(self, place):
        """Pass the records up to a place; its own is the last of them."""
        self.pass_bars()
        while self.waiting and self.waiting[0][0] <= place:
            self.place, self.record = self.waiting.pop(0)
            assert not self.due_before(self.place[0] + 1), "a timer is before records of its time"
            self.pass_bars()
            self.bars = list(self.record.bars)
            for table, row in self.record.rows:
                self.meet(table, row)
                self.learn(table, row, self.market[IDS[row.instrument]])
        if self.place != place:
            self.pass_bars()
        assert place[0] == 2**63 or not self.due_before(place[0]), "timers come in their order"
        self.place, self.is_late = place, False

    def pass_bars(self, last=None):
        """Learn the bars of this record, up to one of them; nothing may have been left out."""
        assert not self.met, "a watch that was met is told at its record"
        while self.bars:
            kind, bar, features = self.bars.pop(0)
            for need, value in features.items():
                self.features[need, bar.instrument] = None if math.isnan(value) else value
            self.closes[kind, bar.instrument].append(bar.close)
            if last is not None and (bar.instrument, bar.open_ns, bar.close_ns) == tuple(last):
                return
            is_called = bar.instrument in self.traded and kind in self.kinds
            assert not is_called, "each bar of an instrument that it trades is told, in order"
        assert last is None, "a bar of this record, told once"

    def due_before(self, log_ns):
        """Return the timers that are due before a log time."""
        return [(due, name) for name, due in self.timers.items() if due < log_ns]

    def meet(self, table, row):
        """Let the price watches meet a row."""
        prices = {"trade": row.price} if table == "trades" else {}
        if table == "mark_prices" and LOW <= row.mark < HIGH:
            prices = {"mark": row.mark}
        if table == "quotes" and (sides := sides_of(row)) is not None:
            prices = dict(zip(("bid", "ask"), sides, strict=True))
        for key, watch in [*self.watches.items()]:
            price = prices.get(watch.on)
            if price is not None and watch.instrument == IDS[row.instrument]:
                below = watch.below is not None and price <= watch.below
                if below or (watch.above is not None and price >= watch.above):
                    del self.watches[key]
                    self.met.append((*key, price))

    def learn(self, table, row, known):
        """Learn what a row says of the market."""
        if table == "trades":
            known.update(last=row.price, at=row.log_ns)
        elif table == "mark_prices":
            if math.isnan(row.mark) or row.mark == 0 or LOW <= row.mark < HIGH:
                known.update(mark=row.mark if row.mark > 0 else None)
        elif (sides := sides_of(row)) is not None:
            sizes = [
                None if side is None or math.isnan(size) else size
                for side, size in zip(sides, (row.bid_size, row.ask_size), strict=True)
            ]
            known.update(bid=sides[0], ask=sides[1], bid_size=sizes[0], ask_size=sizes[1])
            known.update(at=row.log_ns)

    def check_on_price(self, call):
        """Check that it is the next watch that was met."""
        assert self.met and self.met.pop(0) == tuple(call.waited), "once, at the exact row"

    def check_on_timer(self, call):
        """Check that it is the first timer that is due."""
        name, due_ns, now_ns = call.timer
        assert (due_ns, name) == min((due, name) for name, due in self.timers.items())
        assert now_ns == self.place[0] >= due_ns
        if self.place[1:] == ("", -1):
            assert due_ns == now_ns or self.late_at == self.place
        else:
            assert self.late_at == self.place, "at a record only what was due in the past"
            self.pass_bars()
        del self.timers[name]

    def check_on_bar(self, call):
        """Check that it is the next bar of the record."""
        self.pass_bars(call.bar)

    def check_on_fill(self, call):
        """Count what is held."""
        assert not self.met, "prices come first"
        self.held[call.fill[0]] += call.fill[1]

    def check_on_order(self, call):
        """Follow the phase of an order."""
        assert not self.met, "prices come first"
        self.phases[call.step[0]] = call.step[1]

    def check_context(self, call):
        """Check what the context says against what is known."""
        for name in self.witness.watched:
            known = self.market[name]
            bid, ask, at = known["bid"], known["ask"], known["at"]
            mid = None if bid is None or ask is None else bid + (ask - bid) / 2
            counts = {
                kind: int(count) for need in self.witness.reads if need.startswith("bars:")
                for count, kind in [need.removeprefix("bars:").split("@")]
            }  # fmt: skip
            shown = (
                known["last"], bid, ask, mid, known["bid_size"], known["ask_size"], known["mark"],
                None if at is None else self.place[0] - at,
                [
                    self.closes["" if kind == "1s" else kind, name][-counts[kind] :]
                    for kind in sorted(counts)
                ],
                [
                    self.features.get((need, name)) for need in self.witness.reads
                    if not need.startswith("bars:")
                ],
            )  # fmt: skip
            assert call.market[name] == repr(shown), f"{name} at {call.place}"
        if call.handler in ("on_bar", "on_timer"):
            assert call.holdings == {each: self.held[each] for each in self.traded}
            open_ids = {each for each, phase in self.phases.items() if phase != "DONE"}
            assert open_ids <= set(call.orders)
            assert not set(call.orders) & (set(self.phases) - open_ids)
        assert call.sizes == dict.fromkeys(self.traded, self.size)

    def take_requests(self, call):
        """Set the price watches and the timers that a call asks for."""
        for watch in call.watches:
            key = watch.instrument, watch.name
            self.watches.pop(key, None)
            if watch.below is not None or watch.above is not None:
                self.watches[key] = watch
        for timer in call.timers:
            self.timers.pop(timer.name, None)
            if timer.due_ns is not None:
                self.timers[timer.name] = timer.due_ns
                if timer.due_ns <= self.place[0]:
                    self.late_at = self.place

    late_at = (0, "", 0)  # last place at which a timer was set that was due in the past


def check_events(calls, facts, strategy):
    """Assert that a strategy is told each of its facts once, in their order."""
    for handler, kind in FACTS.items():
        expected = [
            repr(each) for each in facts
            if type(each) is kind and each.strategy == strategy
            and (kind is not Decision or each.decision == "DENIED")
        ]  # fmt: skip
        assert [each.event for each in calls if each.handler == handler] == expected
