"""Rows of columns as values, and what stands of an instrument before one."""

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.venue.rows import MarkRow, QuoteRow, Standing, TradeRow
from tapeflow.schemas.desk_market import DeskMarkPrices, DeskQuotes, DeskTicks, DeskTrades

Row = TradeRow | QuoteRow | MarkRow


def market_row(ticks: DeskTicks, row: int, partition: str) -> Row:
    """Return one row as a value."""
    position = (int(ticks.log_ns[row]), partition, int(ticks.offset[row]))
    where = (position, int(ticks.instrument[row]), int(ticks.venue_ns[row]))
    if isinstance(ticks, DeskTrades):
        price, size = float(ticks.price[row]), float(ticks.size[row])
        return TradeRow(*where, int(ticks.event_ns[row]), price, size, int(ticks.trade_id[row]))
    if isinstance(ticks, DeskQuotes):
        bid, ask = float(ticks.bid[row]), float(ticks.ask[row])
        sizes = float(ticks.bid_size[row]), float(ticks.ask_size[row])
        return QuoteRow(*where, int(ticks.event_ns[row]), bid, sizes[0], ask, sizes[1])
    assert isinstance(ticks, DeskMarkPrices), "a table of no kind"
    return MarkRow(*where, float(ticks.mark[row]))


def standing_before(marks: Marks, instrument: int) -> Standing:
    """Return the touch and the last trade of an instrument, at the marks that are released."""
    (bid, ask), (bid_size, ask_size) = (
        each[instrument].tolist() for each in (marks.quote, marks.quote_size)
    )
    log_ns, offset = marks.quote_at[instrument].tolist()
    last = float(marks.last[instrument])
    return Standing(bid, bid_size, ask, ask_size, (log_ns, offset), last)
