"""A sum of decimals whose terms change: its cost does not grow with the number of terms.

    terms      70.5  1.0     80.25
    totals       71.5        80.25        one for the terms of each exponent

It is also written as the sum of all terms would be, with as many digits after the point as the term
that has most of them: what a decision observed is a text.
"""

from collections.abc import Iterable
from decimal import Context, Decimal

ZERO = Decimal(0)
EXACT = Context(prec=200)  # more digits than a total can have: none is ever rounded


class ExactSum:
    """The totals of some decimals by their exponent, and how many they are: (count, total)."""

    __slots__ = ("totals",)

    def __init__(self, terms: Iterable[Decimal] = ()) -> None:
        """Begin with some terms."""
        self.totals: dict[int, tuple[int, Decimal]] = {}
        for term in terms:
            self.replace(None, term)

    def replace(self, old: Decimal | None, new: Decimal) -> None:
        """Put a term in the place of another one, or add it where that is None."""
        if old is not None:
            self.totals = self.totals_without(old)
        exponent = exponent_of(new)
        count, total = self.totals.get(exponent, (0, ZERO))
        self.totals[exponent] = (count + 1, EXACT.add(total, new) if count else new)

    def without(self, term: Decimal | None) -> Decimal:
        """Return the sum of all terms but this one, None for all; `term` must be one of them."""
        totals = self.totals if term is None else self.totals_without(term)
        return sum((total for _, total in totals.values()), ZERO)

    def totals_without(self, term: Decimal) -> dict[int, tuple[int, Decimal]]:
        """Return the totals as they were before this term was added."""
        totals, exponent = dict(self.totals), exponent_of(term)
        count, total = totals.pop(exponent)
        if count > 1:
            totals[exponent] = (count - 1, EXACT.subtract(total, term))
        return totals


def exponent_of(term: Decimal) -> int:
    """Return the exponent that a finite decimal is written with: -2 of 1.50."""
    exponent = term.as_tuple().exponent
    assert isinstance(exponent, int), "no number"
    return exponent
