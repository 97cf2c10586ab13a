"""Orders of light portfolios: decided, met by rows, filled whole or ended; called by the kernel.

decide ─▶ on its way ─┬─ row ─▶ met_price ─▶ fill
                      └─ end ─▶ give_back           docs/paper.md, of market orders alone
"""

import math
from typing import Any

from tapeflow.engine.compiled import called, inlined
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    ACTIVE_NS,
    APPROVALS,
    APPROVED,
    ASK,
    BID,
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
    FREE,
    GROSS,
    GROSS_MAX,
    HEAD,
    HELD,
    LAST,
    LAST_NS,
    LAST_OFFSET,
    LATENCY_NS,
    MARKETS,
    NEVER,
    NEXT,
    NEXT_END_NS,
    NOT_TRADED,
    ORDERS,
    ORDERS_MAX,
    PATIENCE_NS,
    PLACED,
    POSITION,
    POSITION_MAX,
    PRICES,
    QUOTE_AGE_NS,
    QUOTE_NS,
    QUOTE_OFFSET,
    REALIZED,
    RULES,
    SCALE,
    SIDE,
    SIZED,
    TAIL,
    TIMES,
    TRADES,
    TURNOVER,
    UNIT,
    UNIT_NOTIONAL,
    UNSURE,
    VARIANT,
    WINDOW_NS,
    WORTH_MAX,
)
from tapeflow.schemas.decimals import PRICE_MIN

ABSURD = 10.0  # as in marks.py
STEPS_MAX = 1e15  # more digits than a float64 tells apart


@inlined
def whole_steps(price: float, scale: int) -> int:
    """Return a price in steps of 1 / scale; -1 where it is no whole number of them."""
    if not price * scale < STEPS_MAX:
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
def give_back(state: Any, number: int, order: int) -> None:
    """Take an order that was not filled out of the exposure of its variant."""
    held, accounts = state[HELD], state[ACCOUNTS]
    variant, side = state[ORDERS][order, VARIANT], state[ORDERS][order, SIDE]
    row = variant * len(state[MARKETS]) + number
    before = held[row, APPROVED]
    held[row, APPROVED] = before - side
    accounts[variant, GROSS] += (abs(before - side) - abs(before)) * held[row, UNIT_NOTIONAL]


@called
def drop(state: Any, number: int, before: int, order: int) -> None:
    """Take an order out of the list of its instrument; `before` is the one before it, or -1."""
    orders, markets, counters = state[ORDERS], state[MARKETS], state[COUNTERS]
    following = orders[order, NEXT]
    if before < 0:
        markets[number, HEAD] = following
    else:
        orders[before, NEXT] = following
    if markets[number, TAIL] == order:
        markets[number, TAIL] = before
    orders[order, NEXT] = counters[FREE]
    counters[FREE] = order


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


@called
def end_orders(state: Any, now_ns: int) -> None:
    """End the orders that no row has met in time, up to a log time."""
    orders, markets, counters = state[ORDERS], state[MARKETS], state[COUNTERS]
    if counters[NEXT_END_NS] > now_ns:
        return
    counters[NEXT_END_NS] = NEVER
    for number in range(len(markets)):
        before, order = -1, markets[number, HEAD]
        while order >= 0:
            following, end_ns = orders[order, NEXT], orders[order, END_NS]
            if orders[order, DUE_NS] == NEVER and now_ns >= end_ns:
                orders[order, DUE_NS] = end_ns + markets[number, DELAY_NS]
            if orders[order, DUE_NS] <= now_ns:
                give_back(state, number, order)
                drop(state, number, before, order)
            else:
                due_ns = min(max(end_ns, now_ns + 1), orders[order, DUE_NS])
                counters[NEXT_END_NS] = min(counters[NEXT_END_NS], due_ns)
                before = order
            order = following


@called
def decide(state: Any, number: int, signal: Any, now_ns: int, placed: int) -> None:
    """Run the risk checks on an order of a variant; place it where they pass.

    `signal` is (variant, side, reference price in steps), `placed` the offset of the decision.
    """
    held, accounts = state[HELD], state[ACCOUNTS]
    variant, side, steps = signal
    row = variant * len(state[MARKETS]) + number
    if steps == NOT_TRADED:
        return
    before, after = held[row, APPROVED], held[row, APPROVED] + side
    if steps < 0 or float(steps) * held[row, UNIT] * (abs(after) + 1) > EXACT_MAX:
        accounts[variant, UNSURE] = 1
        return
    unit = steps * held[row, UNIT]
    gross = accounts[variant, GROSS] - abs(before) * held[row, UNIT_NOTIONAL] + abs(after) * unit
    is_within = abs(after) <= abs(before) or gross <= accounts[variant, GROSS_MAX]
    approvals, most = accounts[variant, APPROVALS], accounts[variant, ORDERS_MAX]
    if abs(after) > accounts[variant, POSITION_MAX] or not is_within or most == 0:
        return
    times, since_ns = state[TIMES], now_ns - accounts[variant, WINDOW_NS]
    if approvals >= most and times[variant, approvals % most] > since_ns:
        return
    times[variant, approvals % most] = now_ns
    accounts[variant, APPROVALS] = approvals + 1
    accounts[variant, GROSS] = gross
    held[row, APPROVED], held[row, UNIT_NOTIONAL] = after, unit
    place(state, number, variant, side, now_ns, placed)


@called
def place(state: Any, number: int, variant: int, side: int, now_ns: int, placed: int) -> None:
    """Send an order on its way: to the end of the list of its instrument."""
    orders, markets, counters, rules = state[ORDERS], state[MARKETS], state[COUNTERS], state[RULES]
    order = counters[FREE]
    counters[FREE] = orders[order, NEXT]
    active_ns, end_ns = now_ns + rules[LATENCY_NS], NEVER
    if rules[PATIENCE_NS] != NEVER:
        end_ns = active_ns + rules[PATIENCE_NS]
    orders[order, VARIANT], orders[order, SIDE], orders[order, PLACED] = variant, side, placed
    orders[order, ACTIVE_NS], orders[order, END_NS] = active_ns, end_ns
    orders[order, DUE_NS], orders[order, NEXT] = NEVER, -1
    if markets[number, HEAD] < 0:
        markets[number, HEAD] = order
    else:
        orders[markets[number, TAIL], NEXT] = order
    markets[number, TAIL] = order
    counters[NEXT_END_NS] = min(counters[NEXT_END_NS], end_ns)
