"""Sides of orders and trades."""

from typing import Annotated

Side = Annotated[int, "side"]  # BUY or SELL
BUY, SELL = 1, -1  # of an order; of a trade: the side of the aggressor


def side_name(side: int) -> str:
    """Return BUY or SELL as text.

    >>> side_name(-1)
    'SELL'
    """
    return "BUY" if side == BUY else "SELL"
