"""The clock of a venue as the log shows it: when a row happened there, by our clock.

    log_ns       100      103      106          we hear of it
    event_ns      97       99      none         the venue's own time
    delay          3        4        4          of the last row with a time
    venue_ns      97       99      102          no order of ours that came later meets the row

A venue's clock that runs ahead of ours shows rows before they happen: the greatest lead of this and
the last minute is taken off. One that runs behind cannot be told from a feed that is late, and is
taken as one: an order then fills later than it had to, never earlier than it could.
"""

from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace

from tapeflow.engine.compiled import by_numbers, compiled, inlined
from tapeflow.schemas.columns import Ints, Written
from tapeflow.schemas.desk_market import DeskMarket, DeskTicks
from tapeflow.schemas.time import MAX_NS, NO_TIME, NS_PER_MINUTE

# The state of a partition: minute of log time, greatest lead in it and in the one before, delay.
MINUTE, LEAD, LEAD_BEFORE, DELAY = range(4)
WIDTH = 4


T = TypeVar("T", bound=DeskTicks)


def initial_clock() -> Ints:
    """Return the state of a partition before its first row: (WIDTH,)."""
    return np.zeros(WIDTH, np.int64)


def set_venue_times(clock: Ints, market: DeskMarket) -> DeskMarket:
    """Return the rows of a partition with their venue times; the clock is updated in place."""
    trades, quotes, marks = market.columns()
    times = [np.empty(len(each), np.int64) for each in (trades, quotes, marks)]
    where = [(each.offset, each.log_ns, each.event_ns) for each in (trades, quotes, marks)]
    write_venue_times(clock, *where[0], *where[1], *where[2][:2], *times)
    return DeskMarket(*map(with_times, (trades, quotes, marks), times))


def with_times(ticks: T, venue_ns: Ints) -> T:
    """Return the same rows with their venue times."""
    return replace(ticks, venue_ns=venue_ns) if len(ticks) else ticks


@inlined
def venue_time(clock: Any, log_ns: int, event_ns: int) -> Any:
    """Return the venue time of a trade or quote; one that has a time sets the clock."""
    if event_ns == NO_TIME:
        return log_ns - clock[DELAY]
    minute = log_ns // NS_PER_MINUTE
    if minute != clock[MINUTE]:
        clock[LEAD_BEFORE] = clock[LEAD] if minute == clock[MINUTE] + 1 else 0
        clock[LEAD] = 0
        clock[MINUTE] = minute
    clock[LEAD] = max(clock[LEAD], event_ns - log_ns)
    venue_ns = event_ns - max(clock[LEAD], clock[LEAD_BEFORE])
    clock[DELAY] = log_ns - venue_ns
    return venue_ns


@compiled
@by_numbers
def write_venue_times(  # noqa: PLR0913, PLR0917  # a kernel takes plain arrays
    clock: Written[Ints],
    trade_offset: Ints,
    trade_log_ns: Ints,
    trade_event_ns: Ints,
    quote_offset: Ints,
    quote_log_ns: Ints,
    quote_event_ns: Ints,
    mark_offset: Ints,
    mark_log_ns: Ints,
    trade_venue_ns: Written[Ints],
    quote_venue_ns: Written[Ints],
    mark_venue_ns: Written[Ints],
) -> None:
    """Write the venue times of three tables of one partition, in the order of their records."""
    trade = quote = mark = 0
    while trade < len(trade_offset) or quote < len(quote_offset) or mark < len(mark_offset):
        at_trade = trade_offset[trade] if trade < len(trade_offset) else MAX_NS
        at_quote = quote_offset[quote] if quote < len(quote_offset) else MAX_NS
        at_mark = mark_offset[mark] if mark < len(mark_offset) else MAX_NS
        if at_trade <= at_quote and at_trade <= at_mark:
            trade_venue_ns[trade] = venue_time(clock, trade_log_ns[trade], trade_event_ns[trade])
            trade += 1
        elif at_quote <= at_mark:
            quote_venue_ns[quote] = venue_time(clock, quote_log_ns[quote], quote_event_ns[quote])
            quote += 1
        else:
            mark_venue_ns[mark] = mark_log_ns[mark] - clock[DELAY]
            mark += 1
