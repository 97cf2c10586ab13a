"""The paper venue hears and answers what its oracle does, on random markets.

    rows in log order ──▶ Venue.meet, pass_time ──▶ answers ──▶ received      == the oracle's
                          every row | those within the bounds | restored before each record

More of them: TAPEFLOW_MARKETS=100000 pytest tests/test_desk_against_oracle.py
"""

import os
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings

from tapeflow.operators.desk.venue.rows import MarkRow, QuoteId, QuoteRow, Standing, TradeRow
from tapeflow.operators.desk.venue.rules import Latency, PaperRules
from tapeflow.operators.desk.venue.snapshot import VenueSnapshot
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.orders import NO_TRADE
from tapeflow.schemas.time import NO_TIME
from tests.desk_markets import Scenario, long_market, make_scenario, scenarios
from tests.desk_oracle import (
    InstrumentRules,
    PlaceOrder,
    Received,
    Rules,
    in_log_order,
    is_traded,
    reports_of,
    touch_of,
)
from tests.desk_oracle import Venue as OracleVenue
from tests.test_desk_oracle import D, order, quote, records

MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "400"))  # random markets of each test
ROWS = int(os.environ.get("TAPEFLOW_MARKET_ROWS", "3000"))  # of each long market


class Driver:
    """Shows the venue of the desk a log, a row at a time, and hears as docs/paper.md 8 says."""

    def __init__(self, scenario: Scenario, mattering: bool, restored: bool = False):
        self.scenario, self.mattering, self.restored = scenario, mattering, restored
        self.rules = paper_rules(scenario.rules)
        self.venue = Venue(self.rules, instrument_table(scenario))
        self.standing = [Standing() for _ in scenario.instruments]
        self.clock = OracleVenue(scenario.rules, scenario.instruments, print)  # of venue times
        self.answers: list[tuple[int, int, Received]] = []
        self.received: list[Received] = []
        self.here: list[Received] = []
        self.now, self.made = -(2**63), 0

    def run(self) -> list[Received]:
        """Return what the desk hears."""
        commands = defaultdict(list)
        for command in self.scenario.commands:
            commands[command.at].append(command)
        for partition, record in in_log_order(self.scenario.log):
            if self.restored:
                self.restore()
            self.fall_due(record.log_ns)
            self.now = record.log_ns
            place = (record.log_ns, partition, record.offset)
            self.meet_rows(place, record)
            self.received += self.here
            self.here = []
            for command in commands[place]:
                self.tell(command)
            self.fall_due(self.now)
        self.fall_due(self.scenario.until_ns)
        return self.received

    def restore(self) -> None:
        """Go on with a venue that was restored from a snapshot."""
        encoded = msgspec.msgpack.encode(self.venue.snapshot())
        saved = msgspec.msgpack.decode(encoded, type=VenueSnapshot)
        self.venue = Venue.restore(saved, self.rules, instrument_table(self.scenario))

    def fall_due(self, until_ns: int) -> None:
        """Let pass what is due: at one log time the venue before answers."""
        while True:
            at_venue, answer = self.venue.next_due(), min(self.answers, default=None)
            venue_ns = 2**63 if at_venue is None else max(at_venue, self.now)
            answer_ns = 2**63 if answer is None else max(answer[0], self.now)
            if min(venue_ns, answer_ns) > until_ns:
                return
            if venue_ns <= answer_ns:
                self.now = venue_ns
                self.take(self.venue.pass_time(self.now, self.standing.__getitem__))
            else:
                self.now = answer_ns
                self.answers.remove(answer)
                self.received.append(answer[2]._replace(place=(self.now, "", -1)))

    def take(self, reports) -> None:
        """Hear reports at their places, or later."""
        for report in reports:
            received = Received(
                report.position, report.order_id, report.kind, report.event_ns, report.price, report.size,
                report.liquidity, report.trade_id, report.reason,
            )  # fmt: skip
            if report.position[1]:
                self.here.append(received)
            else:
                self.made += 1
                self.answers.append((report.position[0], self.made, received))

    def tell(self, command) -> None:
        if isinstance(command, PlaceOrder):
            self.venue.place(command.order, command.order.terms, command.size, command.at)
        elif hasattr(command, "size"):
            self.venue.amend(
                command.order_id, command.at, size=command.size, limit=command.limit, trigger=command.trigger
            )  # fmt: skip
        else:
            self.venue.cancel(command.order_id, command.at)

    def meet_rows(self, place, record) -> None:
        self.clock.log_ns = record.log_ns
        for row in record.trades:
            if is_traded(row.price):
                venue_ns = self.clock.venue_time(place[1], row.event_ns)
                event_ns = NO_TIME if row.event_ns is None else row.event_ns
                self.meet(
                    TradeRow(
                        place, row.instrument, venue_ns, row.price, row.size, event_ns, row.trade_id
                    )
                )
                self.stand(row, place, venue_ns, last=row.price, last_at=(place[0], place[2]))
        for index, row in enumerate(record.quotes):
            venue_ns = self.clock.venue_time(place[1], row.event_ns)
            event_ns = NO_TIME if row.event_ns is None else row.event_ns
            sides = (row.bid, row.bid_size, row.ask, row.ask_size)
            self.meet(QuoteRow(place, row.instrument, venue_ns, *sides, event_ns, index))
            touch = {}
            if touch_of(row, record.log_ns):
                names = ("bid", "bid_size", "ask", "ask_size")
                touch = dict(zip(names, sides, strict=True))
                touch["quote_at"] = QuoteId(record.log_ns, record.offset, index)
            self.stand(row, place, venue_ns, **touch)
        for row in record.marks:
            if is_traded(row.mark):
                delay_ns = 0
                if self.scenario.rules.clock == "venue":
                    delay_ns = self.clock.clocks[place[1]].delay_ns
                self.meet(MarkRow(place, row.instrument, record.log_ns - delay_ns, row.mark))

    def meet(self, row) -> None:
        if not self.mattering or self.venue.bounds(row.instrument).match(row):
            self.take(self.venue.meet(row, self.standing[row.instrument]))

    def stand(self, row, place, venue_ns: int, **changes) -> None:
        before = self.standing[row.instrument]
        self.standing[row.instrument] = before._replace(delay_ns=place[0] - venue_ns, **changes)


