"""Batches of columns, built without frames, for the tests of one step.

batch(tick(3 * S, 100.0), heartbeat(4 * S))
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tapeflow.schemas.bar import Bar
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.desk_market import DeskMarket
from tapeflow.schemas.market import (
    ACCEPTED,
    DECODED,
    HEARTBEAT,
    IGNORED,
    MALFORMED,
    UNLISTED,
    Bars,
    Market,
    Quotes,
    Ticks,
    Trades,
)
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.time import NO_TIME
from tests.frames import S
from tests.plain_flow import IDS


class Tick(NamedTuple):
    """One trade, a row of `Trades` to be built."""

    event_ns: int
    price: float
    size: float
    instrument: int
    trade_id: int
    side: int
    log_ns: int
    verdict: int
    trades: int = 1


class OtherRecord(NamedTuple):
    """A record without a trade."""

    log_ns: int
    status: int


def tick(
    event_ns,
    price=100.0,
    size=1.0,
    *,
    instrument=0,
    trade_id=0,
    side=BUY,
    log_ns=None,
    verdict=ACCEPTED,
) -> Tick:
    """Return a trade, by default logged when it happened."""
    log_ns = event_ns if log_ns is None else log_ns
    return Tick(event_ns, price, size, instrument, trade_id, side, log_ns, verdict)


def heartbeat(log_ns: int) -> OtherRecord:
    """Return a heartbeat."""
    return OtherRecord(log_ns, HEARTBEAT)


def no_tick(log_ns: int, status: int = MALFORMED) -> OtherRecord:
    """Return a record whose frame gives no tick."""
    assert status in (MALFORMED, IGNORED, UNLISTED)
    return OtherRecord(log_ns, status)


def batch(
    *records: Any,
    first_offset=0,
    partition="binance-0",
    end_of_log=False,
    bars: Sequence[Bar] = (),
    **fields: Any,
) -> Batch:
    """Return a batch of records: a tick, a list of ticks (of one record), or no tick."""
    ticks, log_ns, status, instruments = [], [], [], []
    for offset, record in enumerate(records, first_offset):
        trades = record if isinstance(record, list) else [record]
        trades = [each for each in trades if isinstance(each, Tick)]
        ticks += [(offset, each) for each in trades]
        log_ns.append(trades[0].log_ns if trades else record.log_ns)
        status.append(DECODED if trades else record.status)
        instruments.append(trades[0].instrument if trades else -1)
    columns = Trades(
        offset=ints(offset for offset, _ in ticks),
        log_ns=ints(log_ns[offset - first_offset] for offset, _ in ticks),  # the record's
        instrument=ints(each.instrument for _, each in ticks),
        trade_id=ints(each.trade_id for _, each in ticks),
        count=ints(each.trades for _, each in ticks),
        aggressor=ints(each.side for _, each in ticks),
        event_ns=ints(each.event_ns for _, each in ticks),
        verdict=ints(each.verdict for _, each in ticks),
        price=np.array([each.price for _, each in ticks], np.float64),
        size=np.array([each.size for _, each in ticks], np.float64),
    )
    return Batch(
        partition,
        first_offset,
        ints(log_ns),
        ints(status),
        ints(instruments),
        end_of_log,
        Market(columns),
        bars=to_bars(bars),
        **fields,
    )


def batches(records: Sequence[Any], splits: Iterable[int] = (), *, end_of_log=True) -> list[Batch]:
    """Return the records as batches, split before these offsets, and an empty one at the end."""
    edges = sorted({0, len(records), *(each for each in splits if 0 < each < len(records))})
    split = [batch(*records[begin:end], first_offset=begin) for begin, end in pairwise(edges)]
    if end_of_log:
        split.append(batch(first_offset=len(records), end_of_log=True))
    return split


def desk_ticks(ticks: Ticks) -> Any:
    """Return ticks with the columns of the desk; of trades those that were accepted."""
    tables = zip(Market.tables().values(), DeskMarket.tables().values(), strict=True)
    kind = dict(tables)[type(ticks)]
    rows = ticks.take(ticks.verdict == ACCEPTED) if isinstance(ticks, Trades) else ticks
    columns = {name: getattr(rows, name, rows.log_ns) for name in kind.column_names()}
    return kind(**columns)


def ints(values: Iterable[int]) -> Any:
    """Return a column of int64."""
    return np.array(list(values), np.int64)


def quotes(*rows: tuple[int, int, int, float, float]) -> Quotes:
    """Return quotes of (offset, log_ns, instrument, bid, ask)."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    ones = np.ones(len(rows))
    return Quotes(
        offset=ints(columns[0]),
        log_ns=ints(columns[1]),
        instrument=ints(columns[2]),
        event_ns=ints([NO_TIME] * len(rows)),
        bid=np.array(columns[3], np.float64),
        bid_size=ones,
        ask=np.array(columns[4], np.float64),
        ask_size=ones,
    )


def with_quotes(trades: Batch, *rows: tuple[int, int, int, float, float]) -> Batch:
    """Return a batch of trades with these quotes; see `quotes`."""
    return trades.replace(market=Market(trades.market.trades, quotes(*rows)))


def bar(
    close: float, *, number=0, instrument=IDS[0], log_ns=None, partition="binance-0", offset=0
) -> Bar:
    """Return the bar of second `number`, of which only the close matters."""
    return Bar(
        instrument, "BINANCE", number * S, (number + 1) * S, close, close, close, close, 1.0, close, 1, 1.0,
        close, close, True, (number + 1) * S if log_ns is None else log_ns, partition, offset, 0, 0,
    )  # fmt: skip


def to_bars(values: Sequence[Bar]) -> Bars:
    """Return bars as columns."""
    columns = {
        name: np.array([getattr(each, name) for each in values], kind.dtype)
        for name, kind in zip(Bars.column_names(), Bars.empty().arrays(), strict=True)
        if name != "instrument"
    }
    return Bars(instrument=ints(IDS.index(each.instrument) for each in values), **columns)


def bar_values(output: Batch, instruments: Sequence[str] = IDS) -> list[Bar]:
    """Return the bars of a batch as values; `instruments` are the ids by number."""
    return list(output.bars.values(output.partition, instruments))
