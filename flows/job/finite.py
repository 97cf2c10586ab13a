"""Numbers of TOML that no JSON holds: `inf` and `nan`, in keys that are not known here."""

from math import isfinite
from typing import Any


def check_finite(value: Any, place: str = "") -> None:
    """Refuse a number that is infinite or none, anywhere in a value of TOML: no JSON holds it."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{place}{': ' if place else ''}{value} is no number")
    if isinstance(value, dict):
        for key, each in value.items():
            check_finite(each, f"{place}.{key}" if place else key)
    if isinstance(value, list):
        for each in value:
            check_finite(each, place)