def paper_rules(rules: Rules) -> PaperRules:
    cancel_ns = rules.latency_ns if rules.cancel_latency_ns is None else rules.cancel_latency_ns
    return PaperRules(
        rules.model, rules.share, rules.slip, rules.quote_age_ns, rules.patience_ns,
        Latency(rules.latency_ns, rules.latency_spread_ns),
        Latency(cancel_ns, rules.cancel_latency_spread_ns),
        Latency(rules.answer_latency_ns, rules.answer_latency_spread_ns),
    )  # fmt: skip


def instrument_table(scenario: Scenario) -> InstrumentTable:
    rows = [
        Instrument(
            id=each.id, venue="BINANCE", base="A", quote="USD", kind="perp", venue_symbol="A", tick=each.tick,
            lot=each.lot, multiplier=each.multiplier, contract="inverse" if each.inverse else "linear",
            min_size=each.min_size, max_size=each.max_size, min_notional=each.min_notional,
            self_trade=each.self_trade,
        )
        for each in scenario.instruments
    ]  # fmt: skip
    return InstrumentTable.from_rows(rows)


def check(scenario: Scenario) -> None:
    """Check that the venue and its oracle answer the same."""
    expected = reports_of(
        scenario.rules, scenario.instruments, scenario.log, scenario.commands, scenario.until_ns
    )
    for mattering, restored in ((False, False), (True, False), (True, True)):
        found = Driver(scenario, mattering, restored).run()
        assert [comparable(each) for each in found] == [comparable(each) for each in expected]


def comparable(received: Received) -> Received:
    """Return a report without what is not said of its kind."""
    return received if received.kind == "FILL" else received._replace(size=None, trade_id=NO_TRADE)


@pytest.mark.parametrize("model", ["trade", "sized", "touch"])
def test_the_venue_answers_as_its_oracle(model):
    for seed in range(MARKETS):
        check(make_scenario(seed, model=model))


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_the_venue_answers_as_its_oracle_in_shrunk_markets(scenario):
    check(scenario)


@pytest.mark.parametrize("model", ["trade", "sized", "touch"])
def test_the_venue_answers_as_its_oracle_in_a_long_market(model):
    scenario = long_market(1, ROWS, ROWS // 20, model=model)
    expected = reports_of(
        scenario.rules, scenario.instruments, scenario.log, scenario.commands, scenario.until_ns
    )
    found = Driver(scenario, mattering=True).run()
    assert [comparable(each) for each in found] == [comparable(each) for each in expected]


@pytest.mark.parametrize("model", ["sized", "touch"])
def test_a_side_that_was_taken_stays_so_when_the_other_side_of_the_next_quote_is_taken(model):
    #   ask of the first quote: x, then none is left for z; bid of the second: y, between them
    rules = Rules(model=model, clock="log", latency_ns=0, slip=None)
    log = records(quote(0, 0, 6, ask_size=2), quote(1, 4, 7, bid_size=5))
    orders = [order("x", 1, 2), order("y", -1, 1), order("z", 1, 2)]
    placed = [PlaceOrder((0, "A", 0), each, each.size, n) for n, each in enumerate(orders)]
    scenario = Scenario(rules, (InstrumentRules("A", D(1), D(1)),), {"A": log}, tuple(placed), 1)
    check(scenario)
    fills = [each.order_id for each in Driver(scenario, mattering=True).run() if each.price]
    assert fills == ["x", "y"]
