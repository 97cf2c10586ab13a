"""Prices at a position of the log: what came before it is released when a price is asked for.

Without that a price would depend on how far the ticks of its partition were released by chance.
"""

from decimal import Decimal

from tapeflow.operators.desk.rates import Rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.decimals import to_decimal
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


def rates_at(state: State, settings: DeskSettings, account: str, position: LogPosition) -> Rates:
    """Return the rates of an account at a position; none is looked up before it is needed."""

    def price_of(number: int) -> Decimal | None:
        found = mark_at(state, number, position, long=True)
        return None if found is None else found[0]

    return Rates(settings.instruments, settings.accounts[account].at_par, price_of)
