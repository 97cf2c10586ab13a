"""A market of hand-written rows, and the paper venue that is shown them, in three ways at once.

    steps: place, trade, quote, ..  ──▶ every row | rows that matter | restored before each step
                                        the reports must be the same

Times of steps are small numbers of nanoseconds; a row's venue time is its log time unless given.
"""

import math
from decimal import Decimal
from functools import partial

import msgspec

from tapeflow.operators.desk.venue.rows import MarkRow, QuoteId, QuoteRow, Standing, TradeRow
from tapeflow.operators.desk.venue.rules import Latency, PaperRules
from tapeflow.operators.desk.venue.snapshot import VenueSnapshot
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.orders import Order, Terms

PARTITION = "binance-0"


def instrument(name="A-USD.BINANCE", **changes):
    fields = {
        "id": name, "venue": "BINANCE", "base": "A", "quote": "USD", "kind": "spot", "venue_symbol": name,
        "tick": Decimal("0.5"), "lot": Decimal(1), "multiplier": Decimal(1),
    }  # fmt: skip
    return Instrument(**{**fields, **changes})


def paper(
    model="sized", *, entry=0, cancel=0, answer=0, patience=None, age=1_000, slip=None, **changes
):
    return PaperRules(
        model=model, entry=as_latency(entry), cancel=as_latency(cancel), answer=as_latency(answer),
        patience_ns=patience, quote_age_ns=age, slip=slip, **changes,
    )  # fmt: skip


def as_latency(latency):
    return latency if isinstance(latency, Latency) else Latency(latency)


def decimal(value):
    return None if value is None else Decimal(str(value))


class Market:
    """Runs steps on a venue; keeps the touch, the last trades and the delays as the desk does."""

    def __init__(self, rules, table, *, mattering=False, restored=False):
        self.rules, self.table = rules, table
        self.mattering, self.restored = mattering, restored
        self.venue = Venue(rules, table)
        self.standing = [Standing() for _ in table.rows]
        self.reports, self.offset, self.now, self.shown = [], 0, 0, 0
        self.bounds = [self.venue.bounds(number) for number in range(len(table))]

    def run(self, steps):
        for step in steps:
            if self.restored:
                encoded = msgspec.msgpack.encode(self.venue.snapshot())
                saved = msgspec.msgpack.decode(encoded, type=VenueSnapshot)
                self.venue = Venue.restore(saved, self.rules, self.table)
            step(self)
            self.refresh()
        return self

    def refresh(self):
        for number in self.venue.changed:
            self.bounds[number] = self.venue.bounds(number)
        self.venue.changed.clear()

    def pass_to(self, log_ns):
        """Do what is due up to a log time, each at its own."""
        assert log_ns >= self.now, "steps are in log order"
        while (due := self.venue.next_due()) is not None and due <= log_ns:
            self.pass_at(max(due, self.now))
        self.now = log_ns
        self.refresh()

    def pass_at(self, log_ns):
        self.now = log_ns
        self.reports += self.venue.pass_time(log_ns, self.standing.__getitem__)

    def show(self, row):
        standing = self.standing[row.instrument]
        if not self.mattering or self.bounds[row.instrument].match(row):
            self.shown += 1
            self.reports += self.venue.meet(row, standing)
            self.refresh()
        if not isinstance(row, MarkRow):
            standing = standing._replace(delay_ns=row.position[0] - row.venue_ns)
        if isinstance(row, TradeRow):
            standing = standing._replace(last=row.price, last_at=(row.position[0], row.position[2]))
        elif isinstance(row, QuoteRow) and is_of_market(row):
            identity = QuoteId(row.position[0], row.position[2], row.row)
            standing = standing._replace(
                bid=row.bid,
                bid_size=row.bid_size,
                ask=row.ask,
                ask_size=row.ask_size,
                quote_at=identity,
            )
        self.standing[row.instrument] = standing
        while (due := self.venue.next_due()) is not None and due <= self.now:
            self.pass_at(self.now)
        self.refresh()

    def next_position(self, log_ns, same):
        if not same:
            self.pass_to(log_ns)
            self.offset += 1
        return log_ns, PARTITION, self.offset


def is_of_market(row):
    bid, ask = (math.nan if price == 0 else price for price in (row.bid, row.ask))
    in_range = all(math.isnan(price) or 1e-12 <= price < 1e12 for price in (bid, ask))
    return in_range and not bid > ask


# --- steps ----------------------------------------------------------------------------------


def trade(log_ns, price, size=1, *, v=None, event=-1, i=0, same=False, trade_id=7):
    def step(market):
        position = market.next_position(log_ns, same)
        venue_ns = log_ns if v is None else v
        market.show(TradeRow(position, i, venue_ns, float(price), float(size), event, trade_id))

    return step


def quote(log_ns, bid, ask, bid_size=1, ask_size=1, *, v=None, i=0, same=False, row=0):
    def step(market):
        position = market.next_position(log_ns, same)
        sides = map(float, (bid, bid_size, ask, ask_size))
        market.show(QuoteRow(position, i, log_ns if v is None else v, *sides, row=row))

    return step


def mark(log_ns, price, *, v=None, i=0):
    def step(market):
        position = market.next_position(log_ns, same=False)
        market.show(MarkRow(position, i, log_ns if v is None else v, float(price)))

    return step


def until(log_ns):
    return lambda market: market.pass_to(log_ns)


def place(
    log_ns, name, side, size, kind="market", *, i=0, account="main", strategy="trend", **terms
):
    for key in ("limit", "trigger", "trail", "activate"):
        terms[key] = decimal(terms.get(key))
    wanted = Terms(type=kind, **terms)
    whole = decimal(size)

    def step(market):
        position = market.next_position(log_ns, same=False)
        order = Order(
            1, name, "s", account, strategy, market.table.ids[i], side, kind, whole, Decimal(1),
            log_ns, log_ns, PARTITION, position[2],
        )  # fmt: skip
        market.venue.place(order, wanted, whole, position)
        pass_what_is_due(market)

    return step


def cancel(log_ns, name, reason=""):
    def step(market):
        position = market.next_position(log_ns, same=False)
        market.venue.cancel(name, position, reason)
        pass_what_is_due(market)

    return step


def amend(log_ns, name, **changes):
    def step(market):
        position = market.next_position(log_ns, same=False)
        market.venue.amend(name, position, **{key: decimal(each) for key, each in changes.items()})
        pass_what_is_due(market)

    return step


def pass_what_is_due(market):
    while (due := market.venue.next_due()) is not None and due <= market.now:
        market.pass_at(market.now)


# --- running --------------------------------------------------------------------------------


def run_three_ways(rules, steps, *instruments):
    """Return the market after the steps; every way of running them gives the same reports."""
    table = InstrumentTable.from_rows(instruments or [instrument()])
    new = partial(Market, rules, table)
    whole = new().run(steps)
    few, restored = new(mattering=True).run(steps), new(restored=True).run(steps)
    assert few.reports == whole.reports, "a row that does not matter did something"
    assert restored.reports == whole.reports, "a restored venue goes on in another way"
    whole.shown_by_bounds = few.shown
    return whole


def outcome(rules, *steps, instruments=()):
    """Return the reports as short texts: `o1 FILL 2 @ 100 TAKER`."""
    return [as_text(report) for report in run_three_ways(rules, steps, *instruments).reports]


def as_text(report):
    words = [report.order_id, report.kind]
    if report.kind == "FILL":
        words += [f"{report.size.normalize():f} @ {report.price.normalize():f}", report.liquidity]
    return " ".join([*words, *([report.reason] if report.reason else [])])
