"""Which prices are those of a market: tests of one price, or of both sides of a quote.

    99 / 101   market      103 / 102   crossed      0 / 101   no bid      9 / 1001   absurd

An empty side is 0 or NaN. Whoever values, fills or triggers at a price asks here.
"""

import math

from tapeflow.engine.compiled import inlined
from tapeflow.schemas.decimals import PRICE_MAX, PRICE_MIN

ABSURD = 10.0  # a quote or mark price so many times above or below the last trade is no market


def is_near(price: float, last: float) -> bool:
    """Return whether a price is one of the market whose last trade was at `last`, NaN for none."""
    return not math.isnan(price) and not (price > last * ABSURD or price * ABSURD < last)


@inlined
def nan_if_empty(price: float) -> float:
    """Return the price; NaN where it is zero, as venues also write that there is none."""
    return math.nan if price == 0.0 else price


@inlined
def is_none_or_in_range(price: float) -> bool:
    """Return whether a price is NaN or in [PRICE_MIN, PRICE_MAX)."""
    return math.isnan(price) or PRICE_MIN <= price < PRICE_MAX


@inlined
def is_of_market(low: float, high: float) -> bool:
    """Return whether two sides, NaN where empty, are in range and not crossed."""
    is_crossed = low > high
    return not is_crossed and is_none_or_in_range(low) and is_none_or_in_range(high)
