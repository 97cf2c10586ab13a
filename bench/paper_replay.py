"""One instrument of a recording, shown to the paper venue as the desk would: docs/paper.md 1."""

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.operators.desk.mark_kernels import is_of_market
from tapeflow.operators.desk.venue.rows import QuoteId, QuoteRow, Row, Standing, TradeRow
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.schemas.batches import Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import Market
from tapeflow.schemas.orders import Order, Report, Terms
from tapeflow.schemas.time import NO_TIME, LogPosition
from tapeflow.schemas.venues import VENUES

BUCKET_NS = 60 * 10**9
PARTITION = "recording"


class VenueClock:
    """The venue's time of each row of a partition: its clock may run ahead of ours."""

    def __init__(self) -> None:
        self.bucket, self.ahead_ns, self.before_ns, self.delay_ns = 0, 0, 0, 0

    def read(self, log_ns: int, event_ns: int) -> int:
        """Return the venue time of the next row."""
        if event_ns == NO_TIME:
            return log_ns - self.delay_ns
        bucket = log_ns // BUCKET_NS
        if bucket != self.bucket:
            self.before_ns = self.ahead_ns if bucket == self.bucket + 1 else 0
            self.bucket, self.ahead_ns = bucket, 0
        self.ahead_ns = max(self.ahead_ns, event_ns - log_ns)
        venue_ns = event_ns - max(self.ahead_ns, self.before_ns)
        self.delay_ns = log_ns - venue_ns
        return venue_ns


class Replay:
    """The venue, and what stands of its one instrument; `mids` are those of all quotes so far."""

    def __init__(self, rules: PaperRules, table: InstrumentTable) -> None:
        self.venue, self.table, self.standing = Venue(rules, table), table, Standing()
        self.bounds = self.venue.bounds(0)
        self.reports: list[Report] = []
        self.mid_ns: list[int] = []
        self.mids: list[float] = []
        self.now_ns = 0

    def place(
        self, name: str, side: int, size: Decimal, terms: Terms, position: LogPosition
    ) -> None:
        """Send an order, decided at a place."""
        order = Order(
            seq=0,
            id=name,
            signal_id="",
            account="study",
            strategy=name,
            instrument=self.table.ids[0],
            side=side,
            type=terms.type,
            size=size,
            ref_price=Decimal(0),
            time_ns=position[0],
            active_ns=position[0],
            partition=position[1],
            offset=position[2],
        )
        self.venue.place(order, terms, size, position)

    def show(self, row: Row) -> None:
        """Do what is due before a row, and show it where it matters."""
        self.now_ns = row.position[0]
        while (due_ns := self.venue.next_due()) is not None and due_ns <= self.now_ns:
            self.reports += self.venue.pass_time(due_ns, lambda _: self.standing)
        self.refresh()
        if self.bounds.match(row):
            self.reports += self.venue.meet(row, self.standing)
            self.refresh()
        delay_ns = self.now_ns - row.venue_ns
        if isinstance(row, TradeRow):
            last_at = self.now_ns, row.position[2]
            self.standing = self.standing._replace(
                last=row.price, last_at=last_at, delay_ns=delay_ns
            )
        elif isinstance(row, QuoteRow) and is_of_market(row.bid, row.ask):
            quote_at = QuoteId(self.now_ns, row.position[2])
            sides = row.bid, row.bid_size, row.ask, row.ask_size
            last, last_at = self.standing.last, self.standing.last_at
            self.standing = Standing(*sides, quote_at, last, last_at, delay_ns)
            self.mid_ns.append(self.now_ns)
            self.mids.append((row.bid + row.ask) / 2)

    def refresh(self) -> None:
        """Compute the bounds anew where they may have changed."""
        if self.venue.changed:
            self.venue.changed.clear()
            self.bounds = self.venue.bounds(0)


def read_rows(path: Path, venue: str, symbol: str) -> Iterator[Row]:
    """Yield the trades and quotes of one symbol of a recording, in log order."""
    with gzip.open(path, "rb") as file:
        lines = [line.rstrip().partition(b" ") for line in file]
    times = [int(log_ns) for log_ns, _, _ in lines]
    page = Page.from_frames(PARTITION, 0, times, [frame for _, _, frame in lines])
    decoder = Decoder.from_scanner(Scanner(VENUES[venue].dialect, {symbol: 0}))
    market = decode.step(page, decoder=decoder).market
    clock = VenueClock()
    for position, table, index in sorted(order_of(market)):
        if table == 0:
            yield trade_row(market, index, position, clock)
        else:
            yield quote_row(market, index, position, clock)


def order_of(market: Market) -> Iterator[tuple[LogPosition, int, int]]:
    """Yield the place of each trade and quote, 0 or 1, and its row."""
    for table, ticks in enumerate((market.trades, market.quotes)):
        for index, (log_ns, offset) in enumerate(
            zip(ticks.log_ns.tolist(), ticks.offset.tolist(), strict=True)
        ):
            yield (log_ns, PARTITION, offset), table, index


def trade_row(market: Market, index: int, position: LogPosition, clock: VenueClock) -> TradeRow:
    """Return one trade."""
    trades = market.trades
    event_ns = int(trades.event_ns[index])
    price, size = float(trades.price[index]), float(trades.size[index])
    venue_ns = clock.read(position[0], event_ns)
    return TradeRow(position, 0, venue_ns, price, size, event_ns, int(trades.trade_id[index]))


def quote_row(market: Market, index: int, position: LogPosition, clock: VenueClock) -> QuoteRow:
    """Return one quote."""
    quotes = market.quotes
    event_ns = int(quotes.event_ns[index])
    columns = (quotes.bid, quotes.bid_size, quotes.ask, quotes.ask_size)
    bid, bid_size, ask, ask_size = (float(column[index]) for column in columns)
    venue_ns = clock.read(position[0], event_ns)
    return QuoteRow(position, 0, venue_ns, bid, bid_size, ask, ask_size, event_ns)
