"""The `Context` of a strategy's call: a view of the state of the desk."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache, partial
from typing import NamedTuple

from tapeflow.operators.desk.equity import exact_mark, notional_rate
from tapeflow.operators.desk.positions import entry_price
from tapeflow.operators.desk.rates import marked_rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.strategies.market_view import MarketView, none_if_nan
from tapeflow.operators.desk.strategies.running import Running
from tapeflow.operators.desk.working import Working
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.context import OpenOrder
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal
from tapeflow.schemas.market import Bars
from tapeflow.schemas.sizing import compute_size


class SizeView(NamedTuple):
    """The facts of one instrument that sizes depend on: `SizeFacts`."""

    context: "DeskContext"
    running: Running
    instrument: str

    def equity(self) -> Decimal | None:
        """Return the equity of the account."""
        return self.context.equity()

    def closes(self, kind: str, count: int) -> tuple[Floats, Ints]:
        """Return close and end (ns) of the last bars, oldest first."""
        bars = self.context.bars_of_size(self.instrument, kind, count)
        return bars.close, bars.close_ns

    def trade_returns(self, count: int) -> list[Decimal]:
        """Return what the last closed trades made, as a part of what each cost."""
        return self.running.trades.returns[-count:]


class DeskContext(MarketView):
    """The context of one call of a strategy."""

    __slots__ = ("_running",)

    def __init__(self, state: State, settings: DeskSettings, running: Running) -> None:
        super().__init__(state, settings)
        self._running = running

    @property
    def instruments(self) -> Sequence[str]:
        """Ids of the instruments that it trades, sorted."""
        return self._running.instruments

    def holding(self, instrument: str) -> Decimal:
        """Return its own position, signed."""
        declared, row = self._running.declared, self.instrument(instrument)
        books = self._state.accounts[declared.account].money.books
        return books.get(declared.name, row.id).quantity

    def entry_price(self, instrument: str) -> float | None:
        """Return the average price of its own position; None where it is flat."""
        declared, row = self._running.declared, self.instrument(instrument)
        position = self._state.accounts[declared.account].money.books.get(declared.name, row.id)
        price = entry_price(position, row.multiplier, inverse=row.inverse)
        return float(price) if position.quantity else None

    def orders(self, instrument: str | None = None) -> tuple[OpenOrder, ...]:
        """Return its own orders that are not over, in the order of their approval."""
        if instrument is not None:
            self._number(instrument)  # a name that is none is an error, and not without orders
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
        row = self.instrument(instrument)
        if declared.sizing is None:
            return declared.size
        last, mid = self.last(instrument), self.mid(instrument)
        price = last if mid is None else mid
        return compute_size(
            declared.sizing,
            row,
            None if price is None else to_decimal(price),
            notional_rate(self._state, self._settings, declared.account, row),
            SizeView(self, self._running, instrument),
        )

    def bars(self, instrument: str, kind: str = "") -> Bars:
        """Return the last bars of a kind, oldest first, as many as `needs` asks for."""
        self._number(instrument)
        kind = "" if kind in self._settings.reads.own else kind
        count = self._running.reads.counts.get(kind, 0)
        if not count:
            need = f"bars:N@{kind}" if kind else "bars:N"
            raise ValueError(f"no bars of {kind or 'the job'}: add {need!r} to needs()")
        return self._state.strategies.memory.bars(kind, instrument, count)

    def bars_of_size(self, instrument: str, kind: str, count: int) -> Bars:
        """Return the last bars that a size depends on, whatever the class itself needs."""
        kind = "" if kind in self._settings.reads.own else kind
        return self._state.strategies.memory.bars(kind, instrument, count)

    def feature(self, name: str, instrument: str) -> float | None:
        """Return a feature at the last bar of its kind; None before its warm-up."""
        if name not in self._running.reads.features:
            raise ValueError(f"no feature {name!r}: add it to needs()")
        features = self._state.strategies.memory.features
        return none_if_nan(features[name][self._number(instrument)])


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
