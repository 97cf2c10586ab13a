"""Protocol of a check: a pure function of a proposed order, with a code."""

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar, Protocol

from tapeflow.schemas.risk import Finding, Proposal, ScopeView

TOLERANCE = 1.0 + 1e-12  # of comparisons in float, at marks


class Check(Protocol):
    """One check of an order."""

    code: ClassVar[str]
    cuts: ClassVar[str]  # "always" to what passes, "resize" where the job says so, "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Return what is found; None where no limit asks for it."""
        ...


def is_within(observed: float, limit: float | Decimal) -> bool:
    """Return whether a number at marks is within a limit; NaN is not.

    >>> is_within(100.00000000000001, 100), is_within(float("nan"), 100)
    (True, False)
    """
    return observed <= float(limit) * TOLERANCE


def decisive(findings: Iterable[Finding]) -> Finding | None:
    """Return the first finding that failed, else the last one; None of none."""
    last = None
    for finding in findings:
        last = finding
        if not finding.passed:
            break
    return last


def worst_units(view: ScopeView, proposal: Proposal) -> Decimal:
    """Return the largest position of a scope in the instrument, if the order is approved."""
    buys, sells = view.buys, view.sells
    if proposal.side > 0:
        buys += proposal.size
    else:
        sells += proposal.size
    return max(abs(view.units + buys), abs(view.units - sells))
