"""Note fills, rejected orders, bars and samples for supervision.

buy 2 @ 100, sell 2 @ 99      a closed trade that lost 2 and its fees: one loss in a row
"""

from decimal import Decimal

from tapeflow.operators.desk.contracts import average_entry
from tapeflow.operators.desk.positions import PositionState
from tapeflow.operators.desk.risk.profit import profit_of
from tapeflow.operators.desk.risk.scopes import holds_owner
from tapeflow.operators.desk.risk.supervision.memory import Guard, Owner, Range, key_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.time import Ns


def note_fill(
    state: State,
    settings: DeskSettings,
    owner: Owner,
    before: PositionState,
    after: PositionState,
    now_ns: Ns,
) -> None:
    """Note a fill of a position: trades that end with it, and what protects it from now on.

    Less than a lot is nothing: it cannot be sold, and may be left by a fee in base.
    """
    memory, key = state.risk.supervision.memory, key_of(*owner)
    count_fill(state, settings, owner, now_ns)
    row = settings.instruments.get(owner[2])
    was, holds = (row.floor_size(abs(each.quantity)) for each in (before, after))
    has_ended = was and (not holds or before.quantity * after.quantity < 0)
    if has_ended:
        memory.guards.pop(key, None)
        opened_at = memory.opened_at.pop(key, None)
        if opened_at is not None:
            count_trade(state, settings, owner, made_by(after) - opened_at)
    if holds and (has_ended or not was):
        if any(each.losses_max is not None for each in settings.risk.limits.values()):
            memory.opened_at[key] = made_by(after if has_ended else before)
        guard = new_guard(state, settings, owner, after, now_ns)
        if guard is not None:
            memory.guards[key] = guard
    state.risk.supervision.is_due = True


def made_by(position: PositionState) -> Decimal:
    """Return what a position has made with all that was closed."""
    return position.realized - position.fees + position.funding


def count_trade(state: State, settings: DeskSettings, owner: Owner, made: Decimal) -> None:
    """Count a closed trade in the losses in a row of its scopes; one that made 0 changes none."""
    for scope, limits in settings.risk.limits.items():
        if limits.losses_max is not None and made and holds_owner(settings, scope, owner):
            memory = state.risk.supervision.memory.of(scope)
            memory.losses = memory.losses + 1 if made < 0 else 0


def count_fill(state: State, settings: DeskSettings, owner: Owner, now_ns: Ns) -> None:
    """Count a fill in the executions and the fills of the day of its scopes."""
    for scope, limits in settings.risk.limits.items():
        if asks_counts(limits) and holds_owner(settings, scope, owner):
            memory = state.risk.supervision.memory.of(scope)
            memory.begin_day(now_ns)
            memory.day_fills += 1
            memory.executions += 1


def count_request(state: State, settings: DeskSettings, order: Order, now_ns: Ns) -> None:
    """Count an order that was approved, or a change of one, in the requests of the day."""
    owner = (order.account, order.strategy, order.instrument)
    for scope, limits in settings.risk.limits.items():
        if asks_counts(limits) and holds_owner(settings, scope, owner):
            memory = state.risk.supervision.memory.of(scope)
            memory.begin_day(now_ns)
            memory.day_orders += 1


def asks_counts(limits: ScopeLimits) -> bool:
    """Return whether a limit is of fills or requests."""
    return limits.order_to_trade_max is not None or limits.repeats_max is not None


def new_guard(
    state: State, settings: DeskSettings, owner: Owner, position: PositionState, now_ns: Ns
) -> Guard | None:
    """Return what protects a new position: the first protection of the job that holds it."""
    _, strategy, instrument = owner
    for number, protection in enumerate(settings.protections):
        if protection.holds(strategy, instrument):
            entry = float(average_entry(settings.instruments.get(instrument), position))
            trails = protection.trail_bps is not None and not protection.trail_after_bps
            is_long, best = position.quantity > 0, entry if trails else None
            window, ranges = protection.atr_window, state.risk.supervision.memory.ranges
            atr = range_of(ranges.get(key_of(instrument, str(window))), window)
            return Guard(owner, number, is_long, now_ns, entry, best, atr=atr)
    return None


def note_reject(state: State, settings: DeskSettings, order: Order, now_ns: Ns) -> None:
    """Note an order that a venue has rejected."""
    owner = (order.account, order.strategy, order.instrument)
    for scope, limits in settings.risk.limits.items():
        if limits.rejects_max is not None and holds_owner(settings, scope, owner):
            state.risk.supervision.memory.of(scope).rejects_ns.append(now_ns)
            state.risk.supervision.is_due = True


def note_peaks(state: State, settings: DeskSettings) -> None:
    """Note the profit of each scope with a limit on its drawdown, where equity is sampled."""
    for scope, limits in settings.risk.limits.items():
        if limits.drawdown is not None:
            profit, memory = (
                profit_of(state, settings, scope),
                state.risk.supervision.memory.of(scope),
            )
            if profit is not None and profit > memory.peak_profit:
                memory.peak_profit = profit
                state.risk.supervision.is_due = True


def note_bar(state: State, settings: DeskSettings, bar: Bar) -> None:
    """Note a bar of the job's own width in the average true ranges of its instrument."""
    memory = state.risk.supervision.memory
    for window in {each.atr_window for each in settings.protections if each.stop_atr is not None}:
        key = key_of(bar.instrument, str(window))
        memory.ranges[key] = next_range(memory.ranges.get(key), bar, window)
        for guard in memory.guards.values():
            protection = settings.protections[guard.protection]
            is_of = guard.owner[2] == bar.instrument and protection.atr_window == window
            if is_of and protection.stop_atr is not None and guard.atr is None:
                guard.atr = range_of(memory.ranges[key], window)
                state.risk.supervision.is_due |= guard.atr is not None


def next_range(before: Range | None, bar: Bar, window: int) -> Range:
    """Return the average true range after a bar: the mean of the first ones, then Wilder's.

    J. W. Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib's ATR.
    """
    if before is None:
        return Range(bar.close)
    high, low = max(bar.high, before.close), min(bar.low, before.close)
    count, value = before.bars + 1, before.value
    divisor = min(count, window)
    return Range(bar.close, count, value + (high - low - value) / divisor)


def range_of(found: Range | None, window: int) -> float | None:
    """Return an average true range, None before there are as many bars as its window."""
    return found.value if found is not None and found.bars >= window else None
