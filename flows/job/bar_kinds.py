"""Kinds of bars other than those of the job's width: 1m, tick:100, volume:5, dollar:1e6, quote:1s.

`[bars] more` stores some; those that a strategy needs are made too. A width that is a kind's own
text for the job's is no other kind: its bars are the job's.
"""

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any, cast, get_args

from tapeflow.flows.job.width import format_width, parse_width
from tapeflow.schemas.bar_kinds import BarKind, Measure, QuoteKind, ThresholdKind, WiderKind
from tapeflow.schemas.bar_width import NS_PER_DAY, BarWidth
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.needs import parse_need
from tapeflow.schemas.signals import DeclaredStrategy

MEASURES = get_args(Measure)
QUOTE = "quote"
FORMS = "1m, 1h, tick:100, volume:5, dollar:1e6 or quote:1s"


def parse_kind(text: str, width: BarWidth) -> BarKind | None:
    """Return the kind of bars of a job of this width that a text names; None for the job's own.

    Raises ValueError with the text and what is allowed.

    >>> parse_kind("1m", parse_width("1s")).width.span_ns
    60000000000
    """
    word, colon, number = text.partition(":")
    if word == QUOTE and colon:
        return QuoteKind(text, parse_quote_width(text, number))
    if word in MEASURES and colon:
        return ThresholdKind(text, cast(Measure, word), parse_step(text, word, number))
    if colon or not text[:1].isdigit():
        raise ValueError(f"{text!r} is no kind of bars: write {FORMS}, for example")
    wider = parse_width(text)
    if wider == width:
        return None
    if not is_multiple(wider, width):
        own = format_width(width)
        raise ValueError(
            f"{text} is no multiple of the job's {own}: write one that holds whole bars of {own}"
        )
    return WiderKind(text, wider)


def is_multiple(wider: BarWidth, width: BarWidth) -> bool:
    """Return whether each bar of one width is in one of the wider."""
    if width.months:
        return bool(wider.months) and wider.months % width.months == 0
    if wider.months:
        return NS_PER_DAY % width.span_ns == 0
    shift_ns = wider.origin_ns - width.origin_ns
    return wider.span_ns % width.span_ns == 0 and shift_ns % width.span_ns == 0


def parse_quote_width(text: str, width: str) -> BarWidth:
    """Return the width of bars of quotes."""
    try:
        return parse_width(width)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None


def parse_step(text: str, measure: str, number: str) -> float:
    """Return how much is in a bar of `measure`."""
    try:
        step = float(number)
    except ValueError:
        step = 0.0
    if not (isfinite(step) and step > 0) or (measure == "tick" and step != int(step)):
        what = "a whole number above 0" if measure == "tick" else "a number above 0"
        raise ValueError(f"{text}: {number!r} is not {what}, as in {measure}:100")
    return step


def kind_name(text: str, width: BarWidth) -> str:
    """Return under which name bars of a kind are known: "" for those of the job's width.

    Raises ValueError as `parse_kind`.

    >>> kind_name("60s", parse_width("1m")), kind_name("60s", parse_width("1s"))
    ('', '60s')
    """
    return "" if not text or parse_kind(text, width) is None else text


def bar_kinds(
    width: BarWidth, more: Iterable[str], strategies: Iterable[DeclaredStrategy]
) -> tuple[BarKind, ...]:
    """Return the kinds that a job needs: those of `[bars] more`, and those of its strategies.

    Widths ascending, then the others by name. Raises UsageError for a kind that cannot be.
    """
    found = {}
    for where, text in (*(("bars.more", each) for each in more), *needed_kinds(strategies)):
        try:
            kind = parse_kind(text, width)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None
        if kind is not None:
            found[text] = kind
    return tuple(sorted(found.values(), key=sort_key))


def sort_key(kind: BarKind) -> tuple[Any, ...]:
    """Return the key that sorts kinds: widths ascending, then the others by name as bytes."""
    if isinstance(kind, WiderKind):
        return 0, kind.width.months, kind.width.span_ns, kind.name.encode()
    return 1, 0, 0, kind.name.encode()


def needed_kinds(strategies: Iterable[DeclaredStrategy]) -> Iterator[tuple[str, str]]:
    """Yield the kinds of bars that strategies need, each with where it is declared."""
    for each in strategies:
        where = f"strategies.{each.name}"
        for need in each.needs:
            try:
                kind = parse_need(need).kind
            except ValueError as error:
                raise UsageError(f"{where}: {error}") from None
            if kind:
                yield where, kind


def own_kinds(width: BarWidth, strategies: Iterable[DeclaredStrategy]) -> frozenset[str]:
    """Return the kinds that strategies need and that are the job's own width, as 60s of 1m."""
    named = {name for _, name in needed_kinds(strategies)}
    return frozenset(name for name in named if not kind_name(name, width))
