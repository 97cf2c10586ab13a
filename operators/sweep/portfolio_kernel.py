"""Light portfolios: rows of all partitions meet the orders of all variants, in log order.

    stops     decision           sample      decision      ..      horizon
              │ rows before it   │           │                     │
              ▼ of each partition▼           ▼                     ▼

Between two stops the rows of one partition change nothing that those of another one see: a stop is
where variants decide, or where their equity is sampled.
"""

import math
from typing import Any

from tapeflow.engine.compiled import called, compiled, inlined
from tapeflow.operators.desk.mark_kernels import is_of_market, nan_if_empty
from tapeflow.operators.sweep.exposure_kernel import end_orders
from tapeflow.operators.sweep.layout import (
    ACCOUNTS,
    ASK,
    BID,
    COST,
    DECIDE,
    DELAY_NS,
    END,
    EXACT_MAX,
    FEES,
    FILLED,
    FIRST,
    HEAD,
    HELD,
    INSTRUMENT,
    LAST,
    LAST_NS,
    LAST_OFFSET,
    MARKETS,
    OF_SIDE,
    OF_VARIANT,
    POSITION,
    PRICES,
    QUOTE_NS,
    QUOTE_OFFSET,
    REALIZED,
    SAMPLE,
    SCALE,
    STEPS,
    STOP_KIND,
    STOP_NS,
    STOP_OFFSET,
    STOP_RANK,
    TRADES,
    TURNOVER,
    UNIT,
    UNSURE,
    Portfolios,
    Quotes,
    Trades,
)
from tapeflow.operators.sweep.orders_kernel import meet, whole_steps
from tapeflow.operators.sweep.worst_kernel import closing_price, decide
from tapeflow.schemas.columns import Ints2, Written
from tapeflow.schemas.time import MAX_NS

TRADE, TRADES_END, QUOTE, QUOTES_END = range(4)  # of a partition: the rows that are not met yet
SAMPLE_ROWS = 4  # of a sample: equity, trades, turnover, fees by variant


@inlined
def is_before(log_ns: int, offset: int, part: int, stop: Any) -> Any:
    """Return whether a row of a partition lies before a stop, or at its place."""
    stop_ns, rank, stop_offset = stop
    if log_ns != stop_ns:
        return log_ns < stop_ns
    return part < rank or (part == rank and offset <= stop_offset)


@called
def pass_trade(state: Any, trades: Any, row: int) -> None:
    """Let a trade meet orders; it becomes the last one of its instrument."""
    instrument, log_ns, offset, venue_ns, price = trades
    markets, number = state[MARKETS], instrument[row]
    if markets[number, HEAD] >= 0:
        at = (log_ns[row], offset[row], venue_ns[row])
        meet(state, number, at, (True, price[row], math.nan))
    state[PRICES][number, LAST] = price[row]
    markets[number, LAST_NS], markets[number, LAST_OFFSET] = log_ns[row], offset[row]
    markets[number, DELAY_NS] = log_ns[row] - venue_ns[row]


@called
def pass_quote(state: Any, quotes: Any, row: int) -> None:
    """Let a quote meet orders; one of a market becomes the touch of its instrument."""
    instrument, log_ns, offset, venue_ns, bid, ask = quotes
    markets, prices, number = state[MARKETS], state[PRICES], instrument[row]
    if markets[number, HEAD] >= 0:
        at = (log_ns[row], offset[row], venue_ns[row])
        meet(state, number, at, (False, bid[row], ask[row]))
    markets[number, DELAY_NS] = log_ns[row] - venue_ns[row]
    low, high = nan_if_empty(bid[row]), nan_if_empty(ask[row])
    if is_of_market(low, high):
        prices[number, BID], prices[number, ASK] = low, high
        markets[number, QUOTE_NS], markets[number, QUOTE_OFFSET] = log_ns[row], offset[row]


@called
def pass_rows(state: Any, part: int, stop: Any, trades: Any, quotes: Any, cursors: Any) -> None:
    """Pass the rows of a partition up to a stop: of a record trades, then quotes."""
    trade, trades_end = cursors[part, TRADE], cursors[part, TRADES_END]
    quote, quotes_end = cursors[part, QUOTE], cursors[part, QUOTES_END]
    trade_ns, trade_offset, quote_ns, quote_offset = trades[1], trades[2], quotes[1], quotes[2]
    while True:
        trade_at = trade_offset[trade] if trade < trades_end else MAX_NS
        quote_at = quote_offset[quote] if quote < quotes_end else MAX_NS
        if trade < trades_end and trade_at <= quote_at:
            if not is_before(trade_ns[trade], trade_at, part, stop):
                break
            pass_trade(state, trades, trade)
            trade += 1
        elif quote < quotes_end:
            if not is_before(quote_ns[quote], quote_at, part, stop):
                break
            pass_quote(state, quotes, quote)
            quote += 1
        else:
            break
    cursors[part, TRADE], cursors[part, QUOTE] = trade, quote


@called
def sample(state: Any, sampled: Any, first: int) -> None:
    """Write equity, trades, turnover and fees of each variant."""
    held, accounts, markets = state[HELD], state[ACCOUNTS], state[MARKETS]
    for variant in range(len(accounts)):
        equity = accounts[variant, REALIZED] - accounts[variant, FEES]
        for number in range(len(markets)):
            row = variant * len(markets) + number
            position = held[row, POSITION]
            if position == 0:
                continue
            price = closing_price(state, number, position > 0, state[FILLED][row])
            steps = whole_steps(price, markets[number, SCALE])
            if steps < 0 or float(steps) * held[row, UNIT] * abs(position) > EXACT_MAX:
                accounts[variant, UNSURE] = 1
                continue
            equity += position * steps * held[row, UNIT] - held[row, COST]
        sampled[first, variant] = equity
        sampled[first + 1, variant] = accounts[variant, TRADES]
        sampled[first + 2, variant] = accounts[variant, TURNOVER]
        sampled[first + 3, variant] = accounts[variant, FEES]


@compiled
def run_stops(
    state: Portfolios,
    stops: Ints2,
    decisions: Ints2,
    trades: Trades,
    quotes: Quotes,
    cursors: Written[Ints2],
    sampled: Written[Ints2],
) -> None:
    """Pass rows and stop at each stop, in order; write SAMPLE_ROWS rows at each sample.

    `cursors`: (partitions, 4), of the rows of each partition, which lie one behind the other.
    """
    first = 0
    for number in range(len(stops)):
        stop = (stops[number, STOP_NS], stops[number, STOP_RANK], stops[number, STOP_OFFSET])
        for part in range(len(cursors)):
            pass_rows(state, part, stop, trades, quotes, cursors)
        if stops[number, STOP_KIND] == DECIDE:
            end_orders(state, stop[0])
            for row in range(stops[number, FIRST], stops[number, END]):
                signal = (
                    decisions[row, OF_VARIANT],
                    decisions[row, OF_SIDE],
                    decisions[row, STEPS],
                )
                decide(state, decisions[row, INSTRUMENT], signal, stop[0], stop[2])
        elif stops[number, STOP_KIND] == SAMPLE:
            sample(state, sampled, first)
            first += SAMPLE_ROWS
