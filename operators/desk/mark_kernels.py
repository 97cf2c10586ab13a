"""Write the newest price of each instrument: passes over rows of trades, quotes and mark prices.

rows begin .. end ──▶ arrays by instrument; what is no market leaves them as they are
"""

import math

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.schemas.columns import Floats, Floats2, Ints, Ints2, Written
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN


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


@inlined
def nan_if_empty(price: float) -> float:
    """Return the price; NaN where it is zero, as venues also write that there is none."""
    return math.nan if price == 0.0 else price


@inlined
def is_none_or_in_range(price: float) -> bool:
    """Return whether a price is NaN or in [PRICE_MIN, PRICE_MAX)."""
    return math.isnan(price) or PRICE_MIN <= price < PRICE_MAX


@inlined
def is_of_market(low: float, high: float) -> bool:
    """Return whether two sides, NaN where empty, are in range and not crossed."""
    is_crossed = low > high
    return not is_crossed and is_none_or_in_range(low) and is_none_or_in_range(high)


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
