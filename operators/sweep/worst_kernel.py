"""The risk checks of light portfolios where exposure is worst case by side: see docs/risk.md.

    position 2, buys 1, sells 4     worst case max(|2 + 1|, |2 - 4|) = 3, in orders of the variant

Each order is one, so it reduces as a whole or not at all, and nothing is cut.
"""

import math
from typing import Any

from tapeflow.engine.compiled import called, inlined
from tapeflow.operators.sweep.exposure_kernel import count_approval, decide_net, place
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    ASK,
    BID,
    BUYS,
    EXACT_MAX,
    FILLED,
    GROSS_MAX,
    HELD,
    IS_SPOT,
    LAST,
    LAST_OFFSET,
    MARKETS,
    NET,
    NOT_TRADED,
    POSITION,
    POSITION_MAX,
    PRICES,
    QUOTE_OFFSET,
    RULES,
    SCALE,
    SELLS,
    TURNS,
    UNIT,
    UNSURE,
)
from tapeflow.operators.sweep.orders_kernel import is_close, whole_steps

TOLERANCE = 1.0 + 1e-12  # as in desk/risk/check.py
UNKNOWN, UNSURE_GROSS = -1.0, -2.0  # of a gross


@called
def closing_price(state: Any, number: int, is_long: bool, filled: float) -> Any:
    """Return the price that a position is valued at: marks.closing_price without mark prices."""
    markets, prices = state[MARKETS], state[PRICES]
    last, quote = prices[number, LAST], prices[number, BID if is_long else ASK]
    is_newer = markets[number, QUOTE_OFFSET] >= markets[number, LAST_OFFSET]
    if is_newer and is_close(quote, last):
        return quote
    return filled if math.isnan(last) else last


@inlined
def worst_side(position: int, buys: int, sells: int) -> Any:
    """Return the larger position that open orders can come to, and whether it is the long one."""
    longest, shortest = abs(position + buys), abs(position - sells)
    return max(longest, shortest), longest >= shortest


@called
def gross_after(state: Any, variant: int, ordered: int, side: int) -> float:
    """Return the gross of a variant with an order more in an instrument, at the present marks.

    UNKNOWN: a mark is not known; UNSURE_GROSS: something is not exact here.
    """
    held, markets = state[HELD], state[MARKETS]
    gross = 0.0
    for number in range(len(markets)):
        row = variant * len(markets) + number
        buys, sells = held[row, BUYS], held[row, SELLS]
        if number == ordered:
            buys, sells = buys + (side > 0), sells + (side < 0)
        worst, is_long = worst_side(held[row, POSITION], buys, sells)
        if worst == 0:
            continue
        price = closing_price(state, number, is_long, state[FILLED][row])
        if math.isnan(price):
            return UNKNOWN
        steps = whole_steps(price, markets[number, SCALE])
        if steps < 0 or float(steps) * held[row, UNIT] * worst > EXACT_MAX:
            return UNSURE_GROSS
        gross += float(worst * steps * held[row, UNIT])
    return gross


@called
def may_open(state: Any, number: int, variant: int, side: int, now_ns: int) -> bool:
    """Return whether an order that opens or turns a position passes, and count it if so."""
    held, accounts, markets = state[HELD], state[ACCOUNTS], state[MARKETS]
    row = variant * len(markets) + number
    position, buys, sells = held[row, POSITION], held[row, BUYS], held[row, SELLS]
    turns = markets[number, TURNS] and not markets[number, IS_SPOT]
    if position * side < 0 and not turns:  # behind the orders of its side nothing is left
        return False
    worst, _ = worst_side(position, buys + (side > 0), sells + (side < 0))
    gross = gross_after(state, variant, number, side)
    if gross == UNSURE_GROSS:
        accounts[variant, UNSURE] = 1
    if worst > accounts[variant, POSITION_MAX] or gross < 0.0:
        return False
    if gross > float(accounts[variant, GROSS_MAX]) * TOLERANCE:
        return False
    is_short_of_spot = side < 0 and markets[number, IS_SPOT]
    return not is_short_of_spot and count_approval(state, variant, now_ns)


@called
def decide(state: Any, number: int, signal: Any, now_ns: int, placed: int) -> None:
    """Run the risk checks on an order of a variant; place it where they pass.

    `signal` is (variant, side, reference price in steps), `placed` the offset of the decision.
    """
    if state[RULES][NET]:
        decide_net(state, number, signal, now_ns, placed)
        return
    held, accounts = state[HELD], state[ACCOUNTS]
    variant, side, steps = signal
    row = variant * len(state[MARKETS]) + number
    if steps == NOT_TRADED:
        return
    if steps < 0:
        accounts[variant, UNSURE] = 1
        return
    on_its_side = held[row, BUYS if side > 0 else SELLS]
    only_reduces = -held[row, POSITION] * side - on_its_side >= 1
    if only_reduces or may_open(state, number, variant, side, now_ns):
        held[row, BUYS if side > 0 else SELLS] += 1
        place(state, number, variant, side, now_ns, placed)
