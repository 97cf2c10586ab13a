"""Protected positions: the price at which each is closed, ratcheted at every new best mark.

long from 100     best 106, trail_bps 200     TRAIL 103.88
                  stop_bps 300                STOP 97        the nearest one decides

Marks are those of equity. The average entry price is that of the position now, the best mark that
since its first fill.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from tapeflow.operators.desk.contracts import average_entry
from tapeflow.operators.desk.risk.scopes import holds_owner
from tapeflow.operators.desk.risk.supervision.bands import EVERY_ROW
from tapeflow.operators.desk.risk.supervision.boxes import Interval, candidates
from tapeflow.operators.desk.risk.supervision.breaches import Breach, text_of
from tapeflow.operators.desk.risk.supervision.memory import Guard, Owner, key_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.time import Ns

BPS = 10_000


class Level(NamedTuple):
    """A price at which a position is closed, and by which rule."""

    rule: str
    price: float


def stops_of(guard: Guard, protection: Protection) -> Iterator[Level]:
    """Yield the prices at which a position is closed in its loss, or behind its best mark."""
    side = guard.side

    def away(price: float, bps: float) -> float:
        return price * (1 + side * bps / BPS)

    def was_at(bps: float) -> bool:
        return side * (guard.best - away(guard.entry, bps)) >= 0

    if protection.stop_bps is not None:
        yield Level("STOP", away(guard.entry, -protection.stop_bps))
    if protection.stop_atr is not None and guard.atr is not None:
        yield Level("ATR_STOP", guard.entry - side * protection.stop_atr * guard.atr)
    if protection.break_even_bps is not None and was_at(protection.break_even_bps):
        yield Level("BREAK_EVEN", guard.entry)
    if protection.trail_bps is not None and was_at(protection.trail_after_bps):
        yield Level("TRAIL", away(guard.best, -protection.trail_bps))


def stop_of(guard: Guard, protection: Protection) -> Level | None:
    """Return the stop that comes first, None where there is none."""
    side = guard.side
    return max(stops_of(guard, protection), key=lambda each: side * each.price, default=None)


def take_of(guard: Guard, protection: Protection) -> float | None:
    """Return the price at which a profit is taken."""
    if protection.take_bps is None:
        return None
    side = guard.side
    return guard.entry * (1 + side * protection.take_bps / BPS)


def active_guards(state: State, settings: DeskSettings) -> Iterator[tuple[Guard, Protection]]:
    """Yield the protected positions that are not being closed."""
    closings = state.risk.trading.closings
    for guard in [*state.risk.supervision.memory.guards.values()]:
        if any(holds_owner(settings, scope, guard.owner) for scope in closings):
            continue
        yield guard, settings.protections[guard.protection]


def guard_breaches(state: State, settings: DeskSettings) -> Iterator[Breach]:
    """Ratchet the best marks; yield the positions that are to be closed at this place."""
    for guard, protection in active_guards(state, settings):
        account, strategy, instrument = guard.owner
        row = settings.instruments.get(instrument)
        position = state.accounts[account].money.books.get(strategy, instrument)
        guard.entry = float(average_entry(row, position))
        number, side = settings.instruments.number[instrument], guard.side
        mark = state.merge.marks.closing_price(number, long=guard.is_long).price
        if side * (mark - guard.best) > 0:
            guard.best = mark
        found = find_reached(guard, protection, mark, state.now[0])
        if found is not None:
            rule, observed, limit = found
            scope = f"position:{key_of(*guard.owner)}"
            yield Breach(scope, rule, "close_and_lock", observed, limit, owner=guard.owner)


def find_reached(
    guard: Guard, protection: Protection, mark: float, now_ns: Ns
) -> tuple[str, str, str] | None:
    """Return rule, observed and limit of what a position has reached, None of nothing."""
    side, stop, take = guard.side, stop_of(guard, protection), take_of(guard, protection)
    if stop is not None and side * (mark - stop.price) <= 0:
        return stop.rule, text_of(mark), text_of(stop.price)
    if take is not None and side * (mark - take) >= 0:
        return "TAKE", text_of(mark), text_of(take)
    if protection.time_ns is not None and now_ns >= guard.begin_ns + protection.time_ns:
        return "TIME_STOP", str(now_ns - guard.begin_ns), str(protection.time_ns)
    return None


def guard_box(state: State, settings: DeskSettings, owner: Owner) -> Interval:
    """Return the prices between which a protected position stays as it is."""
    guard = state.risk.supervision.memory.guards[key_of(*owner)]
    protection = settings.protections[guard.protection]
    stop, take, side = stop_of(guard, protection), take_of(guard, protection), guard.side
    worst = -math.inf if stop is None else side * stop.price  # prices times side: up is better
    best = math.inf if take is None else side * take
    if protection.trail_bps is not None or protection.break_even_bps is not None:
        best = min(best, math.nextafter(side * guard.best, math.inf))
    low, high = (worst, best) if guard.is_long else (-best, -worst)
    number = settings.instruments.number[owner[2]]
    standing = candidates(state.merge.marks, number, long=guard.is_long)
    return Interval(low, high) if all(low < each < high for each in standing) else EVERY_ROW


def next_time_ns(state: State, settings: DeskSettings) -> Ns | None:
    """Return the log time at which the next protected position is closed by its time."""
    times = [
        guard.begin_ns + protection.time_ns
        for guard, protection in active_guards(state, settings)
        if protection.time_ns is not None
    ]
    return min(times, default=None)
