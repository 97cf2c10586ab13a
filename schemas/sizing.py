"""How large an order is: the values that the key `size` of [[strategies]] may have."""

from decimal import Decimal

from msgspec import Struct


class Notional(Struct, frozen=True):
    """As much as is worth a notional in the quote currency."""

    notional: Decimal


class EquityShare(Struct, frozen=True):
    """As much as is worth a part of the account's equity."""

    share: Decimal


class VolatilityTarget(Struct, frozen=True):
    """As much as makes the yearly volatility of the position a part of the account's equity."""

    target: Decimal  # a year
    window: int  # returns
    kind: str  # of bars; "": the job's own width


class Kelly(Struct, frozen=True):
    """A part of the Kelly fraction of the strategy's own last closed trades, capped."""

    fraction: Decimal  # of the Kelly fraction
    max_share: Decimal  # of equity
    trades: int  # the last ones; before so many nothing is known


Sizing = Notional | EquityShare | VolatilityTarget | Kelly  # a plain number is `size` units
