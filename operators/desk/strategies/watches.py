"""Price watches of strategies: bounds in the watch of the desk, and the rows that meet them.

below 99, above 103 on trades     trade_low 99, trade_high 103: the widest of all watches
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.desk.strategies.running import Running
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.operators.desk.venue.rows import MarkRow, QuoteRow, Row, TradeRow
from tapeflow.schemas.strategy import PriceEvent, PriceOf, WatchPrice


def watches_with(bounds: Bounds, watches: Iterable[tuple[Running, WatchPrice]]) -> Bounds:
    """Return bounds that price watches are within too."""
    limits: dict[str, Any] = {}
    for _, watch in watches:
        low, high = f"{watch.on}_low", f"{watch.on}_high"
        if watch.below is not None:
            limits[low] = max(limits.get(low, getattr(bounds, low)), watch.below)
        if watch.above is not None:
            limits[high] = min(limits.get(high, getattr(bounds, high)), watch.above)
    return bounds._replace(**limits) if limits else bounds


def meet_watches(
    watches: Iterable[tuple[Running, WatchPrice]], row: Row
) -> Iterator[tuple[Running, PriceEvent]]:
    """Yield the events of the watches that a row of their instrument meets."""
    for running, watch in watches:
        price = price_of(row, watch.on)
        if price is None:
            continue
        is_below = watch.below is not None and price <= watch.below
        if is_below or (watch.above is not None and price >= watch.above):
            time_ns = row.position[0]
            yield running, PriceEvent(watch.name, watch.instrument, watch.on, price, time_ns)


def price_of(row: Row, on: PriceOf) -> float | None:
    """Return a price of a row as triggers see it: of a quote of a market, of a side not empty."""
    price = math.nan
    if isinstance(row, TradeRow):
        price = row.price if on == "trade" else math.nan
    elif isinstance(row, QuoteRow):
        bid, ask = nan_if_empty(row.bid), nan_if_empty(row.ask)
        if is_of_market(bid, ask):
            price = {"bid": bid, "ask": ask}.get(on, math.nan)
    else:
        assert isinstance(row, MarkRow), "a row of no table"
        price = row.mark if on == "mark" and is_of_market(row.mark, row.mark) else math.nan
    return None if math.isnan(price) else price
