"""Check what a strategy asks for: it is refused as a mistake in its file, and ends the run."""

import math
from decimal import Decimal
from typing import Any, get_args

from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import Leg, Slicing
from tapeflow.schemas.strategy import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    PriceOf,
    Request,
    SetTimer,
    Submit,
    Target,
    WatchPrice,
)

REQUESTS = get_args(Request)
WITHOUT_INSTRUMENT = AmendOrder | CancelOrder | CancelAll | SetTimer
NUMBERS = ("size", "limit", "trigger", "below", "above", "strength")


def check_request(request: Any, instruments: InstrumentTable) -> None:
    """Check the types of a request, and that its instrument is one of the job.

    Raises TypeError or ValueError with what is wrong.
    """
    if not isinstance(request, REQUESTS):
        names = ", ".join(each.__name__ for each in REQUESTS)
        raise TypeError(f"{request!r} is no request: there are {names}")
    instrument = getattr(request, "instrument", None)
    if instrument is not None and instrument not in instruments.number:
        raise ValueError(f"{instrument!r} is no instrument of the job")
    if instrument is None and not isinstance(request, WITHOUT_INSTRUMENT):
        raise ValueError(f"{request!r} names no instrument")
    for name in NUMBERS:
        check_number(name, getattr(request, name, None))
    if isinstance(request, Target) and request.size is None:
        raise ValueError("a Target needs a size: 0 is flat")
    if isinstance(request, Submit):
        check_submit(request)
    terms = getattr(request, "terms", None)
    if terms is not None and not isinstance(terms, Terms):
        raise TypeError(f"terms are {terms!r}: write Terms(type='limit', limit=..)")
    if isinstance(request, WatchPrice) and request.on not in get_args(PriceOf):
        raise ValueError(f"on is {request.on!r}: there are {', '.join(get_args(PriceOf))}")
    if isinstance(request, SetTimer) and not isinstance(request.due_ns, int | None):
        raise TypeError(f"due_ns is {request.due_ns!r}: write log time as an int of nanoseconds")


def check_number(name: str, value: Any) -> None:
    """Check that a number is one, and finite."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise TypeError(f"{name} is {value!r}: write a number")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}: it must be finite")


def check_submit(request: Submit) -> None:
    """Check the side, the exits and the slices of an order."""
    if request.side not in (BUY, SELL):
        raise ValueError(f"side is {request.side!r}: write BUY or SELL")
    for leg in request.exits or ():
        if not isinstance(leg, Leg):
            raise TypeError(f"{leg!r} is no exit: write Leg(side, size, terms)")
    if request.slicing is not None and not isinstance(request.slicing, Slicing):
        raise TypeError(f"slicing is {request.slicing!r}: write Slicing(kind=..)")
