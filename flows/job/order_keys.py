"""Which keys each type of order, exit and slices needs, and which it may have.

Each check raises ValueError with one line that says what to write instead.
"""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel

Keys = tuple[tuple[str, ...], tuple[str, ...]]  # needed, and allowed besides
TRAILS = ("trail_bps", "trail_ticks", "trail_price")
ORDER_KEYS: Mapping[str, Keys] = {
    "market": ((), ()),
    "limit": (("limit_bps",), ("post_only",)),
    "stop": (("trigger_bps",), ("trigger_on",)),
    "stop_limit": (("trigger_bps", "limit_bps"), ("trigger_on", "post_only")),
    "take_profit": (("trigger_bps",), ("trigger_on",)),
    "take_profit_limit": (("trigger_bps", "limit_bps"), ("trigger_on", "post_only")),
    "trailing": ((), ("trigger_on", *TRAILS, "after_bps")),
}
EXIT_KEYS: Mapping[str, Keys] = {
    "limit": (("at_bps",), ()),
    "stop": (("at_bps",), ("trigger_on",)),
    "stop_limit": (("at_bps", "limit_bps"), ("trigger_on",)),
    "take_profit": (("at_bps",), ("trigger_on",)),
    "take_profit_limit": (("at_bps", "limit_bps"), ("trigger_on",)),
    "trailing": ((), ("trigger_on", *TRAILS, "after_bps")),
}
SLICE_KEYS: Mapping[str, Keys] = {
    "twap": (("count", "every"), ("jitter",)),
    "iceberg": (("display",), ()),
    "participation": (("share",), ()),
}


def check_keys(section: BaseModel, kind: str, what: str, table: Mapping[str, Keys]) -> None:
    """Refuse a section without a key that its kind needs, or with one of another kind."""
    needed, allowed = table[kind]
    for key in needed:
        if getattr(section, key) is None:
            raise ValueError(f"{what} needs {key}")
    of_kinds = {key for keys in table.values() for each in keys for key in each}
    for key in sorted(of_kinds - {*needed, *allowed}):
        if getattr(section, key) not in (None, False):
            owners = [each for each, keys in table.items() if key in (*keys[0], *keys[1])]
            raise ValueError(f"{key} is of {', '.join(owners)}, not of {what}: leave it out")


def check_trail(section: BaseModel, kind: str) -> None:
    """Refuse a trailing stop without a distance, or with two."""
    given = [key for key in TRAILS if getattr(section, key) is not None]
    if kind == "trailing" and len(given) != 1:
        raise ValueError(f"a trailing stop needs one of {', '.join(TRAILS)}")


def check_trigger(kind: str, trigger_bps: Decimal) -> None:
    """Refuse a trigger that the reference price has passed already."""
    is_stop = kind in ("stop", "stop_limit")
    if (trigger_bps > 0) != is_stop:
        sign, other = ("above", "take_profit") if is_stop else ("below", "stop")
        raise ValueError(
            f"trigger_bps of a {kind} is {sign} 0, else it triggers at once: did you mean {other}?"
        )
