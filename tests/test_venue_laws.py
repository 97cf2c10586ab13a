"""Laws of the paper venue over random stories of rows, orders and changes.

shown rows that matter == shown all == restored at any point; nothing is used twice, nothing flips
"""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from tapeflow.operators.desk.venue.rows import QuoteId, QuoteRow, TradeRow
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import NO_TRADE, Order, Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import LogPosition
from tests.venue_market import Market, run_three_ways
from tests.venue_stories import TABLE, rules, stories

often = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Sent(NamedTuple):
    """An order as it was placed, and when cancels of it arrive."""

    order: Order
    terms: Terms
    size: Decimal
    position: LogPosition
    cancels: list[int]


class NotingVenue(Venue):
    """A venue that notes what is sent to it."""

    def __init__(self, rules, table):
        super().__init__(rules, table)
        self.sent = {}

    def place(self, order, terms, size, position):
        super().place(order, terms, size, position)
        self.sent[order.id] = Sent(order, terms, size, position, [])

    def cancel(self, order_id, position, reason=""):
        super().cancel(order_id, position, reason)
        if order_id in self.sent:
            arrives_ns = position[0] + self.rules.latency_ns(order_id, "cancel")
            self.sent[order_id].cancels.append(arrives_ns)


class WatchedMarket(Market):
    """A market that notes its rows, each with what stood before it and the reports it brought."""

    def __init__(self, rules, table):
        super().__init__(rules, table)
        venue = NotingVenue(rules, table)
        self.venue, self.sent, self.rows = venue, venue.sent, []

    def show(self, row):
        standing, before = self.standing[row.instrument], len(self.reports)
        super().show(row)
        self.rows.append((row, standing, self.reports[before:]))


def watch(paper, story):
    return WatchedMarket(paper, InstrumentTable.from_rows(TABLE)).run(story)


def fills_of(reports):
    return [report for report in reports if report.kind == "FILL"]


def limit_of(market, report, reports):
    """The limit of an order when a report of it was made: amendments count in their order."""
    limit = market.sent[report.order_id].terms.limit
    for each in reports:
        if each is report:
            return limit
        if each.order_id == report.order_id and each.kind == "AMENDED" and each.limit is not None:
            limit = each.limit if limit is not None else None
    return limit


@often
@given(rules, stories())
def test_rows_that_do_not_matter_do_nothing_and_a_restored_venue_goes_on_the_same_way(paper, story):
    run_three_ways(paper, story, *TABLE)


@often
@given(rules, stories())
def test_no_trade_is_used_more_than_its_share(paper, story):
    for row, _, reports in watch(paper, story).rows:
        if isinstance(row, TradeRow) and paper.model != "trade":
            fills = [each for each in fills_of(reports) if each.trade_id != NO_TRADE]
            used = sum(each.size - each.beyond for each in fills)
            assert used <= decimal_size(row.size) * paper.share


@often
@given(rules, stories())
def test_no_quote_is_used_more_than_its_share(paper, story):
    paper = replace(paper, slip=None)
    left = defaultdict(Decimal)  # by instrument, quote and side
    market = watch(paper, story)
    for row, standing, reports in market.rows:
        before, after = (row.instrument, standing.quote_at), None
        if isinstance(row, QuoteRow):
            after = row.instrument, QuoteId(row.position[0], row.position[2], row.row)
            left[after, BUY] = decimal_size(row.bid_size) * paper.share
            left[after, SELL] = decimal_size(row.ask_size) * paper.share
        for fill in fills_of(reports):
            if fill.trade_id == NO_TRADE:
                side = -market.sent[fill.order_id].order.side
                first = min(left[before, side], fill.size)
                left[before, side] -= first  # as much as may be is of the quote before the row
                left[after, side] -= fill.size - first
                assert left[after, side] >= 0


