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
from tapeflow.operators.desk.risk.supervision.memory import Guard, key_of
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


def is_closing(state: State, settings: DeskSettings, guard: Guard) -> bool:
    """Return whether a position is being closed already, alone or with a wider scope."""
    return any(holds_owner(settings, scope, guard.owner) for scope in state.risk.trading.closings)


def guard_breaches(state: State, settings: DeskSettings) -> Iterator[Breach]:
    """Ratchet the best marks; yield the positions that are to be closed at this place."""
    for guard in state.risk.supervision.memory.guards.values():
        account, strategy, instrument = guard.owner
        row = settings.instruments.get(instrument)
        position = state.accounts[account].money.books.get(strategy, instrument)
        guard.entry = float(average_entry(row, position))
        number, side = settings.instruments.number[instrument], guard.side
        mark = state.merge.marks.closing_price(number, long=guard.is_long).price
        if side * (mark - guard.best) > 0:
            guard.best = mark
        if is_closing(state, settings, guard):
            continue
        protection = settings.protections[guard.protection]
        found = find_reached(guard, protection, mark, state.now[0])
        if found is not None:
            scope = f"position:{key_of(*guard.owner)}"
            yield Breach(
                scope, found.rule, "close_and_lock", found.observed, found.limit, owner=guard.owner
            )


class Reached(NamedTuple):
    """What a position has reached, as a fact shows it."""

    rule: str
    observed: str
    limit: str


def find_reached(guard: Guard, protection: Protection, mark: float, now_ns: Ns) -> Reached | None:
    """Return what a position has reached at its mark, None of nothing."""
    side, stop, take = guard.side, stop_of(guard, protection), take_of(guard, protection)
    if stop is not None and side * (mark - stop.price) <= 0:
        return Reached(stop.rule, text_of(mark), text_of(stop.price))
    if take is not None and side * (mark - take) >= 0:
        return Reached("TAKE", text_of(mark), text_of(take))
    if protection.time_ns is not None and now_ns >= guard.begin_ns + protection.time_ns:
        return Reached("TIME_STOP", str(now_ns - guard.begin_ns), str(protection.time_ns))
    return None


def guard_box(state: State, settings: DeskSettings, guard: Guard) -> Interval:
    """Return the prices between which a protected position stays as it is.

    Of one that is being closed only the best mark is followed.
    """
    protection, side = settings.protections[guard.protection], guard.side
    worst, best = -math.inf, math.inf  # prices times side: up is better
    if not is_closing(state, settings, guard):
        stop, take = stop_of(guard, protection), take_of(guard, protection)
        worst = -math.inf if stop is None else side * stop.price
        best = math.inf if take is None else side * take
    if protection.trail_bps is not None or protection.break_even_bps is not None:
        best = min(best, math.nextafter(side * guard.best, math.inf))
    number = settings.instruments.number[guard.owner[2]]
    standing = candidates(state.merge.marks, number, long=guard.is_long)
    if not all(worst < side * each < best for each in standing):
        return EVERY_ROW
    return Interval(worst, best) if guard.is_long else Interval(-best, -worst)


def next_time_ns(state: State, settings: DeskSettings) -> Ns | None:
    """Return the log time at which the next protected position is closed by its time."""
    times = []
    for guard in state.risk.supervision.memory.guards.values():
        time_ns = settings.protections[guard.protection].time_ns
        if time_ns is not None and not is_closing(state, settings, guard):
            times.append(guard.begin_ns + time_ns)
    return min(times, default=None)
