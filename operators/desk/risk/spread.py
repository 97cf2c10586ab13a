"""Measures of the spread of exposure over instruments: pure functions of notionals.

BTC 50, ETH 30, SOL 20      shares 0.5, 0.3, 0.2       effective number 2.63
ETH moves with BTC, 0.8     a buy of BTC stands on 50 + 0.8 * 30 + .. that move with it
"""

import math
from collections.abc import Callable, Collection, Mapping

Rho = Callable[[str, str], float]  # correlation of two instruments, from -1 to 1


def shares_of(notionals: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each instrument in the sum of all notionals; of nothing 0.

    >>> shares_of({"BTC": 75.0, "ETH": 25.0})
    {'BTC': 0.75, 'ETH': 0.25}
    """
    gross = math.fsum(notionals.values())
    return {name: each / gross if gross else 0.0 for name, each in notionals.items()}


def share_of(notionals: Mapping[str, float], members: Collection[str]) -> float:
    """Return the share of some instruments in the sum of all notionals; of nothing 0."""
    gross = math.fsum(notionals.values())
    part = math.fsum(each for name, each in notionals.items() if name in members)
    return part / gross if gross else 0.0


def effective_number(notionals: Mapping[str, float]) -> float:
    """Return over how many equal positions the same spread would be: 1 / sum of squared shares.

    >>> effective_number({"BTC": 50.0, "ETH": 50.0}), effective_number({})
    (2.0, 0.0)
    """
    squares = math.fsum(each * each for each in shares_of(notionals).values())
    return 1 / squares if squares else 0.0


def correlated_notional(
    instrument: str,
    side: int,
    longest: Mapping[str, float],
    shortest: Mapping[str, float],
    rho: Rho,
) -> float:
    """Return the notional that moves with a position of a side, each weighted by its correlation.

    `longest` and `shortest` are signed notionals by instrument, if all buys fill and if all sells
    do. What moves against the position counts nothing: sum over j of w_j * max(0, rho * s * s_j).

    >>> both = {"BTC": 50.0, "ETH": -30.0}
    >>> correlated_notional("BTC", 1, both, both, lambda one, other: -0.5)  # short ETH: against it
    65.0
    """
    terms = []
    for other in longest:
        weight = 1.0 if other == instrument else rho(instrument, other)
        worst = longest[other] if side * weight > 0 else -shortest[other]
        terms.append(abs(weight) * worst if worst > 0 or math.isnan(worst) else 0.0)
    return math.fsum(terms)
