"""Faults that are planted in the steps, each for a while: the simulation must find them.

with planted(owner, name, wrong):  simulate seeds  ──▶ a difference, or the simulation is blind
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from msgspec.structs import replace

from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.dedupe.step import Dedupe
from tapeflow.operators.desk import hear
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import Merge
from tapeflow.operators.sequence import settle
from tapeflow.operators.strategies import step as strategies
from tapeflow.schemas.desk_market import DeskQuotes
from tapeflow.schemas.market import HEARTBEAT, IGNORED

Change: TypeAlias = Callable[[Any], Any]  # of a function into a wrong one


@contextmanager
def plant(mutant: str) -> Iterator[None]:
    """Plant a fault, and take it out again."""
    owner, name, change = MUTANTS[mutant]
    right = getattr(owner, name)
    setattr(owner, name, change(right))
    try:
        yield
    finally:
        setattr(owner, name, right)


def loosen_horizon(right: Any) -> Any:
    """Believe the partition that is furthest, not the one that is last."""

    def advance(merge: Merge) -> Any:
        moved = right(merge)
        if moved:
            merge.horizon = max(merge.frontier.values())
        return moved

    return advance


def ignore_quotes(right: Any) -> Any:
    """Value positions at the last trade, whatever is quoted after it."""
    return lambda marks, ticks, *rows: (
        None if isinstance(ticks, DeskQuotes) else right(marks, ticks, *rows)
    )


def beat_when_recognised(right: Any) -> Any:
    """Let recognised frames move the clock of bars, as heartbeats do."""

    def step(bars: TimeBars, state: Any, batch: Any) -> Any:
        beats = np.where(batch.status == IGNORED, HEARTBEAT, batch.status)
        after, (folded,) = right(bars, state, batch.replace(status=beats))
        return after, (folded.replace(status=batch.status),)

    return step


def charge_for_one(right: Any) -> Any:
    """Take a fee that knows no size: that of one unit."""

    def fill(state: Any, settings: Any, working: Any, report: Any) -> Any:
        fees = settings.money.fees
        tier = replace(fees.other.tiers[0], taker=fees.other.tiers[0].taker / report.size)
        other = replace(fees.other, tiers=(tier,))
        money = replace(settings.money, fees=replace(fees, other=other))
        return right(state, replace(settings, money=money), working, report)

    return fill


def take_first_bar(right: Any) -> Any:
    """Take the reference price of the first bar of the batch."""

    def make(bound: Any, batch: Any, row: int, forecast: float) -> Any:
        return replace(right(bound, batch, row, forecast), ref_price=float(batch.bars.close[0]))

    return make


def forget_copies(right: Any) -> Any:
    """Forget at a restart which trades have come."""
    return lambda dedupe, snapshot: dedupe.initial()


def touch_nothing(right: Any) -> Any:
    """Think that no bar is touched by a gap."""
    return lambda *arguments: False


MUTANTS: dict[str, tuple[Any, str, Change]] = {
    "the horizon of the furthest partition": (Merge, "advance", loosen_horizon),
    "quotes that change no mark": (Marks, "update", ignore_quotes),
    "recognised frames that move the clock of bars": (TimeBars, "step", beat_when_recognised),
    "a fee that ignores the size": (hear, "fill_facts", charge_for_one),
    "the reference price of another bar": (strategies, "make_signal", take_first_bar),
    "duplicates forgotten at a restart": (Dedupe, "restore", forget_copies),
    "gaps that touch no bar": (settle, "is_touched", touch_nothing),
}
