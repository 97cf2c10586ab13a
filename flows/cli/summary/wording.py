"""Words that hints share: shares, lists of names, durations."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Hint = Callable[[Any, dict[str, Any]], Iterator[str]]  # about trading: results, and their job
NAMED = 4  # symbols, partitions or instruments in a hint


def share_of(part: int, whole: int, what: str) -> str:
    """Return a part of a whole, as the beginning of a line.

    >>> share_of(90, 100, "trade"), share_of(7, 7, "trade"), share_of(1, 1, "trade")
    ('90 of 100 trades (90 %) are', 'all 7 trades are', 'the only trade is')
    """
    if part == whole:
        return f"the only {what} is" if part == 1 else f"all {part:,} {what}s are"
    verb = "is" if part == 1 else "are"
    return f"{part:,} of {whole:,} {what}s ({100 * part / whole:.0f} %) {verb}"


def names(all_names: Iterable[str]) -> str:
    """Return the first names, and how many more there are.

    >>> names(["a", "b"]), names("abcdef")
    ('a, b', 'a, b, c, d and 2 more')
    """
    listed = [*all_names]
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more


def seconds(ns: int) -> str:
    """Return a duration in a unit that suits it.

    >>> seconds(350_000_000), seconds(90_500_000_000), seconds(7200_000_000_000)
    ('0.35 s', '90.5 s', '2.0 h')
    """
    return f"{ns / 3.6e12:.1f} h" if ns >= 3.6e12 else f"{ns / 1e9:.3g} s"
