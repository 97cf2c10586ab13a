"""Rows of columns as values, and what stands of an instrument before one."""

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.venue.rows import MarkRow, QuoteId, QuoteRow, Row, Standing, TradeRow
from tapeflow.schemas.desk_market import DeskMarkPrices, DeskQuotes, DeskTicks, DeskTrades


def market_row(ticks: DeskTicks, row: int, partition: str) -> Row:
    """Return one row as a value."""
    position = (int(ticks.log_ns[row]), partition, int(ticks.offset[row]))
    where = (position, int(ticks.instrument[row]), int(ticks.venue_ns[row]))
    event_ns = int(ticks.event_ns[row])
    if isinstance(ticks, DeskTrades):
        price, size = float(ticks.price[row]), float(ticks.size[row])
        return TradeRow(*where, price, size, event_ns, int(ticks.trade_id[row]))
    if isinstance(ticks, DeskQuotes):
        number = row - int(ticks.offset.searchsorted(ticks.offset[row]))
        bid, bid_size = float(ticks.bid[row]), float(ticks.bid_size[row])
        ask, ask_size = float(ticks.ask[row]), float(ticks.ask_size[row])
        return QuoteRow(*where, bid, bid_size, ask, ask_size, event_ns, number)
    assert isinstance(ticks, DeskMarkPrices), "a table of no kind"
    return MarkRow(*where, float(ticks.mark[row]))


def standing_before(marks: Marks, instrument: int) -> Standing:
    """Return the touch and the last trade of an instrument, at the marks that are released."""
    (bid, ask), (bid_size, ask_size) = (
        each[instrument].tolist() for each in (marks.quote, marks.quote_size)
    )
    quote_at, last_at = QuoteId(*marks.quote_at[instrument].tolist()), marks.last_at[instrument]
    return Standing(
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        quote_at=quote_at,
        last=float(marks.last[instrument]),
        last_at=(int(last_at[0]), int(last_at[1])),
        delay_ns=marks.delay_ns(instrument),
    )