@often
@given(rules, stories())
def test_what_is_filled_adds_up_and_never_passes_the_order(paper, story):
    market = watch(paper, story)
    filled, sizes = defaultdict(Decimal), {name: each.size for name, each in market.sent.items()}
    over = set()
    for report in market.reports:
        name = report.order_id
        if report.kind in ("CANCEL_REFUSED", "AMEND_REFUSED"):
            assert name not in market.venue.orders or name not in over
            continue
        assert name not in over, "an order that is over is reported again"
        if report.kind == "FILL":
            filled[name] += report.size
            assert report.size > 0
            assert filled[name] <= sizes[name]
        if report.kind == "AMENDED":
            sizes[name] = report.size
        if report.kind in ("CANCELED", "EXPIRED", "REJECTED") or filled[name] >= sizes[name]:
            over.add(name)
    assert set(market.venue.orders) == set(market.sent) - over
    for name, order in market.venue.orders.items():
        assert (order.filled, order.size) == (filled[name], sizes[name])
    positions = defaultdict(Decimal)
    for name, size in filled.items():
        order = market.sent[name].order
        positions[order.account, order.strategy, market.table.number[order.instrument]] += (
            order.side * size
        )
    assert market.venue.positions == {owner: size for owner, size in positions.items() if size}


@often
@given(rules, stories())
def test_no_fill_is_beyond_the_limit_and_makers_fill_at_it(paper, story):
    market = watch(paper, story)
    for report in fills_of(market.reports):
        limit = limit_of(market, report, market.reports)
        side = market.sent[report.order_id].order.side
        if limit is not None:
            assert side * report.price <= side * limit
        assert report.liquidity == "TAKER" or report.price == limit


@often
@given(rules, stories())
def test_no_fill_is_before_the_arrival_or_at_the_end(paper, story):
    market = watch(paper, story)
    for row, _, reports in market.rows:
        for report in fills_of(reports):
            order, terms, _, position, cancels = market.sent[report.order_id]
            arrival = position[0] + paper.latency_ns(order.id, "entry")
            assert row.position > position and row.venue_ns >= arrival
            assert order.instrument == market.table.ids[row.instrument]
            assert terms.tif != "GTD" or row.venue_ns < terms.expire_ns
            sent = [max(at_ns, arrival) for at_ns in cancels if at_ns <= row.venue_ns]
            assert not sent or changed(market, order.id), "filled after its cancel"


def changed(market, name):
    """Whether an order's arrival was changed: a later cancel then waits for it."""
    return any(each.order_id == name and each.kind == "AMENDED" for each in market.reports)


@often
@given(rules, stories())
def test_a_reduce_only_fill_never_opens_or_flips_a_position(paper, story):
    market = watch(paper, story)
    positions = defaultdict(Decimal)
    for report in fills_of(market.reports):
        order, terms, *_ = market.sent[report.order_id]
        owner = order.account, order.strategy, order.instrument
        before = positions[owner]
        positions[owner] += order.side * report.size
        if terms.reduce_only:
            assert before * order.side < 0 and before * positions[owner] >= 0


@often
@given(rules, stories())
def test_every_order_with_an_end_is_over_after_it(paper, story):
    market = watch(paper, story)
    market.pass_to(market.now + 10_000)
    assert not [
        order for order in market.venue.orders.values()
        if order.cancels or order.terms.tif == "GTD"
        or (paper.patience_ns is not None and order.stage in ("WAITING", "WAY") and not order.waits_for_trigger)
    ]  # fmt: skip


@often
@given(rules, stories())
def test_no_report_is_heard_before_it_happened_or_before_the_row_that_brought_it(paper, story):
    for row, _, reports in watch(paper, story).rows:
        for report in reports:
            assert report.position == row.position or report.position[0] > row.position[0]
            happened_ns = row.venue_ns if report.kind == "FILL" else report.event_ns
            answer_ns = paper.latency_ns(report.order_id, "answer")
            assert report.position[0] == max(row.position[0], happened_ns + answer_ns)


def decimal_size(size):
    return Decimal(str(size)) if size > 0 else Decimal(0)
