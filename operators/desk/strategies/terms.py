"""Checks the terms of an order: what is missing in them, or of the wrong sign."""

from collections.abc import Iterator

from tapeflow.schemas.orders import Terms

NEEDED = {
    "market": (),
    "limit": ("limit",),
    "stop": ("trigger",),
    "stop_limit": ("trigger", "limit"),
    "take_profit": ("trigger",),
    "take_profit_limit": ("trigger", "limit"),
    "trailing": ("trail",),
}
CHOICES = {
    "tif": ("GTC", "IOC", "FOK", "GTD", "DAY"),
    "trigger_on": ("trade", "quote", "mark"),
    "trail_unit": ("price", "bps", "ticks"),
}


def wrong_terms(terms: Terms) -> str | None:
    """Return what is wrong with the terms of an order; None where nothing is.

    >>> wrong_terms(Terms(type="limit"))
    'a limit order needs limit'
    """
    return next(find_wrong(terms), None)


def find_wrong(terms: Terms) -> Iterator[str]:
    """Yield what is wrong with the terms of an order."""
    needed = NEEDED.get(terms.type)
    if needed is None:
        yield f"type {terms.type!r}: there are {', '.join(NEEDED)}"
        return
    for name in ("limit", "trigger", "trail", "activate"):
        value = getattr(terms, name)
        if value is None and name in needed:
            yield f"a {terms.type} order needs {name}"
        elif value is not None and not value > 0:
            yield f"{name} is {value}: it must be above 0"
    for name, choices in CHOICES.items():
        if getattr(terms, name) not in choices:
            yield f"{name} {getattr(terms, name)!r}: there are {', '.join(choices)}"
    if terms.tif == "GTD" and terms.expire_ns is None:
        yield "GTD needs expire_ns"
    if terms.post_only and terms.type == "market":
        yield "a market order can't be post_only"
