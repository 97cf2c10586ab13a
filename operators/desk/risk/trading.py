"""Checks of what may be traded, and when: trading states, locks, the restricted list, the hours.

    restricted = "BUY"                    sales pass: what is held can be closed
    hours = ["Mon-Fri 08:00-17:00"]       UTC, of log time

What only reduces passes both.
"""

from functools import cache
from typing import ClassVar

from msgspec import Struct

from tapeflow.operators.desk.risk.check import decisive
from tapeflow.schemas.limits import Hours
from tapeflow.schemas.risk import Finding, Proposal
from tapeflow.schemas.sides import side_name

MINUTE_NS = 60_000_000_000
WEEK_MINUTES = 7 * 24 * 60
EPOCH_MINUTES = 3 * 24 * 60  # 1970-01-01 was a Thursday; weeks begin on Monday


class StateCheck(Struct, frozen=True):
    """Refuse what the trading state does not allow, and all while a scope is being closed."""

    code: ClassVar[str] = "STATE"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the most severe state of its scopes; corrective orders pass in each."""
        if proposal.closing:
            passed = proposal.corrective
            return Finding(self.code, passed, "CLOSING", "ACTIVE", proposal.closing)
        if proposal.state == "ACTIVE":
            return None
        passed = proposal.corrective or (proposal.state == "REDUCING" and proposal.only_reduces)
        return Finding(self.code, passed, proposal.state, "ACTIVE", proposal.in_state)


class Locked(Struct, frozen=True):
    """Refuse to open where a position of the strategy was just closed for its protection."""

    code: ClassVar[str] = "LOCKED"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check the lock of the strategy in the instrument."""
        if not proposal.locked:
            return None
        passed = proposal.corrective or proposal.only_reduces
        scope = f"strategy:{proposal.strategy}"
        return Finding(self.code, passed, side_name(proposal.side), proposal.locked, scope)


class Restricted(Struct, frozen=True):
    """Refuse to open in what is on the restricted list."""

    code: ClassVar[str] = "RESTRICTED"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that is restricted."""
        side = side_name(proposal.side)
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or restricted not in (side, "both"),
                side,
                restricted,
                view.limits.scope,
            )
            for view in proposal.scopes
            if (restricted := view.limits.restricted)
        )


class TradingHours(Struct, frozen=True):
    """Refuse to open outside of the hours."""

    code: ClassVar[str] = "HOURS"
    cuts: ClassVar[str] = "never"

    def check(self, proposal: Proposal) -> Finding | None:
        """Check each scope that has hours."""
        minute = week_minute(proposal.time_ns)
        return decisive(
            Finding(
                self.code,
                proposal.only_reduces or is_in_any(minute, view.limits.hours),
                minute,
                format_hours(view.limits.hours),
                view.limits.scope,
            )
            for view in proposal.scopes
            if view.limits.hours
        )


def week_minute(time_ns: int) -> int:
    """Return the minutes since Monday 00:00 UTC.

    >>> week_minute(0) // (24 * 60)  # a Thursday
    3
    """
    return (time_ns // MINUTE_NS + EPOCH_MINUTES) % WEEK_MINUTES


def is_in_any(minute: int, hours: tuple[Hours, ...]) -> bool:
    """Return whether a minute of the week is in any of the spans."""
    return any(is_in(minute, each) for each in hours)


@cache
def format_hours(hours: tuple[Hours, ...]) -> str:
    """Return spans as text, in minutes of the week.

    >>> format_hours((Hours(0, 5), Hours(60, 65)))
    '0-5 60-65'
    """
    return " ".join(f"{each.begin}-{each.end}" for each in hours)


def is_in(minute: int, hours: Hours) -> bool:
    """Return whether a minute of the week is in a span: its first is, its end is not.

    >>> is_in(5, Hours(0, 5)), is_in(0, Hours(10_000, 5))
    (False, True)
    """
    if hours.begin <= hours.end:
        return hours.begin <= minute < hours.end
    return minute >= hours.begin or minute < hours.end


CHECKS = (StateCheck(), Locked(), Restricted(), TradingHours())
