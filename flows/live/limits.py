"""Limits used: what the last risk check of each limit and scope observed."""

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from tapeflow.flows.live.model import LimitUse
from tapeflow.flows.live.source import Row

# Checks of a scope that pass up to their limit: observed / limit is the share used. Those of an
# order alone (LOT, SIZE_MAX, COLLAR, ..) use nothing up.
USED = {
    *("POSITION_LIMIT", "GROSS_LIMIT", "NET_LIMIT", "LEVERAGE_LIMIT", "CONCENTRATION"),
    *("VENUE_SHARE", "GROUP_SHARE", "CORRELATED", "OPEN_ORDERS", "RATE_LIMIT", "ORDER_TO_TRADE"),
    *("REPEATS", "DAILY_LOSS", "DRAWDOWN", "LOSSES", "CANCEL_RATE"),
}


def limits_used(rows: Iterable[Row]) -> list[LimitUse]:
    """Return the last check of each code and scope, the most used first.

    `rows` are decisions, the newest first: instrument, checks in JSON, time_ns.
    """
    last: dict[tuple[str, str], LimitUse] = {}
    for row in rows:
        seen = {}  # of one decision the last check of a limit counts
        for code, passed, observed, limit, scope in json.loads(row["checks"] or "[]"):
            if code in USED and (code, scope) not in last:
                found, most = as_decimal(observed), as_decimal(limit)
                if found is not None and most is not None:
                    seen[code, scope] = LimitUse(
                        code=code,
                        scope=scope,
                        instrument=row["instrument"],
                        observed=found,
                        limit=most,
                        used=float(found / most) if most else None,
                        passed=bool(passed),
                        time_ns=row["time_ns"],
                    )
        last |= seen
    return sorted(last.values(), key=lambda use: (-(use.used or 0.0), use.code, use.scope))


def as_decimal(value: Any) -> Decimal | None:
    """Return a value of a check as it is written; None of `unknown` and other words.

    >>> as_decimal("91466.61"), as_decimal(5), as_decimal("unknown")
    (Decimal('91466.61'), Decimal('5'), None)
    """
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
