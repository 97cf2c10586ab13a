"""Market data: ticks and bars as columns.

    Market   trades       offset log_ns instrument event_ns | trade_id count aggressor .. price size
             quotes       offset log_ns instrument event_ns | bid bid_size ask ask_size
             mark_prices  offset log_ns instrument event_ns | mark index funding_rate funding_ns

Code that handles a market (decode, merge, snapshots, quality) iterates over its fields: a new kind
of market data is a class of columns, a field of `Market`, and a channel of a dialect that fills it.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from math import isnan
from typing import Any, Self, get_type_hints

from msgspec import Struct
from msgspec.structs import astuple, replace

from tapeflow.schemas.bar import QUOTED, Bar, OtherBar
from tapeflow.schemas.columns import Bools, Columns, Floats, Ints

# The verdict on a trade. A step may turn ACCEPTED into something else, and HISTORICAL into ACCEPTED
# where an old trade is one that was missed.
ACCEPTED, DUPLICATE, LATE, HISTORICAL, OFF_MARKET, AHEAD = range(6)
# The status of a frame; SLOW_PATH (for the strict reader) never leaves the decoder.
DECODED, HEARTBEAT, IGNORED, UNLISTED, MALFORMED, SLOW_PATH = range(6)


class Ticks(Columns, frozen=True, eq=False):
    """Rows of one kind of market data, in log order."""

    offset: Ints  # of the record in its partition; rows of one record share it
    log_ns: Ints
    instrument: Ints  # its number in the job's table, which is sorted by id
    event_ns: Ints  # the venue's time; NO_TIME where it sends none


class Trades(Ticks, frozen=True, eq=False):
    """Public trades, in the same terms for every venue."""

    trade_id: Ints  # the venue's; unique within an instrument
    count: Ints  # trades in this row: 1, or of an aggTrade its last id - its first + 1
    aggressor: Ints  # BUY or SELL: the side that took liquidity
    verdict: Ints
    price: Floats  # the float64 nearest to the venue's decimal, in quote
    size: Floats  # in base, or contracts where the multiplier is not 1

    def with_verdict(self, verdict: Ints) -> "Trades":
        """Return the same trades with another verdict on each."""
        return replace(self, verdict=verdict)


class Quotes(Ticks, frozen=True, eq=False):
    """Best bid and ask; a side that is empty, or whose size the venue leaves out, is NaN."""

    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats


class MarkPrices(Ticks, frozen=True, eq=False):
    """Mark prices of perpetuals, at which a venue values open positions; NaN where it has none."""

    mark: Floats
    index: Floats  # of the underlying, over several venues
    funding_rate: Floats  # that the holders of longs pay at `funding_ns`; NaN where there is none
    funding_ns: Ints  # the venue's time of the next payment; NO_TIME where there is none


class Tables(Struct, frozen=True, eq=False):
    """Tables of columns; a subclass names them."""

    @classmethod
    @cache
    def tables(cls) -> dict[str, Any]:
        """Return the class of each table, by its field."""
        return {name: get_type_hints(cls)[name] for name in cls.__struct_fields__}

    def columns(self) -> tuple[Any, ...]:
        """Return the tables, in the order of the fields."""
        return astuple(self)


class Market(Tables, frozen=True, eq=False):
    """The ticks of some records, a table for each kind of market data."""

    trades: Trades = Trades.empty()
    quotes: Quotes = Quotes.empty()
    mark_prices: MarkPrices = MarkPrices.empty()

    @classmethod
    def from_columns(cls, columns: Iterable[Ticks]) -> Self:
        """Return a market of these tables, in the order of the fields."""
        return cls(*columns)  # type: ignore[arg-type]  # each is of its field's class


class Bars(Columns, frozen=True, eq=False):
    """Bars of one partition as columns, in the order of closing; they are the fields of `Bar`."""

    instrument: Ints  # its number in the job's table
    open_ns: Ints
    close_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    count: Ints
    buy_volume: Floats
    notional: Floats
    buy_notional: Floats
    complete: Bools
    log_ns: Ints
    offset: Ints
    first_offset: Ints
    last_offset: Ints

    def values(self, partition: str, instruments: Sequence[str], kind: str = "") -> Iterator[Bar]:
        """Return each bar as a value; `instruments` are the ids by number.

        Those of another kind than the job's width are of `OtherBar`.
        """
        columns = dict(
            zip(self.column_names(), (column.tolist() for column in self.arrays()), strict=True)
        )
        ids = [instruments[number] for number in columns["instrument"]]
        venues = [each.partition(".")[2] for each in ids]
        columns |= {"instrument": ids, "venue": venues, "partition": [partition] * len(ids)}
        value = OtherBar if kind else Bar
        if kind:
            columns |= {"kind": [kind] * len(ids)} | self.quote_values()
        rows = zip(*(columns[name] for name in value.__struct_fields__), strict=True)
        return (value(*row) for row in rows)

    def quote_values(self) -> dict[str, list[float | None]]:
        """Return what only bars of quotes have, by field; None where there is none."""
        return {name: [None] * len(self) for name in QUOTED}


class QuoteBars(Bars, frozen=True, eq=False):
    """Bars of the mid of bid and ask; means weighted by time, NaN where there is none."""

    spread: Floats  # ask - bid
    imbalance: Floats  # (bid size - ask size) / (bid size + ask size)
    microprice: Floats  # (bid * ask size + ask * bid size) / (bid size + ask size)

    def quote_values(self) -> dict[str, list[float | None]]:
        """Return what only bars of quotes have, by field; None where there is none."""
        columns = {name: getattr(self, name).tolist() for name in QUOTED}
        return {
            name: [None if isnan(each) else each for each in column]
            for name, column in columns.items()
        }
