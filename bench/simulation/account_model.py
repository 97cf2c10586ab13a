"""One account: it sees the whole log at once and goes through it in log order."""

import heapq
import itertools
from bisect import bisect_left
from collections import defaultdict
from decimal import Decimal
from typing import Any

from bench.simulation.book_model import Book
from bench.simulation.case import Case, Listed
from bench.simulation.facts import PRICE_MAX, PRICE_MIN, Intent, Marks, Match, Place, Tables, Tick
from bench.simulation.numbers import decimal_of, ns_of, to_digits

SAMPLE, FILL, DECISION = range(3)  # of several at one place this is the order


class AccountModel:
    """An account's decisions, orders, fills, positions and equity."""

    def __init__(
        self, case: Case, account: dict[str, Any], ticks: list[Tick], last_ns: int, tables: Tables
    ) -> None:
        self.account, self.ticks, self.last_ns, self.tables = account, ticks, last_ns, tables
        self.instruments = {each.id: each for each in case.instruments}
        paper, results = case.job["paper"], case.job["results"]
        self.latency_ns, self.fee_rate = ns_of(paper["latency"]), Decimal(paper["fee_bps"]) / 10_000
        self.sample_ns, self.digits = ns_of(results["equity_interval"]), results["money_digits"]
        self.stale_ns = ns_of(results["stale_mark"])
        self.tick_times = [tick.place.log_ns for tick in ticks]
        self.trades: dict[str, list[Tick]] = defaultdict(list)
        for tick in ticks:
            if tick.trade is not None:
                self.trades[tick.instrument].append(tick)
        self.numbers = itertools.count(1)
        self.units: dict[str, Decimal] = defaultdict(Decimal)
        self.notional: dict[str, Decimal] = {}
        self.approved_ns: list[int] = []
        self.books: dict[tuple[str, str], Book] = {}
        self.matches: list[Match] = []
        self.due_ns: int | None = None  # of the next sample of equity

    def run(self, intents: list[Intent]) -> None:
        """Go through intents, fills and samples of equity in log order."""
        own = sorted(each for each in intents if each.account == self.account["name"])
        own.reverse()
        while True:
            due = []
            if self.due_ns is not None and self.due_ns <= self.last_ns:
                due.append((Place(self.due_ns, "", -1), SAMPLE))
            if self.matches:
                due.append((self.matches[0].place, FILL))
            if own:
                due.append((own[-1].place, DECISION))
            if not due:
                break
            _, what = min(due)
            if what == SAMPLE:
                assert self.due_ns is not None
                self.sample(self.due_ns, before_ns=self.due_ns)
                self.due_ns = self.next_sample_ns(self.due_ns + self.sample_ns)
            elif what == FILL:
                self.fill(heapq.heappop(self.matches))
            else:
                self.decide(own.pop())
        if self.books:
            self.sample(self.last_ns, before_ns=None)

    def row(self, strategy: str, **fields: Any) -> dict[str, Any]:
        """Return the next numbered row of the account."""
        name = self.account["name"]
        return {"seq": next(self.numbers), "account": name, "strategy": strategy, **fields}

    def decide(self, intent: Intent) -> None:
        """Approve or deny an intent; an approved one is an order, and finds its trade."""
        instrument = self.instruments[intent.instrument.decode()]
        ref_price, strategy = decimal_of(intent.ref_price), intent.strategy.decode()
        after = self.units[instrument.id] + intent.side * intent.size
        notional = abs(after) * ref_price * instrument.multiplier
        reason = self.reason(intent, instrument.id, after, notional)
        shown = to_digits(min(ref_price, PRICE_MAX), 12)
        common = {
            "instrument": instrument.id, "time_ns": intent.place.log_ns, "side": intent.side,
            "size": intent.size, "ref_price": shown,
        }  # fmt: skip
        decided = {"decision": "DENIED" if reason else "APPROVED", "reason": reason}
        self.tables["decisions"].append(
            self.row(strategy, **common, close_ns=intent.close_ns, **decided)
        )
        if reason:
            return
        self.units[instrument.id], self.notional[instrument.id] = after, notional
        self.approved_ns.append(intent.place.log_ns)
        active_ns = intent.place.log_ns + self.latency_ns
        where = {"partition": intent.place.partition, "offset": intent.place.offset}
        order = self.row(strategy, **common, active_ns=active_ns, **where)
        self.tables["orders"].append(order)
        for tick in self.trades[instrument.id]:
            if tick.place > intent.place and tick.place.log_ns >= active_ns:
                assert tick.price is not None and tick.trade is not None
                match = Match(tick.place, order["seq"], tick.row, order, tick.price, tick.trade)
                heapq.heappush(self.matches, match)
                break

    def reason(self, intent: Intent, name: str, after: Decimal, notional: Decimal) -> str:
        """Return why an intent is denied; "" where it is approved."""
        others = sum((each for key, each in self.notional.items() if key != name), Decimal(0))
        begin_ns = intent.place.log_ns - ns_of(self.account["orders_window"])
        recent = sum(each > begin_ns for each in self.approved_ns)
        price = decimal_of(intent.ref_price)
        if not PRICE_MIN <= price < PRICE_MAX:
            return "PRICE_RANGE"
        if abs(after) > Decimal(self.account["position_max"]):
            return "POSITION_LIMIT"
        grows = abs(after) > abs(self.units[name])
        if grows and others + notional > Decimal(self.account["gross_max"]):
            return "GROSS_LIMIT"
        if recent + 1 > self.account["orders_max"]:
            return "RATE_LIMIT"
        worth = intent.size * price * self.instruments[name].multiplier
        return "MONEY_STEP" if grows and worth < Decimal(1).scaleb(-self.digits) else ""

    def fill(self, match: Match) -> None:
        """Fill an order at its trade, and book it."""
        order, instrument = match.order, self.instruments[match.order["instrument"]]
        price = to_digits(decimal_of(match.price), 12)  # as printed
        notional = to_digits(price * order["size"] * instrument.multiplier, self.digits)
        fee = to_digits(notional * self.fee_rate, self.digits)
        strategy, place = order["strategy"], match.place
        fields = {
            "instrument": instrument.id, "side": order["side"], "price": price, "fee": fee,
            "size": order["size"], "fee_currency": instrument.quote, "log_ns": place.log_ns,
            "event_ns": match.trade.event_ns, "trade_id": match.trade.trade_id,
            "partition": place.partition, "offset": place.offset,
        }  # fmt: skip
        self.tables["fills"].append(self.row(strategy, **fields))
        if not self.books:
            self.due_ns = (place.log_ns // self.sample_ns + 1) * self.sample_ns
        book = self.books.setdefault((strategy, instrument.id), Book())
        book.apply(order["side"] * order["size"], notional * order["side"], fee, self.digits)
        self.write_position(strategy, instrument, place.log_ns, book)

    def write_position(self, strategy: str, instrument: Listed, log_ns: int, book: Book) -> None:
        """Write what a strategy holds of an instrument."""
        entry = book.cost / (book.quantity * instrument.multiplier) if book.quantity else Decimal(0)
        self.tables["positions"].append(
            self.row(
                strategy,
                instrument=instrument.id,
                time_ns=log_ns,
                quantity=book.quantity,
                cost=book.cost,
                entry_price=to_digits(entry, 12),
                realized=book.realized,
                fees=book.fees,
            )
        )

    def next_sample_ns(self, from_ns: int) -> int | None:
        """Return the first time of a sample, from there on, that a tick lies before; else None."""
        at = bisect_left(self.tick_times, from_ns - self.sample_ns)
        if at == len(self.tick_times):
            return None
        return max(from_ns, (self.tick_times[at] // self.sample_ns + 1) * self.sample_ns)

    def sample(self, time_ns: int, before_ns: int | None) -> None:
        """Write the equity of every strategy, at the marks of all ticks before a time."""
        marks = Marks(self.ticks, before_ns)
        for strategy in sorted({name for name, _ in self.books}):
            total, unrealized, gross = Book(), Decimal(0), Decimal(0)
            oldest_ns = time_ns
            for (owner, name), book in self.books.items():
                if owner != strategy:
                    continue
                total.realized, total.fees = total.realized + book.realized, total.fees + book.fees
                if not book.quantity:
                    continue
                mark = marks.closing(name, long=book.quantity > 0)
                value = book.quantity * mark.price * self.instruments[name].multiplier
                unrealized += to_digits(value, self.digits) - book.cost
                gross += to_digits(abs(value), self.digits)
                oldest_ns = min(oldest_ns, mark.place.log_ns)
            self.tables["equity"].append(
                self.row(
                    strategy,
                    time_ns=time_ns,
                    realized=total.realized,
                    unrealized=unrealized,
                    fees=total.fees,
                    equity=total.realized + unrealized - total.fees,
                    gross=gross,
                    stale_mark_ns=oldest_ns if time_ns - oldest_ns > self.stale_ns else None,
                )
            )
