"""The arrays of light portfolios: what each column is. All numbers are int64.

Sizes are in orders: each order of a variant has one size, so a position is a number of them. Prices
are in steps of the decimals that the tick has, money in units of its least step: it is exact.
"""

from typing import TypeAlias

from tapeflow.schemas.columns import Floats, Floats2, Ints, Ints2, Written
from tapeflow.schemas.time import MAX_NS

# An order that lives: a row of `orders`, in a list for each instrument, in the order of decisions.
VARIANT, SIDE, ACTIVE_NS, PLACED, END_NS, DUE_NS, NEXT = range(7)
ORDER_WIDTH = 7
# An instrument: a row of `markets`. HEAD, TAIL: its list of orders; -1: none.
(HEAD, TAIL, SCALE, FEE, FEE_BASE, WORTH_MAX) = range(6)
(LAST_NS, LAST_OFFSET, QUOTE_NS, QUOTE_OFFSET, DELAY_NS, IS_SPOT, TURNS) = range(6, 13)
MARKET_WIDTH = 13  # TURNS: orders may carry a position through zero
LAST, BID, ASK = range(3)  # an instrument: a row of `prices`
PRICE_WIDTH = 3
# A variant in an instrument: row variant * instruments + instrument of `held`.
# Of exposure that counts net APPROVED and UNIT_NOTIONAL, else BUYS and SELLS: orders on their way.
APPROVED, UNIT_NOTIONAL, POSITION, COST, UNIT, BUYS, SELLS = range(7)
HELD_WIDTH = 7
# A variant: a row of `accounts`. UNSURE: something of it is not exact here.
(GROSS, REALIZED, FEES, TURNOVER, TRADES, APPROVALS, UNSURE) = range(7)
(POSITION_MAX, GROSS_MAX, ORDERS_MAX, WINDOW_NS) = range(7, 11)
ACCOUNT_WIDTH = 11
LATENCY_NS, PATIENCE_NS, QUOTE_AGE_NS, SIZED, NET = range(5)  # `rules`; no patience: MAX_NS
FREE, NEXT_END_NS, FILLS = range(3)  # `counters`: first row without an order, .., fills so far
FILL_WIDTH = 4  # a fill: variant, instrument, side, log time
# A stop: a place up to which rows are met, what is done there, and which decisions.
STOP_NS, STOP_RANK, STOP_OFFSET, STOP_KIND, FIRST, END = range(6)
STOP_WIDTH = 6
NOTHING, DECIDE, SAMPLE = range(3)
# A decision: a row of `decisions`.
AT_NS, AT_RANK, AT_OFFSET, CLOSE_NS, INSTRUMENT, OF_VARIANT, OF_SIDE, STEPS = range(8)
DECISION_WIDTH = 8
NOT_WHOLE, NOT_TRADED = -1, -2  # of STEPS: a price of more decimals, or one that is out of range
NEVER = MAX_NS
EXACT_MAX = 2.0**61  # of a product

Portfolios: TypeAlias = tuple[
    Written[Ints2],  # orders
    Written[Ints2],  # markets
    Written[Floats2],  # prices
    Written[Ints2],  # held
    Written[Floats],  # price of the last fill, by row of `held`
    Written[Ints2],  # accounts
    Written[Ints2],  # times of approvals, a ring for each variant
    Ints,  # rules
    Written[Ints],  # counters
    Written[Ints2],  # fills
    Written[Floats],  # their prices
]
(ORDERS, MARKETS, PRICES, HELD, FILLED, ACCOUNTS, TIMES, RULES, COUNTERS) = range(9)
(FILL_ROWS, FILL_PRICES) = range(9, 11)
# Both begin with instrument, log_ns, offset, venue_ns; then price, or bid and ask.
Trades: TypeAlias = tuple[Ints, Ints, Ints, Ints, Floats]
Quotes: TypeAlias = tuple[Ints, Ints, Ints, Ints, Floats, Floats]
