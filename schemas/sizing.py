"""Sizes of orders: the values of the key `size` of [[strategies]], and what they come to.

    Notional 1000                 worth of the order, in the currencies at par
    EquityShare 0.02              equity * 0.02
    VolatilityTarget 0.2 a year   equity * 0.2 / yearly volatility of the instrument's bars
    Kelly 0.5, max_share 0.1      equity * min(0.5 * Kelly fraction, 0.1)
                                                    │
    size = worth / worth of one unit at a price, floored to the lot

All is exact in decimals but for the volatility. What is not known is None, never a guess.
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from math import fsum, isfinite, sqrt
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal
from tapeflow.schemas.instruments import Instrument

if TYPE_CHECKING:  # commands that read results need signals, and no numpy
    from tapeflow.schemas.columns import Floats, Ints

ZERO = Decimal(0)
SIZE_CAP = Decimal(10) ** 12  # above every limit of a position: it is refused by that
YEAR_NS = 365 * 86_400 * 10**9  # markets that never close


class Notional(Struct, frozen=True):
    """As much as is worth a notional, in the currencies at par."""

    notional: Decimal


class EquityShare(Struct, frozen=True):
    """As much as is worth a part of the account's equity."""

    share: Decimal


class VolatilityTarget(Struct, frozen=True):
    """As much as moves by a part of the account's equity in a year, one standard deviation."""

    target: Decimal  # a year
    window: int  # returns
    kind: str = ""  # of bars; "": the job's own width

    @property
    def bars_need(self) -> str:
        """The bars that it reads, as a strategy writes it in `needs`."""
        return f"bars:{self.window + 1}" + (f"@{self.kind}" if self.kind else "")


class Kelly(Struct, frozen=True):
    """A part of the Kelly fraction of the strategy's own last closed trades, capped."""

    fraction: Decimal  # of the Kelly fraction
    max_share: Decimal  # of equity
    trades: int  # the last ones; before so many nothing is known


Sizing = Notional | EquityShare | VolatilityTarget | Kelly  # a plain number is `size` units


class SizeFacts(Protocol):
    """What a size depends on, besides the price; each is asked for only where a rule needs it."""

    def equity(self) -> Decimal | None:
        """Return the equity of the account, in the currencies at par."""

    def closes(self, kind: str, count: int) -> "tuple[Floats, Ints]":
        """Return close and end (ns) of the last bars of the instrument, oldest first."""

    def trade_returns(self, count: int) -> Sequence[Decimal]:
        """Return what the strategy's last closed trades made, as a part of what each cost."""


def compute_size(
    sizing: Sizing, row: Instrument, price: Decimal | None, rate: Decimal | None, facts: SizeFacts
) -> Decimal | None:
    """Return the size of an order, floored to the lot: 0 or more; None where it is not known.

    `rate` is what one unit of the currency of its notional is worth in those at par: 1, but for a
    quanto contract.
    """
    unit = unit_worth(row, price, rate)
    worth = None if unit is None else order_worth(sizing, facts)
    return None if unit is None or worth is None else floor_worth(worth, unit, row.lot)


def order_worth(sizing: Sizing, facts: SizeFacts) -> Decimal | None:
    """Return what an order is to be worth; 0 where that would be less than nothing."""
    if isinstance(sizing, Notional):
        return sizing.notional
    share = equity_part(sizing, facts)
    equity = None if share is None else facts.equity()
    if share is None or equity is None:
        return None
    return DECIMAL_CONTEXT.multiply(max(equity, ZERO), share)


def equity_part(sizing: EquityShare | VolatilityTarget | Kelly, facts: SizeFacts) -> Decimal | None:
    """Return the part of the equity that an order is to be worth; it may be above 1."""
    if isinstance(sizing, EquityShare):
        return sizing.share
    if isinstance(sizing, VolatilityTarget):
        close, close_ns = facts.closes(sizing.kind, sizing.window + 1)
        volatility = None if len(close) <= sizing.window else yearly_volatility(close, close_ns)
        if volatility is None:
            return None
        return DECIMAL_CONTEXT.divide(sizing.target, to_decimal(volatility))
    returns = facts.trade_returns(sizing.trades)
    if len(returns) < sizing.trades:
        return None
    part = DECIMAL_CONTEXT.multiply(sizing.fraction, kelly_fraction(returns))
    return min(max(part, ZERO), sizing.max_share)


def unit_worth(row: Instrument, price: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """Return what one unit of size is worth at a price, in the currencies at par.

    That of an inverse contract is the same at every price: contracts of 100 USD are 100 USD.
    """
    if rate is None or rate <= 0 or price is None or price <= 0:
        return None
    units = row.multiplier if row.inverse else DECIMAL_CONTEXT.multiply(row.multiplier, price)
    return DECIMAL_CONTEXT.multiply(units, rate)


def floor_worth(worth: Decimal, unit: Decimal, lot: Decimal) -> Decimal:
    """Return the largest multiple of the lot that is worth no more, at most about SIZE_CAP.

    >>> floor_worth(Decimal(1000), Decimal("61837.63"), Decimal("0.001"))
    Decimal('0.016')
    """
    if worth >= DECIMAL_CONTEXT.multiply(unit, SIZE_CAP):
        return floor_to_lot(SIZE_CAP, lot)
    lots = DECIMAL_CONTEXT.divide_int(worth, DECIMAL_CONTEXT.multiply(unit, lot))
    return DECIMAL_CONTEXT.multiply(lots, lot)


def floor_to_lot(size: Decimal, lot: Decimal) -> Decimal:
    """Return a size as a multiple of the lot, toward zero.

    >>> floor_to_lot(Decimal("-0.57"), Decimal("0.1"))
    Decimal('-0.5')
    """
    return DECIMAL_CONTEXT.multiply(DECIMAL_CONTEXT.divide_int(size, lot), lot)


def yearly_volatility(close: "Floats", close_ns: "Ints") -> float | None:
    """Return the volatility of the returns from bar to bar, by the time that they took.

    So bars that do not all take as long, and holes between them, count for what they are. None
    where no time passed, or no price moved.
    """
    span_ns = int(close_ns[-1]) - int(close_ns[0]) if len(close) else 0
    if span_ns <= 0:
        return None
    returns = (close[1:] / close[:-1] - 1).tolist()
    volatility = sqrt(fsum(each * each for each in returns) * (YEAR_NS / span_ns))
    return volatility if volatility > 0 and isfinite(volatility) else None


def kelly_fraction(returns: Sequence[Decimal]) -> Decimal:
    """Return p - q / (mean gain / mean loss), of p gains and q losses: at most 1, 0 without a gain.

    It counts a loss as that of all that was put in, so it never passes the growth-optimal part.
    Below 0 the trades lose.

    >>> kelly_fraction([Decimal(2), Decimal(3), Decimal(-1), Decimal(-1)])
    Decimal('0.3')
    """
    with localcontext(DECIMAL_CONTEXT):
        gains = [each for each in returns if each > 0]
        if not gains:
            return ZERO
        # the same as p - q * mean loss / mean gain, with one division
        return len(gains) * sum(returns, ZERO) / (len(returns) * sum(gains, ZERO))
