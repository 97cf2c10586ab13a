"""Bands: the prices between which no limit of a scope can be exceeded, in the watch of the desk.

profit 50, floor -100, long 2 BTC at 100      width 0.375: no mark in 62.5 .. 137.5 is a breach
price      ── high ─────────────────*──       the first row at or beyond an end is evaluated
           ── low  ────────────────────

All instruments of a scope get one width, as a share of their prices: the widest of which the worst
case over all boxes is within the limits. Where not even the present prices rule a breach out, each
row of these instruments is evaluated.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.risk.held import positions_in
from tapeflow.operators.desk.risk.holdings import holdings_of
from tapeflow.operators.desk.risk.profit import capital_of, parts_of, profit_of
from tapeflow.operators.desk.risk.supervision.boxes import (
    WIDEST,
    ZERO,
    Interval,
    box,
)
from tapeflow.operators.desk.risk.supervision.breaches import account_of
from tapeflow.operators.desk.risk.supervision.intervals import exposure_box, profit_box
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.venue.bounds import Bounds
from tapeflow.schemas.limits import OnLoss, ScopeLimits
from tapeflow.schemas.states import SEVERITY, TradingState
from tapeflow.schemas.time import MAX_NS, MIN_NS

NARROWEST = 1e-7  # a narrower width is that of the present prices
MARGIN = 1e-9  # of sums in float, as a share of what is added up
EVERY_ROW = Interval(math.inf, -math.inf)
NO_LIMIT = Interval(-math.inf, math.inf)
STATE_AFTER: dict[OnLoss, TradingState] = {
    "reducing": "REDUCING", "halt": "HALTED", "kill": "KILLED",
}  # fmt: skip
Sides = dict[tuple[int, bool], Interval]  # by instrument, and whether of a long position


@dataclass(slots=True)
class Boxes:
    """The boxes at a width; it remembers of which instruments and sides they were read."""

    marks: Marks
    width: float
    read: Sides = field(default_factory=dict)

    def __call__(self, instrument: int, *, long: bool) -> Interval:
        """Return the box of an instrument, for a long or for a short position in it."""
        found = self.read.get((instrument, long))
        if found is None:
            found = box(self.marks, instrument, self.width, long=long)
            self.read[instrument, long] = found
        return found


def scope_boxes(state: State, settings: DeskSettings, limits: ScopeLimits) -> Boxes:
    """Return the widest boxes in which no limit of a scope is exceeded, else every row.

    What cannot be known before an instrument has a price is asked at each row of that one.
    """
    widths, marks = state.risk.supervision.widths, state.merge.marks
    width = min(widths.get(limits.scope, WIDEST) * 4, WIDEST)
    while width >= NARROWEST:
        boxes = Boxes(marks, width)
        if surely_within(state, settings, limits, boxes):
            widths[limits.scope] = width
            return boxes
        width /= 2
    widths[limits.scope] = NARROWEST
    boxes = Boxes(marks, 0.0)
    if not surely_within(state, settings, limits, boxes):
        unknown = [key for key, each in boxes.read.items() if not each.is_known]
        is_known = profit_of(state, settings, limits.scope) is not None
        boxes.read = dict.fromkeys(boxes.read if is_known else unknown, EVERY_ROW)
    return boxes


def surely_within(state: State, settings: DeskSettings, limits: ScopeLimits, boxes: Boxes) -> bool:
    """Return whether no marks in the boxes exceed a limit of a scope that prices decide.

    A loss that was acted on, and an exposure that is being reduced, are not asked again.
    """
    profit = ZERO
    asks_loss = limits.asks_profit and not is_settled(state, settings, limits)
    holds = limits.holds_exposure and limits.scope not in state.risk.trading.closings
    asks_equity = limits.leverage_max is not None or limits.margin_min is not None
    if asks_loss or (holds and asks_equity):
        for account, strategies in parts_of(state, settings, limits.scope):
            at_par = settings.accounts[account.name].at_par
            made = profit_box(settings.instruments, at_par, account.money, strategies, boxes)
            profit = profit.plus(made)
    slack = slack_of(settings, profit, boxes)
    lowest = profit.low - slack
    is_within = not asks_loss or lowest >= floor_of(state, settings, limits) + slack
    return is_within and (not holds or is_exposure_within(state, settings, limits, boxes, lowest))


def is_acted_on(now: TradingState, on_loss: OnLoss) -> bool:
    """Return whether a scope is in the state that a loss leads to, or a graver one."""
    return SEVERITY.index(now) >= SEVERITY.index(STATE_AFTER[on_loss])


def is_settled(state: State, settings: DeskSettings, limits: ScopeLimits) -> bool:
    """Return whether a loss leads to nothing more: of a halt, nothing is held or it is closed."""
    scope = limits.scope
    if not is_acted_on(state.risk.trading.of(scope), limits.on_loss):
        return False
    closing = state.risk.trading.closings.get(scope)
    is_closed = closing is not None and not closing.to_limit
    return limits.on_loss != "halt" or is_closed or not any(positions_in(state, settings, scope))


def slack_of(settings: DeskSettings, profit: Interval, boxes: Boxes) -> float:
    """Return how far sums in floats may be from those in decimals, which are rounded each."""
    prices = [each.high for each in boxes.read.values() if each.is_known]
    step = 10.0**-settings.money.digits * (1 + max(prices, default=0.0)) * len(boxes.read)
    return MARGIN * max(profit.largest, 1.0) + step


def floor_of(state: State, settings: DeskSettings, limits: ScopeLimits) -> float:
    """Return the profit below which a limit on losses is exceeded, minus infinity without any."""
    memory, floors = state.risk.supervision.memory.of(limits.scope), [-math.inf]
    if limits.daily_loss is not None and memory.day_profit is not None:
        floors.append(float(memory.day_profit - limits.daily_loss))
    capital = capital_of(settings, limits.scope)
    if limits.drawdown is not None and capital is not None:
        peak = capital + memory.peak_profit
        floors.append(float(peak * (1 - Decimal(repr(limits.drawdown))) - capital))
    return max(floors)


def is_exposure_within(
    state: State, settings: DeskSettings, limits: ScopeLimits, boxes: Boxes, lowest: float
) -> bool:
    """Return whether the exposure stays within, where profit is `lowest` at least."""
    account = account_of(state, settings, limits.scope)
    held = holdings_of(state, settings, limits.scope)
    at_par = settings.accounts[account].at_par
    gross, net = exposure_box(settings.instruments, at_par, held, boxes)
    capital = capital_of(settings, limits.scope)
    equity = math.nan if capital is None else float(capital) + lowest
    room = 1 - MARGIN
    tests = [True]
    if limits.on_exceed == "reduce":
        if limits.gross_max is not None:
            tests.append(gross <= float(limits.gross_max) * room)
        if limits.net_max is not None:
            tests.append(net <= float(limits.net_max) * room)
        if limits.leverage_max is not None and gross:
            tests.append(equity > 0 and gross <= limits.leverage_max * equity * room)
    if limits.margin_min is not None and gross:
        tests.append(equity * room >= limits.margin_min * gross)
    return all(tests)


def bounds_of(boxes: Sides) -> dict[int, Bounds]:
    """Return the bounds of instruments, of the boxes of their sides."""
    found: dict[int, Bounds] = {}
    for instrument in {number for number, _ in boxes}:
        long, short = (boxes.get((instrument, side), NO_LIMIT) for side in (True, False))
        low, high = max(long.low, short.low), min(long.high, short.high)
        found[instrument] = Bounds(
            enter_ns=MAX_NS if low < high else MIN_NS,  # without a price between them: every row
            trade_low=low,
            trade_high=high,
            bid_low=long.low,
            bid_high=long.high,
            ask_low=short.low,
            ask_high=short.high,
            mark_low=low,
            mark_high=high,
        )
    return found
