"""Prices at a position of the log: what came before it is released when a price is asked for.

Without that a price would depend on how far the ticks of its partition were released by chance.
"""

from decimal import Decimal

from tapeflow.operators.desk.rates import Rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.venue.visit import price_or_none
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.orders import BestQuote
from tapeflow.schemas.time import LogPosition


def mark_at(
    state: State, instrument: int, position: LogPosition, *, long: bool
) -> tuple[Decimal, int] | None:
    """Return the price that a position in an instrument is valued at, and its log time.

    `instrument` is its number. None where there is no price before the position.
    """
    partition = state.partition_of(instrument)
    if partition is None:
        return None
    state.merge.release_partition(partition, position)
    price, log_ns = state.merge.marks.closing_price(instrument, long=long)
    return (to_decimal(price), log_ns) if price > 0 else None  # NaN: none yet


def quote_fields(
    state: State, settings: DeskSettings, instrument: str, position: LogPosition
) -> BestQuote:
    """Return the best bid and ask at a decision, as fields of it: None where there is none.

    Where something is decided, the ticks up to its record are released: the marks have the quote.
    """
    number = settings.instruments.number.get(instrument)
    if not settings.stores_quotes or number is None or state.merge.is_past(position):
        return {"bid": None, "ask": None}
    bid, ask = state.merge.marks.quote[number].tolist()
    return {"bid": price_or_none(bid), "ask": price_or_none(ask)}


def rates_at(state: State, settings: DeskSettings, account: str, position: LogPosition) -> Rates:
    """Return the rates of an account at a position; none is looked up before it is needed."""

    def price_of(number: int) -> Decimal | None:
        found = mark_at(state, number, position, long=True)
        return None if found is None else found[0]

    return Rates(settings.instruments, settings.accounts[account].at_par, price_of)
