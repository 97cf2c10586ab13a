"""Check what a strategy asks for: it is refused as a mistake in its file, and ends the run."""

import math
from decimal import Decimal
from typing import Any, get_args

from tapeflow.operators.desk.strategies.exact_requests import PRICES
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import LinkRule, Terms
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
from tapeflow.schemas.time import MAX_NS, MIN_NS

REQUESTS = get_args(Request)
WITHOUT_INSTRUMENT = AmendOrder | CancelOrder | CancelAll | SetTimer
SLICES = {  # what each kind of slices must have
    "twap": "twap needs count and every_ns of at least 1",
    "iceberg": "iceberg needs display, a Decimal above 0",
    "participation": "participation needs share, a Decimal above 0 and at most 1",
}
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
    if terms is not None:
        check_terms(terms)
    name = getattr(request, "name", "")
    if not isinstance(name, str):
        raise TypeError(f"name is {name!r}: write text")
    if isinstance(request, WatchPrice) and request.on not in get_args(PriceOf):
        raise ValueError(f"on is {request.on!r}: there are {', '.join(get_args(PriceOf))}")
    if isinstance(request, SetTimer):
        check_time("due_ns", request.due_ns)


def check_terms(terms: Any) -> None:
    """Check the types of the terms of an order; what they mean is checked as a decision."""
    if not isinstance(terms, Terms):
        raise TypeError(f"terms are {terms!r}: write Terms(type='limit', limit=..)")
    for name in PRICES:
        check_number(name, getattr(terms, name))
    check_time("expire_ns", terms.expire_ns)


def check_time(name: str, value: Any) -> None:
    """Check that a log time is one."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError(f"{name} is {value!r}: write log time as an int of nanoseconds")
    if value is not None and not MIN_NS <= value <= MAX_NS:
        raise ValueError(f"{name} is {value}: it is no time of a log")


def check_side(value: Any) -> None:
    """Check the side of an order."""
    if type(value) is not int or value not in (BUY, SELL):
        raise ValueError(f"side is {value!r}: write BUY or SELL")


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
    check_side(request.side)
    for leg in request.exits or ():
        if not isinstance(leg, Leg) or leg.size is None:
            raise TypeError(f"{leg!r} is no exit: write Leg(side, size, terms)")
        check_side(leg.side)
        check_number("size", leg.size)
        check_terms(leg.terms)
    if request.exit_rule not in get_args(LinkRule):
        raise ValueError(f"exit_rule is {request.exit_rule!r}: write OUO or OCO")
    if request.slicing is not None:
        check_slicing(request.slicing)


def check_slicing(slicing: Any) -> None:
    """Check that an order can be sliced so."""
    if not isinstance(slicing, Slicing):
        raise TypeError(f"slicing is {slicing!r}: write Slicing(kind=..)")
    is_right = {
        "twap": lambda: slicing.count >= 1 and slicing.every_ns >= 1 and slicing.jitter_ns >= 0,
        "iceberg": lambda: isinstance(slicing.display, Decimal) and slicing.display > 0,
        "participation": lambda: isinstance(slicing.share, Decimal) and 0 < slicing.share <= 1,
    }.get(slicing.kind)
    if is_right is None:
        raise ValueError(
            f"slicing.kind is {slicing.kind!r}: there are twap, iceberg, participation"
        )
    if not is_right():
        raise ValueError(f"{slicing!r}: {SLICES[slicing.kind]}")
