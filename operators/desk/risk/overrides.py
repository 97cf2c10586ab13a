"""Keep what commands have changed: limits, the restricted list, the last number of each key.

It is plain, and a part of the desk's snapshot as it is.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.control import SignedCommand
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.time import LogPosition

DECIMAL_LIMITS = frozenset({
    "position_max", "gross_max", "net_max", "spread_floor", "size_max", "notional_max",
})  # fmt: skip
FLOAT_LIMITS = frozenset({
    "leverage_max", "concentration_max", "venue_share_max", "group_share_max", "effective_min",
    "collar_bps", "touch_bps",
})  # fmt: skip
COUNT_LIMITS = frozenset({
    "orders_max", "cancels_max", "open_orders_max",
})  # fmt: skip
SETTABLE = DECIMAL_LIMITS | FLOAT_LIMITS | COUNT_LIMITS
DIGITS_MAX = 40  # of a value


class Overrides(Struct):
    """Commands above the horizon, and the effects of those below; changed in place."""

    pending: list[tuple[LogPosition, SignedCommand]] = []  # a heap
    numbers: dict[str, int] = {}  # by key holder: of the newest command
    limits: dict[str, dict[str, str]] = {}  # by scope and limit: the value, as text
    restricted: dict[str, str] = {}  # by scope: BUY, SELL, both


def limits_now(
    overrides: Overrides, scope: str, declared: ScopeLimits | None
) -> ScopeLimits | None:
    """Return the declared limits of a scope with what commands changed; None without any."""
    changed: dict[str, Any] = {
        name: convert(name, Decimal(value))
        for name, value in overrides.limits.get(scope, {}).items()
    }
    if scope in overrides.restricted:
        changed["restricted"] = overrides.restricted[scope]
    return replace(declared or ScopeLimits(scope), **changed) if changed else declared


def read_value(limit: str, text: str) -> Decimal | None:
    """Return the value of a limit, or None where a text is none of it."""
    try:
        value = Decimal(text) if text.isascii() and len(text) <= DIGITS_MAX else None
    except InvalidOperation:
        return None
    if value is None or not value.is_finite() or limit not in SETTABLE or value.is_signed():
        return None
    if value and not -12 <= value.adjusted() < 24:
        return None
    return None if limit in COUNT_LIMITS and value % 1 else value


def convert(limit: str, value: Decimal) -> Decimal | float | int:
    """Return a value in the type of its limit."""
    if limit in COUNT_LIMITS:
        return int(value)
    return float(value) if limit in FLOAT_LIMITS else value


def is_within(settings: DeskSettings, scope: str, limit: str, value: Decimal) -> bool:
    """Return whether a command may set a limit to a value: without bounds none may."""
    bounds = settings.control.bounds.get(scope, {}).get(limit) if settings.control else None
    return bounds is not None and bounds[0] <= value <= bounds[1]
