"""Write the newest prices of a market to marks: one pass over the rows of a table.

Rows are in the order of the log; a row that is no market leaves the marks as they are.
"""

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.desk.market_prices import is_none_or_in_range, is_of_market, nan_if_empty
from tapeflow.schemas.columns import Floats, Floats2, Ints, Ints2, Written


@compiled
@by_numbers
def update_trades(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    last: Written[Floats],
    last_at: Written[Ints2],
    delay_ns: Written[Ints],
    instrument: Ints,
    log_ns: Ints,
    offset: Ints,
    venue_ns: Ints,
    price: Floats,
    begin: int,
    end: int,
) -> None:
    """Write the last trade of each instrument."""
    for row in range(begin, end):
        number = instrument[row]
        last[number] = price[row]
        last_at[number, 0] = log_ns[row]
        last_at[number, 1] = offset[row]
        delay_ns[number] = log_ns[row] - venue_ns[row]


@compiled
@by_numbers
def update_quotes(  # noqa: PLR0913, PLR0917
    quote: Written[Floats2],
    quote_size: Written[Floats2],
    quote_at: Written[Ints2],
    quote_row_at: Written[Ints2],
    delay_ns: Written[Ints],
    instrument: Ints,
    log_ns: Ints,
    offset: Ints,
    venue_ns: Ints,
    bid: Floats,
    bid_size: Floats,
    ask: Floats,
    ask_size: Floats,
    begin: int,
    end: int,
) -> None:
    """Write the last quote of each instrument that is one of a market; an empty side is NaN."""
    first = begin  # row of its record
    while first > 0 and begin < end and offset[first - 1] == offset[begin]:
        first -= 1
    for row in range(begin, end):
        number = instrument[row]
        if offset[row] != offset[first]:
            first = row
        quote_row_at[number, 0] = log_ns[row]
        quote_row_at[number, 1] = offset[row]
        delay_ns[number] = log_ns[row] - venue_ns[row]
        low, high = nan_if_empty(bid[row]), nan_if_empty(ask[row])
        if not is_of_market(low, high):
            continue
        quote[number, 0], quote[number, 1] = low, high
        quote_size[number, 0], quote_size[number, 1] = bid_size[row], ask_size[row]
        quote_at[number, 0] = log_ns[row]
        quote_at[number, 1] = offset[row]
        quote_at[number, 2] = row - first


@compiled
@by_numbers
def update_mark_prices(
    mark: Written[Floats],
    mark_ns: Written[Ints],
    instrument: Ints,
    log_ns: Ints,
    marks: Floats,
    begin: int,
    end: int,
) -> None:
    """Write the last mark price of each instrument; an empty one says that there is none now."""
    for row in range(begin, end):
        price = nan_if_empty(marks[row])
        if is_none_or_in_range(price):
            mark[instrument[row]] = price
            mark_ns[instrument[row]] = log_ns[row]
