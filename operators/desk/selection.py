"""Select what the desk is sent of a batch: the rows it uses, and their columns only.

    trades    accepted, at prices that are traded              each may fill an order
    quotes    q1 q2 x | q3 x | x | q4      |: equity is due     where orders meet trades by log time
              -  q2 - | q3 - | x | q4                           alone: of each instrument the last
                                                                before each sample; else all

Equity is valued at nothing else of quotes and mark prices. Where none of the rows between two
samples is of a market (x), one is sent all the same: a sample is taken where ticks have come.

Every worker does this for the partitions that it reads; the desk alone is one worker's.
"""

from typing import NamedTuple, TypeVar

import numpy as np

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.desk.funding_terms import rows_of_funding
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.strategies.signal_counts import minutes_of
from tapeflow.schemas.batches import NO_BARS, Batch, DeskBatch
from tapeflow.schemas.columns import Columns, Floats, Ints, Written
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN
from tapeflow.schemas.desk_market import DeskMarket, DeskMarkPrices, DeskQuotes, DeskTrades
from tapeflow.schemas.market import ACCEPTED, Bars, MarkPrices, Quotes, Trades
from tapeflow.schemas.needs import SCORE

ABSENT, PRESENT = 0, 1  # of an instrument in a batch; above: the interval whose last row is sent


def desk_batch(batch: Batch, settings: DeskSettings) -> DeskBatch:
    """Return a batch as the desk receives it."""
    instruments, market = select(batch, settings)
    bars, other_bars, features = select_bars(batch, settings)
    return DeskBatch(
        partition=batch.partition,
        first_offset=batch.first_offset,
        next_offset=batch.next_offset,
        first_log_ns=int(batch.log_ns[0]) if len(batch.log_ns) else 0,
        log_ns=int(batch.log_ns[-1]) if len(batch.log_ns) else 0,
        end_of_log=batch.end_of_log,
        instruments=instruments,
        market=market,
        intents=batch.intents,
        bars=bars,
        other_bars=other_bars,
        features=features,
        controls=batch.controls,
        minutes=minutes_of(batch) if settings.strategies else {},
    )


def select_bars(
    batch: Batch, settings: DeskSettings
) -> tuple[Bars, dict[str, Bars], dict[str, Floats]]:
    """Return the bars and features that strategies of the merge read, or orders in slices."""
    reads = settings.reads
    bars = batch.bars if settings.reads_bars or "" in reads.kinds else NO_BARS
    others = {kind: batch.other_bars[kind] for kind in reads.kinds if kind in batch.other_bars}
    features = {
        need: batch.scores if need == SCORE else batch.features[need]
        for kind, needs in reads.needs.items()
        for need in needs
        if len(bars if not kind else others.get(kind, NO_BARS))
    }
    return bars, others, features


class Selected(NamedTuple):
    """The instruments of a batch, and the ticks that the desk is sent."""

    instruments: Ints
    market: DeskMarket


def select(batch: Batch, settings: DeskSettings) -> Selected:
    """Return what the desk is sent of the ticks of a batch."""
    market = batch.market
    seen = np.zeros(len(settings.instruments), np.int64)  # by instrument: ABSENT, PRESENT, ..
    trades = select_trades(market.trades, seen)
    if settings.sees_every_quote:
        seen[market.quotes.instrument] = seen[market.mark_prices.instrument] = PRESENT
        quotes = to_desk(DeskQuotes, market.quotes)
        marks = to_desk(DeskMarkPrices, market.mark_prices)
    else:
        quotes = select_quotes(market.quotes, seen, settings.sample_ns)
        marks = select_mark_prices(market.mark_prices, seen, settings.sample_ns)
    return Selected(seen.nonzero()[0], DeskMarket(trades, quotes, marks))


T = TypeVar("T", bound=Columns)


def to_desk(kind: type[T], ticks: Columns) -> T:
    """Return all rows of a table with the columns of `kind`."""
    columns = {name: getattr(ticks, name, None) for name in kind.column_names()}
    return kind(**{**columns, "venue_ns": columns["log_ns"]})


def select_trades(trades: Trades, seen: Ints) -> DeskTrades:
    """Return the trades that were accepted at prices that are traded."""
    if not len(trades):
        return DeskTrades.empty()
    rows = np.empty(len(trades), np.int64)
    count = rows_traded(trades.instrument, trades.verdict, trades.price, seen, rows)
    columns = to_desk(DeskTrades, trades)
    return columns if count == len(rows) else columns.take(rows[:count])


def select_quotes(quotes: Quotes, seen: Ints, sample_ns: int) -> DeskQuotes:
    """Return the last quote of a market of each instrument before each sample."""
    if not len(quotes):
        return DeskQuotes.empty()
    rows, where = np.empty(len(quotes), np.int64), (quotes.log_ns, quotes.instrument)
    begin = rows_before_samples(*where, quotes.bid, quotes.ask, sample_ns, seen, rows)
    return to_desk(DeskQuotes, quotes).take(rows[begin:])


def select_mark_prices(marks: MarkPrices, seen: Ints, sample_ns: int) -> DeskMarkPrices:
    """Return the last mark price of each instrument before each sample, and those of funding."""
    if not len(marks):
        return DeskMarkPrices.empty()
    rows, wanted = np.empty(len(marks), np.int64), np.zeros(len(marks), np.bool_)
    where = (marks.log_ns, marks.instrument)
    begin = rows_before_samples(*where, marks.mark, marks.mark, sample_ns, seen, rows)
    wanted[rows[begin:]] = True
    never = np.full(len(seen), -1, np.int64)
    rows_of_funding(marks.instrument, marks.funding_ns, never, wanted)
    return to_desk(DeskMarkPrices, marks).take(np.flatnonzero(wanted))


@compiled
@by_numbers
def rows_traded(
    instrument: Ints, verdict: Ints, price: Floats, seen: Written[Ints], rows: Written[Ints]
) -> int:
    """Write the rows of trades that are sent; return how many. Marks their instruments as seen."""
    count = 0
    for row in range(len(instrument)):
        seen[instrument[row]] = PRESENT
        if verdict[row] == ACCEPTED and PRICE_MIN <= price[row] < PRICE_MAX:
            rows[count] = row
            count += 1
    return count


@compiled
@by_numbers
def rows_before_samples(
    log_ns: Ints,
    instrument: Ints,
    bid: Floats,
    ask: Floats,
    sample_ns: int,
    seen: Written[Ints],
    rows: Written[Ints],
) -> int:
    """Write the rows that are sent to the end of `rows`, in order; return where they begin.

    `seen` is, by instrument, the number of the last interval of which a row is sent: intervals are
    numbered backwards in time, from above all that are there.
    """
    interval = PRESENT
    for number in range(len(seen)):
        interval = max(interval, seen[number])
    at, last, begin_ns = len(rows), -1, 0
    for row in range(len(rows) - 1, -1, -1):
        if row == len(rows) - 1 or log_ns[row] < begin_ns:
            if last >= 0:  # of the interval behind this one nothing is sent yet
                at -= 1
                rows[at] = last
            begin_ns = log_ns[row] // sample_ns * sample_ns
            interval += 1
            last = row
        number = instrument[row]
        if seen[number] < interval:
            if is_of_market(nan_if_empty(bid[row]), nan_if_empty(ask[row])):
                at -= 1
                rows[at] = row
                seen[number] = interval
                last = -1
            elif seen[number] == ABSENT:
                seen[number] = PRESENT
    if last >= 0:
        at -= 1
        rows[at] = last
    return at
