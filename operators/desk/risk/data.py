"""Checks of the market data of an order: too old, crossed, of a wrong clock.

Ages are in log time, up to the record that decides. Of an instrument without any trade or quote
the age is not known: refused. What only reduces passes: to stay in is the greater risk.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive
from tapeflow.schemas.risk import Finding, Proposal, ScopeView
from tapeflow.schemas.time import Ns


def find_age(
    code: str, proposal: Proposal, at_ns: Ns | None, limit_of: Callable[[ScopeView], Ns | None]
) -> Iterator[Finding]:
    """Yield what is found of an age in each scope with a limit."""
    observed = None if at_ns is None else proposal.time_ns - at_ns
    for view in proposal.scopes:
        if (limit := limit_of(view)) is not None:
            passed = proposal.only_reduces or (observed is not None and observed <= limit)
            yield Finding(code, passed, observed, limit, view.limits.scope)


class StaleTrade(Struct, frozen=True):
    """Limit the age of the last trade."""

    code: ClassVar[str] = "STALE_TRADE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        ages = find_age(
            self.code, proposal, proposal.trade_ns, lambda view: view.limits.trade_age_ns
        )
        return decisive(ages)


class StaleQuote(Struct, frozen=True):
    """Limit the age of the last quote."""

    code: ClassVar[str] = "STALE_QUOTE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit."""
        ages = find_age(
            self.code, proposal, proposal.quote_ns, lambda view: view.limits.quote_age_ns
        )
        return decisive(ages)


class Crossed(Struct, frozen=True):
    """Refuse to open where bid and ask meet or cross: no market shows that."""

    code: ClassVar[str] = "CROSSED"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that asks; a quote without a bid or an ask is not known."""
        bid, ask = proposal.bid, proposal.ask
        return decisive(
            Finding("TOUCH_UNKNOWN", proposal.only_reduces, bid, ask, view.limits.scope)
            if bid is None or ask is None
            else Finding(self.code, proposal.only_reduces or bid < ask, bid, ask, view.limits.scope)
            for view in proposal.scopes
            if view.limits.refuse_crossed
        )


class Clock(Struct, frozen=True):
    """Limit how far log time is behind the venue's, or ahead of it."""

    code: ClassVar[str] = "CLOCK"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has a limit; without a price the clock is not known."""
        offset_ns = proposal.clock_offset_ns
        return decisive(
            Finding("CLOCK_UNKNOWN", proposal.only_reduces, None, limit, view.limits.scope)
            if offset_ns is None
            else Finding(
                self.code,
                proposal.only_reduces or abs(offset_ns) <= limit,
                offset_ns,
                limit,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (limit := view.limits.clock_offset_ns) is not None
        )


CHECKS = (StaleTrade(), StaleQuote(), Crossed(), Clock())
