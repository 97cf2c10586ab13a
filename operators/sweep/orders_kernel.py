"""Orders of light portfolios meet rows: they are filled whole and booked, or over.

row ─▶ met_price ─▶ fill, at a price that is a whole number of steps; a variant is unsure of others
"""

import math
from typing import Any

from tapeflow.engine.compiled import called, inlined
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.sweep.exposure_kernel import drop, give_back
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    ACTIVE_NS,
    ASK,
    BID,
    BUYS,
    COST,
    COUNTERS,
    DELAY_NS,
    DUE_NS,
    END_NS,
    EXACT_MAX,
    FEE,
    FEE_BASE,
    FEES,
    FILL_PRICES,
    FILL_ROWS,
    FILLED,
    FILLS,
    HEAD,
    HELD,
    LAST,
    LAST_NS,
    LAST_OFFSET,
    MARKETS,
    NET,
    NEVER,
    NEXT,
    ORDERS,
    PLACED,
    POSITION,
    PRICES,
    QUOTE_AGE_NS,
    QUOTE_NS,
    QUOTE_OFFSET,
    REALIZED,
    RULES,
    SCALE,
    SELLS,
    SIDE,
    SIZED,
    TRADES,
    TURNOVER,
    UNIT,
    UNSURE,
    VARIANT,
    WORTH_MAX,
)
from tapeflow.schemas.decimals import PRICE_MIN

ABSURD = 10.0  # as in marks.py
STEPS_MAX = 1e15  # more digits than a float64 tells apart


@inlined
def whole_steps(price: float, scale: int) -> int:
    """Return a price in steps of 1 / scale; -1 where it is no whole number of them."""
    if not 0.0 <= price * scale < STEPS_MAX:
        return -1
    steps = math.floor(price * scale + 0.5)
    return steps if steps / scale == price else -1


@inlined
def divide(amount: int, divisor: int) -> int:
    """Return a quotient rounded to a whole number, halves to even; the divisor is above 0."""
    quotient = amount // divisor
    doubled = 2 * (amount - quotient * divisor)
    if doubled > divisor or (doubled == divisor and quotient % 2 != 0):
        quotient += 1
    return quotient


@inlined
def is_close(price: float, last: float) -> bool:
    """Return whether a price is one of the market whose last trade was at `last`: marks.is_near."""
    return not math.isnan(price) and not (price > last * ABSURD or price * ABSURD < last)


@called
def met_price(state: Any, number: int, side: int, log_ns: int, row: Any) -> Any:
    """Return the price that an order meets at a row, before that acts; NaN: it stays on its way.

    `row` is (whether it is a trade, its price or bid, its ask).
    """
    markets, prices, rules = state[MARKETS], state[PRICES], state[RULES]
    is_trade, price, ask = row
    if not rules[SIZED]:
        return price if is_trade else math.nan
    last, touch = prices[number, LAST], prices[number, ASK if side > 0 else BID]
    quote_ns, last_ns = markets[number, QUOTE_NS], markets[number, LAST_NS]
    is_later = last_ns > quote_ns or (
        last_ns == quote_ns and markets[number, LAST_OFFSET] > markets[number, QUOTE_OFFSET]
    )
    has_moved = is_later and last != prices[number, BID] and last != prices[number, ASK]
    if markets[number, QUOTE_OFFSET] >= 0 and not has_moved:
        is_recent = log_ns - quote_ns <= rules[QUOTE_AGE_NS]
        if is_recent and touch >= PRICE_MIN and is_close(touch, last):
            return touch
    if is_trade:
        return price
    low, high = nan_if_empty(price), nan_if_empty(ask)
    after = high if side > 0 else low
    if is_of_market(low, high) and after >= PRICE_MIN and is_close(after, last):
        return after
    return math.nan


@called
def fill(state: Any, number: int, order: int, price: float, log_ns: int) -> None:
    """Fill an order whole, and book it: as positions.apply_fill does, in whole numbers."""
    markets, held, accounts = state[MARKETS], state[HELD], state[ACCOUNTS]
    variant, side = state[ORDERS][order, VARIANT], state[ORDERS][order, SIDE]
    row = variant * len(markets) + number
    steps = whole_steps(price, markets[number, SCALE])
    if steps < 0 or float(steps) * held[row, UNIT] > markets[number, WORTH_MAX]:
        accounts[variant, UNSURE] = 1
        return
    worth = steps * held[row, UNIT]
    position, cost = held[row, POSITION], held[row, COST]
    if position * side >= 0:
        held[row, COST] = cost + side * worth
    else:
        freed = divide(cost, abs(position))
        accounts[variant, REALIZED] -= side * worth + freed
        held[row, COST] = cost - freed
    held[row, POSITION] = position + side
    if not state[RULES][NET]:
        held[row, BUYS if side > 0 else SELLS] -= 1
    state[FILLED][row] = price
    accounts[variant, FEES] += divide(worth * markets[number, FEE], markets[number, FEE_BASE])
    accounts[variant, TURNOVER] += worth
    accounts[variant, TRADES] += 1
    if float(accounts[variant, TURNOVER]) > EXACT_MAX:
        accounts[variant, UNSURE] = 1
    written, fills = state[COUNTERS][FILLS], state[FILL_ROWS]
    fills[written, 0], fills[written, 1], fills[written, 2] = variant, number, side
    fills[written, 3] = log_ns
    state[FILL_PRICES][written] = price
    state[COUNTERS][FILLS] = written + 1


@called
def meet(state: Any, number: int, at: Any, row: Any) -> None:
    """Let a row meet the orders of its instrument; `at` is its log time, offset and venue time."""
    orders, markets = state[ORDERS], state[MARKETS]
    log_ns, offset, venue_ns = at
    before, order = -1, markets[number, HEAD]
    while order >= 0:
        following, end_ns = orders[order, NEXT], orders[order, END_NS]
        if orders[order, DUE_NS] == NEVER and log_ns >= end_ns:
            orders[order, DUE_NS] = end_ns + markets[number, DELAY_NS]
        price = math.nan
        is_over = orders[order, DUE_NS] <= log_ns or venue_ns >= end_ns
        if not is_over and orders[order, ACTIVE_NS] <= venue_ns and offset > orders[order, PLACED]:
            price = met_price(state, number, orders[order, SIDE], log_ns, row)
        if is_over:
            give_back(state, number, order)
            drop(state, number, before, order)
        elif not math.isnan(price):
            fill(state, number, order, price, log_ns)
            drop(state, number, before, order)
        else:
            before = order
        order = following
