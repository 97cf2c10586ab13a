"""Sum the volume of an account at each venue, by day (UTC), for the tiers of fees.

day        -31    -30 ........ -1    0
counted           |-- before --|          a fill of day 0 moves no tier of its own day
"""

from dataclasses import dataclass, field
from decimal import Decimal

from tapeflow.operators.desk.positions import ZERO

NS_PER_DAY = 86_400_000_000_000
DAYS = 30


@dataclass(slots=True)
class Volumes:
    """Notional by venue and day, in the currencies at par; changed by `add` alone."""

    by_venue: dict[str, dict[int, Decimal]] = field(default_factory=dict)

    def add(self, venue: str, log_ns: int, notional: Decimal) -> None:
        """Add what was traded at a log time; what is too old to count is forgotten."""
        day, days = log_ns // NS_PER_DAY, self.by_venue.setdefault(venue, {})
        if day not in days:
            for old in [each for each in days if each < day - DAYS]:
                del days[old]
        days[day] = days.get(day, ZERO) + notional

    def before(self, venue: str, log_ns: int) -> Decimal:
        """Return what was traded in the 30 days before that of a log time."""
        day, days = log_ns // NS_PER_DAY, self.by_venue.get(venue, {})
        return sum((value for each, value in days.items() if day - DAYS <= each < day), ZERO)
