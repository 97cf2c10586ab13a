"""Protected positions: the price at which each is closed, ratcheted at every new best mark.

long from 100     best 106, trail_bps 200     TRAIL 103.88
                  stop_bps 300                STOP 97        the nearest one decides

Marks are those of equity. The average entry price is that of the position now; the best mark is
that since its trail began.
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


def away(guard: Guard, price: float, bps: float) -> float:
    """Return a price that is so far from another, in the direction of a profit."""
    return price * (1 + guard.side * bps / BPS)


def stops_of(guard: Guard, protection: Protection) -> Iterator[Level]:
    """Yield the prices at which a position is closed in its loss, or behind its best mark."""
    if protection.stop_bps is not None:
        yield Level("STOP", away(guard, guard.entry, -protection.stop_bps))
    if protection.stop_atr is not None and guard.atr is not None:
        yield Level("ATR_STOP", guard.entry - guard.side * protection.stop_atr * guard.atr)
    if guard.is_even:
        yield Level("BREAK_EVEN", guard.entry)
    if protection.trail_bps is not None and guard.best is not None:
        yield Level("TRAIL", away(guard, guard.best, -protection.trail_bps))


def stop_of(guard: Guard, protection: Protection) -> Level | None:
    """Return the stop that comes first, None where there is none."""
    stops = stops_of(guard, protection)
    return max(stops, key=lambda each: guard.side * each.price, default=None)


def take_of(guard: Guard, protection: Protection) -> float | None:
    """Return the price at which a profit is taken."""
    if protection.take_bps is None:
        return None
    return away(guard, guard.entry, protection.take_bps)


def is_closing(state: State, settings: DeskSettings, guard: Guard) -> bool:
    """Return whether all of a position is being closed already, alone or with a wider scope."""
    return any(
        holds_owner(settings, scope, guard.owner)
        for scope, each in state.risk.trading.closings.items()
        if not each.to_limit
    )


def part_of(guard: Guard) -> str:
    """Return the scope that a protected position is alone in."""
    return f"position:{key_of(*guard.owner)}"


def guard_breach(state: State, settings: DeskSettings, guard: Guard) -> Breach | None:
    """Ratchet the stop of a position; return why it is to be closed here, None where not."""
    account, strategy, instrument = guard.owner
    protection, row = settings.protections[guard.protection], settings.instruments.get(instrument)
    position = state.accounts[account].money.books.get(strategy, instrument)
    guard.entry = float(average_entry(row, position))
    number = settings.instruments.number[instrument]
    mark = state.merge.marks.closing_price(number, long=guard.is_long).price
    ratchet(guard, protection, mark)
    if is_closing(state, settings, guard):
        return None
    found = find_reached(guard, protection, mark, state.now[0])
    if found is None:
        return None
    return Breach(
        part_of(guard), found.rule, "close_and_lock", found.observed, found.limit, owner=guard.owner
    )


def ratchet(guard: Guard, protection: Protection, mark: float) -> None:
    """Let the stop of a position follow its mark, from the profits on at which it does."""
    even, first, best = ratchets_of(guard, protection)
    price = guard.side * mark
    if price >= even:
        guard.is_even = True
    if price >= min(first, best):
        guard.best = mark


def ratchets_of(guard: Guard, protection: Protection) -> tuple[float, float, float]:
    """Return the marks, times side, from which a position has another stop; infinity: none.

    Those of break-even, of the first best mark of its trail, and of another one.
    """
    even = first = best = math.inf
    if protection.break_even_bps is not None and not guard.is_even:
        even = guard.side * away(guard, guard.entry, protection.break_even_bps)
    if protection.trail_bps is not None and guard.best is None:
        first = guard.side * away(guard, guard.entry, protection.trail_after_bps)
    elif guard.best is not None:
        step = guard.side * away(guard, guard.best, protection.trail_step_bps)
        best = max(step, math.nextafter(guard.side * guard.best, math.inf))
    return even, first, best


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

    Of one that is being closed only the ratchets are followed.
    """
    protection, side = settings.protections[guard.protection], guard.side
    worst, best = -math.inf, math.inf  # prices times side: up is better
    if not is_closing(state, settings, guard):
        stop, take = stop_of(guard, protection), take_of(guard, protection)
        worst = -math.inf if stop is None else side * stop.price
        best = math.inf if take is None else side * take
    best = min(best, *ratchets_of(guard, protection))
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
