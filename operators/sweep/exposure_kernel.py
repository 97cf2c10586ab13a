"""Orders of light portfolios are decided, sent, and given back where no row has met them.

decide ─▶ place ─▶ on its way ─┬─ end ─▶ give_back, drop
                               └─ row ─▶ orders_kernel.py       docs/paper.md, market orders alone
"""

from typing import Any

from tapeflow.engine.compiled import called
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    ACTIVE_NS,
    APPROVALS,
    APPROVED,
    BUYS,
    COUNTERS,
    DELAY_NS,
    DUE_NS,
    END_NS,
    EXACT_MAX,
    FREE,
    GROSS,
    GROSS_MAX,
    HEAD,
    HELD,
    LATENCY_NS,
    MARKETS,
    NET,
    NEVER,
    NEXT,
    NEXT_END_NS,
    NOT_TRADED,
    ORDERS,
    ORDERS_MAX,
    PATIENCE_NS,
    PLACED,
    POSITION_MAX,
    RULES,
    SELLS,
    SIDE,
    TAIL,
    TIMES,
    UNIT,
    UNIT_NOTIONAL,
    UNSURE,
    VARIANT,
    WINDOW_NS,
)


@called
def give_back(state: Any, number: int, order: int) -> None:
    """Take an order that was not filled out of the exposure of its variant."""
    held, accounts = state[HELD], state[ACCOUNTS]
    variant, side = state[ORDERS][order, VARIANT], state[ORDERS][order, SIDE]
    row = variant * len(state[MARKETS]) + number
    if not state[RULES][NET]:
        held[row, BUYS if side > 0 else SELLS] -= 1
        return
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
def decide_net(state: Any, number: int, signal: Any, now_ns: int, placed: int) -> None:
    """Run the risk checks of net exposure on an order of a variant; place it where they pass.

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
    if abs(after) > accounts[variant, POSITION_MAX] or not is_within:
        return
    if not count_approval(state, variant, now_ns):
        return
    accounts[variant, GROSS] = gross
    held[row, APPROVED], held[row, UNIT_NOTIONAL] = after, unit
    place(state, number, variant, side, now_ns, placed)


@called
def count_approval(state: Any, variant: int, now_ns: int) -> bool:
    """Count an order in the window of a variant; return whether there was room."""
    accounts, times = state[ACCOUNTS], state[TIMES]
    approvals, most = accounts[variant, APPROVALS], accounts[variant, ORDERS_MAX]
    if most == 0:
        return False
    since_ns = now_ns - accounts[variant, WINDOW_NS]
    if approvals >= most and times[variant, approvals % most] > since_ns:
        return False
    times[variant, approvals % most] = now_ns
    accounts[variant, APPROVALS] = approvals + 1
    return True


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
