"""The cause of a request, and the signal that names it.

bar b7 ─▶ dip.on_bar ─▶ Submit ─▶ Signal of dip, bar_id b7, at the close of b7
"""

import math
from dataclasses import dataclass

from tapeflow.operators.desk.strategies.context import DeskContext
from tapeflow.operators.desk.strategies.running import Running
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.sides import Side
from tapeflow.schemas.signals import Signal


@dataclass(slots=True)
class Answer:
    """One call of a strategy: what its requests are an answer to."""

    running: Running
    context: DeskContext
    cause: str  # id of the bar, fill, order, timer or watch
    bar: Bar | None  # of the job's own width, where it is one
    close_ns: int  # end of the bar, else log time
    number: int = 0  # of the request


def make_signal(call: Answer, instrument: str, side: Side, strength: float) -> Signal:
    """Return the signal of a request: what it answers, and the price of that moment."""
    number, call.number = call.number, call.number + 1
    name, bar = call.running.declared.name, call.bar
    is_of_bar = bar is not None and bar.instrument == instrument
    first = number == 0 and is_of_bar
    parts = (name, call.cause) if first else (name, call.cause, number)
    time_ns, partition, offset = call.context.position
    price = bar.close if bar is not None and is_of_bar else reference_price(call, instrument)
    return Signal(
        id=derive_id("signal", *parts),
        strategy=name,
        instrument=instrument,
        time_ns=time_ns,
        side=side,
        strength=float(strength),
        bar_id=call.cause,
        close_ns=call.close_ns,
        ref_price=price,
        partition=partition,
        offset=offset,
    )


def reference_price(call: Answer, instrument: str) -> float:
    """Return the last trade, else the mid; NaN where there is neither."""
    last, mid = call.context.last(instrument), call.context.mid(instrument)
    price = mid if last is None else last
    return math.nan if price is None else price
