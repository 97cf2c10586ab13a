"""What a strategy sees at a place of the log: `Context`, over the state of the desk.

Prices are released when they are asked for, up to and with the record of the place.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import cache, partial
from typing import NamedTuple

from tapeflow.operators.desk.equity import exact_mark, notional_rate
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.positions import entry_price
from tapeflow.operators.desk.rates import marked_rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.running import Running
from tapeflow.operators.desk.working import Working
from tapeflow.operators.features.composite import compute_composite
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.context import OpenOrder
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.market import Bars
from tapeflow.schemas.sizing import compute_size
from tapeflow.schemas.time import MIN_NS, LogPosition, Ns

BID, ASK = 0, 1


class SizeFacts(NamedTuple):
    """What sizes depend on, of one instrument."""

    context: "DeskContext"
    running: Running
    instrument: str

    def equity(self) -> Decimal | None:
        """Return the equity of the account."""
        return self.context.equity()

    def closes(self, kind: str, count: int) -> tuple[Floats, Ints]:
        """Return close and end (ns) of the last bars, oldest first."""
        bars = self.context.bars(self.instrument, kind)
        return bars.close[-count:], bars.close_ns[-count:]

    def trade_returns(self, count: int) -> list[Decimal]:
        """Return what the last closed trades made, as a part of what each cost."""
        return self.running.trades.returns[-count:]


class DeskContext:
    """The context of one call of a strategy."""

    __slots__ = ("_is_released", "_running", "_settings", "_state")

    def __init__(self, state: State, settings: DeskSettings, running: Running) -> None:
        self._state, self._settings, self._running = state, settings, running
        self._is_released = False

    @property
    def time_ns(self) -> Ns:
        """Log time of the event."""
        return self._state.now[0]

    @property
    def position(self) -> LogPosition:
        """Log time, partition, offset of the event."""
        return self._state.now

    @property
    def instruments(self) -> Sequence[str]:
        """Ids of the instruments that it trades, sorted."""
        return self._running.instruments

    def instrument(self, instrument: str) -> Instrument:
        """Return the facts of an instrument."""
        return self._settings.instruments.rows[self._number(instrument)]

    def holding(self, instrument: str) -> Decimal:
        """Return its own position, signed."""
        declared = self._running.declared
        books = self._state.accounts[declared.account].money.books
        return books.get(declared.name, instrument).quantity

    def entry_price(self, instrument: str) -> float | None:
        """Return the average price of its own position; None where it is flat."""
        declared, row = self._running.declared, self.instrument(instrument)
        position = self._state.accounts[declared.account].money.books.get(declared.name, row.id)
        price = entry_price(position, row.multiplier, inverse=row.inverse)
        return float(price) if position.quantity else None

    def orders(self, instrument: str | None = None) -> tuple[OpenOrder, ...]:
        """Return its own orders that are not over, in the order of their approval."""
        found = self._state.orders.living_of(self._running.declared.name)
        return tuple(
            open_order(each) for each in found if instrument in (None, each.order.instrument)
        )

    def equity(self) -> Decimal | None:
        """Return the equity of its account: capital, and all profit; None where it is unknown."""
        name = self._running.declared.account
        account, capital = self._state.accounts[name], self._settings.accounts[name].capital
        if capital is None:
            return None
        marks = self._marks()
        mark_of = cache(partial(exact_mark, marks))
        rates = marked_rates(
            self._settings.instruments, self._settings.accounts[name].at_par, marks
        )
        total = capital
        for strategy in account.money.books.sums:
            worth = account.money.worth(strategy, rates, mark_of, self._settings.money.digits)
            if worth.unvalued:
                return None
            total = DECIMAL_CONTEXT.add(total, worth.equity)
        return total

    def size(self, instrument: str) -> Decimal | None:
        """Return the size that the job declares, floored to the lot; None where it is unknown."""
        declared = self._running.declared
        if declared.sizing is None:
            return declared.size
        row, last, mid = self.instrument(instrument), self.last(instrument), self.mid(instrument)
        price = last if mid is None else mid
        return compute_size(
            declared.sizing,
            row,
            None if price is None else to_decimal(price),
            notional_rate(self._state, self._settings, declared.account, row),
            SizeFacts(self, self._running, instrument),
        )

    def last(self, instrument: str) -> float | None:
        """Return the price of the last accepted trade."""
        return none_if_nan(self._marks().last[self._number(instrument)])

    def bid(self, instrument: str) -> float | None:
        """Return the best bid."""
        return none_if_nan(self._marks().quote[self._number(instrument), BID])

    def ask(self, instrument: str) -> float | None:
        """Return the best ask."""
        return none_if_nan(self._marks().quote[self._number(instrument), ASK])

    def mid(self, instrument: str) -> float | None:
        """Return the middle of bid and ask; None where a side is missing, or they are crossed."""
        bid, ask = self.bid(instrument), self.ask(instrument)
        return None if bid is None or ask is None or bid > ask else bid + (ask - bid) / 2

    def bid_size(self, instrument: str) -> float | None:
        """Return the size at the best bid."""
        return none_if_nan(self._marks().quote_size[self._number(instrument), BID])

    def ask_size(self, instrument: str) -> float | None:
        """Return the size at the best ask."""
        return none_if_nan(self._marks().quote_size[self._number(instrument), ASK])

    def mark(self, instrument: str) -> float | None:
        """Return the venue's own mark price."""
        return none_if_nan(self._marks().mark[self._number(instrument)])

    def age_ns(self, instrument: str) -> Ns | None:
        """Return the log time since its last trade or quote."""
        marks, number = self._marks(), self._number(instrument)
        newest_ns = max(int(marks.last_at[number, 0]), int(marks.quote_at[number, 0]))
        return None if newest_ns == MIN_NS else self.time_ns - newest_ns

    def bars(self, instrument: str, kind: str = "") -> Bars:
        """Return the last bars of a kind, oldest first, as many as `needs` asks for."""
        self._number(instrument)
        return self._state.strategies.memory.bars(kind, instrument)

    def feature(self, name: str, instrument: str) -> float | None:
        """Return a feature at the last bar of its kind; None before its warm-up."""
        features = self._state.strategies.memory.features
        if name not in features:
            raise ValueError(f"no feature {name!r}: add it to needs()")
        return none_if_nan(features[name][self._number(instrument)])

    def composite(self, instruments: Sequence[str], max_age_ns: Ns) -> float | None:
        """Return the mean of the mids that are not older than this, weighted by their sizes."""
        return compute_composite(
            map(self.mid, instruments),
            map(self._touch_size, instruments),
            map(self._quote_age_ns, instruments),
            max_age_ns,
        )

    def _touch_size(self, instrument: str) -> float | None:
        bid_size, ask_size = self.bid_size(instrument), self.ask_size(instrument)
        return None if bid_size is None or ask_size is None else bid_size + ask_size

    def _quote_age_ns(self, instrument: str) -> Ns:
        return self.time_ns - int(self._marks().quote_at[self._number(instrument), 0])

    def _number(self, instrument: str) -> int:
        number = self._settings.instruments.number.get(instrument)
        if number is None:
            raise ValueError(f"{instrument!r} is no instrument of the job")
        return number

    def _marks(self) -> Marks:
        if not self._is_released:
            log_ns, partition, offset = self._state.now
            self._state.merge.release_before((log_ns, partition, offset + 1))
            self._is_released = True
        return self._state.merge.marks


def none_if_nan(value: float) -> float | None:
    """Return a price as Python's float; None where there is none."""
    return None if math.isnan(value) else float(value)


def open_order(working: Working) -> OpenOrder:
    """Return an order as its strategy sees it."""
    order = working.order
    return OpenOrder(
        id=order.id,
        instrument=order.instrument,
        side=order.side,
        type=order.type,
        size=working.size,
        filled=working.filled,
        limit=working.terms.limit,
        trigger=working.terms.trigger,
        phase=working.phase,
        pending=working.pending,
        role=order.role,
        parent=order.parent,
    )
