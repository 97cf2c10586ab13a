"""Trades and quotes of one partition as Arrow tables: the columns of the files of ticks."""

from typing import Any

import numpy as np
import pyarrow as pa

from tapeflow.schemas.market import Quotes, Trades
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.time import NO_TIME

VERDICTS = ("accepted", "duplicate", "late", "history", "off_market", "ahead")  # as data_quality
NAMES = pa.dictionary(pa.int32(), pa.string())
SHARED = [
    ("partition", NAMES), ("offset", pa.int64()), ("log_ns", pa.int64()), ("event_ns", pa.int64()),
    ("instrument", NAMES),
]  # fmt: skip
TRADES = pa.schema(
    [
        *SHARED,
        ("trade_id", pa.int64()),
        ("count", pa.int64()),
        ("side", NAMES),
        ("price", pa.float64()),
        ("size", pa.float64()),
        ("verdict", NAMES),
    ]
)
QUOTES = pa.schema(
    [*SHARED, *((name, pa.float64()) for name in ("bid", "bid_size", "ask", "ask_size"))]
)
SCHEMAS = {"trades": TRADES, "quotes": QUOTES}


class Tables:
    """Ticks as Arrow tables of one job's instruments."""

    def __init__(self, partition: str, instruments: tuple[str, ...]) -> None:
        """Name the partition, and the instruments by number."""
        self.partition, self.instruments = partition, pa.array(instruments, pa.string())

    def of_trades(self, rows: Trades) -> Any:
        """Return trades as a table of TRADES."""
        side = np.where(rows.aggressor == BUY, 0, 1).astype(np.int32)
        own = [
            pa.array(rows.trade_id), pa.array(rows.count),
            names_of(side, pa.array(["BUY", "SELL"])), pa.array(rows.price), pa.array(rows.size),
            names_of(rows.verdict, pa.array(VERDICTS)),
        ]  # fmt: skip
        return pa.Table.from_arrays([*self._common_columns(rows), *own], schema=TRADES)

    def of_quotes(self, rows: Quotes) -> Any:
        """Return quotes as a table of QUOTES; a side that is empty is NULL."""
        sides = (rows.bid, rows.bid_size, rows.ask, rows.ask_size)
        own = [pa.array(each, mask=np.isnan(each)) for each in sides]
        return pa.Table.from_arrays([*self._common_columns(rows), *own], schema=QUOTES)

    def _common_columns(self, rows: Trades | Quotes) -> list[Any]:
        partition = names_of(np.zeros(len(rows), np.int32), pa.array([self.partition]))
        event_ns = pa.array(rows.event_ns, mask=rows.event_ns == NO_TIME)
        offset, log_ns = pa.array(rows.offset), pa.array(rows.log_ns)
        return [partition, offset, log_ns, event_ns, names_of(rows.instrument, self.instruments)]


def names_of(numbers: Any, names: Any) -> Any:
    """Return numbers as a column of the names that they stand for."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), names)
