"""Compares a fill with the record that filled it, and with the quote that it met.

quote (bid, ask)  ..  [record that filled it]
^ the one before it,  or its own: columns bid and ask of the fill
"""

import numpy as np

from tapeflow.flows.explain.node import Node, record_id
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.desk.venue.visit import price_or_none
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.instruments import InstrumentTable

NO_TRADE = -1
Quote = tuple[float | None, float | None]


class FillRecord:
    """The record of a fill, and the newest quote of its instrument before it."""

    kinds = ()

    def __init__(self, node: Node, table: InstrumentTable, begin: int, _: int | None) -> None:
        """Want the records from `begin` on."""
        self.node, row = node, node.row
        self.partition, self.begin, self.end = row["partition"], begin, row["offset"]
        self.time_ns = None
        self.number = table.number[row["instrument"]]
        self.before: Quote | None = None
        self.own: list[Quote] = []
        self.rows = 0  # of the instrument in its record
        self.trades: dict[int, float] = {}  # price by id
        self.is_read = False

    def take(self, page: Page, batch: Batch) -> None:
        """Take the quotes of the instrument, and all that the record holds of it."""
        market = batch.market
        self.is_read = self.is_read or page.first_offset <= self.end < page.next_offset
        for ticks in (market.trades, market.quotes, market.mark_prices):
            of_it = (ticks.instrument == self.number) & (ticks.offset == self.end)
            self.rows += int(of_it.sum())
        t, q = market.trades, market.quotes
        for n in np.flatnonzero((t.instrument == self.number) & (t.offset == self.end)).tolist():
            self.trades[int(t.trade_id[n])] = float(t.price[n])
        of_it = (q.instrument == self.number) & (q.offset <= self.end) & (q.offset >= self.begin)
        for n in np.flatnonzero(of_it).tolist():
            bid, ask = nan_if_empty(float(q.bid[n])), nan_if_empty(float(q.ask[n]))
            if not is_of_market(bid, ask):
                continue
            quote = price_or_none(bid), price_or_none(ask)
            if q.offset[n] == self.end:
                self.own.append(quote)
            else:
                self.before = quote

    def may_agree(self) -> bool:
        """Return whether the quote that it met may lie further back."""
        return (
            self.is_read and not self.node.faults and self.find_quote() is None and self.begin > 0
        )

    def find_quote(self) -> bool | None:
        """Return whether it met a quote that was read; None where that may lie further back."""
        met = self.node.row.get("bid"), self.node.row.get("ask")
        if met == (None, None) or met in self.own or met == self.before:
            return True
        return None if self.before is None else False

    def finish(self) -> None:
        """Write into the node what does not agree."""
        if self.is_read and (fault := self.find_fault()):
            self.node.faults.append(fault)

    def find_fault(self) -> str:
        """Return what does not agree, "" where nothing is known to."""
        row, name = self.node.row, record_id(self.partition, self.end)
        if not self.rows:
            return f"record {name} of the log that was given holds nothing of {row['instrument']}"
        if row["trade_id"] != NO_TRADE:
            price = self.trades.get(row["trade_id"])
            if price is None:
                return f"record {name} of the log that was given has no trade {row['trade_id']}"
            if (float(row["price"]) - price) * (1 if row["side"] == "BUY" else -1) < 0:
                return f"trade {row['trade_id']} at {price:g} does not give {row['price']}"
        is_met = self.find_quote()
        if is_met is False or (is_met is None and not self.begin):
            return (
                f"it met bid {row['bid']}, ask {row['ask']}: the log that was given has no such "
                f"quote at record {name}, nor as the last one before it"
            )
        return ""
