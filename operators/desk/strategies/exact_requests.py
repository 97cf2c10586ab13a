"""Requests with numbers of the types that the desk computes with and stores.

Submit(size=0.1, terms=Terms(limit=99.5))  ─▶ Decimal("0.1"), Decimal("99.5")
WatchPrice(below=Decimal("99.5"))          ─▶ 99.5, as rows have it
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.strategy import AmendOrder, Request, Submit, Target, WatchPrice

PRICES = ("limit", "trigger", "trail", "activate", "display")  # of terms


def exact(value: Decimal | float) -> Decimal:
    """Return a size or price of a strategy as a decimal."""
    return value if isinstance(value, Decimal) else to_decimal(float(value))


def exact_request(request: Request) -> Request:
    """Return a request that was checked, with its numbers as the desk has them."""
    if isinstance(request, WatchPrice):
        return replace(request, below=as_float(request.below), above=as_float(request.above))
    changed = exact_fields(request, ("size",)) if isinstance(request, Submit | Target) else {}
    if isinstance(request, AmendOrder):
        changed = exact_fields(request, ("size", "limit", "trigger"))
    terms = getattr(request, "terms", None)
    if terms is not None:
        changed["terms"] = exact_terms(terms)
    if isinstance(request, Submit) and request.exits is not None:
        changed["exits"] = tuple(
            replace(leg, size=exact(leg.size), terms=exact_terms(leg.terms))
            for leg in request.exits
        )
    return replace(request, **changed) if changed else request


def exact_terms(terms: Terms) -> Terms:
    """Return terms with decimals as their prices."""
    changed = exact_fields(terms, PRICES)
    return replace(terms, **changed) if changed else terms


def exact_fields(values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return as decimals those of some fields that are numbers of another type."""
    found = {name: getattr(values, name) for name in names}
    return {
        name: exact(value)
        for name, value in found.items()
        if value is not None and not isinstance(value, Decimal)
    }


def as_float(value: Decimal | float | None) -> float | None:
    """Return a price as rows have it."""
    return None if value is None else float(value)
