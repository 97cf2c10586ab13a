"""Statistics of returns: Sharpe ratio, and its deflation by the number of trials.

Of many variants the best looks good by chance. The deflated Sharpe ratio is the probability that
the true one is above zero, given how many were tried, how far they differ, and returns that are
not normal: D. Bailey, M. Lopez de Prado, The Deflated Sharpe Ratio (2014).

    expected best of N trials   SR0 = sd(SR) * ((1 - g) * Z(1 - 1/N) + g * Z(1 - 1/(N e)))
    deflated                    P((SR - SR0) * sqrt(T - 1) / sqrt(1 - skew SR + (kurt - 1)/4 SR^2))

All ratios here are of one return, not of a year; Z is the inverse of the normal distribution P.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

EULER = 0.5772156649015329  # Euler's constant, g
DAYS_PER_YEAR = 365
LEAST_RETURNS = 3  # below that nothing is said of their distribution
NORMAL = NormalDist()


def sharpe_ratio(returns: Sequence[float]) -> float | None:
    """Return mean by standard deviation (of a sample) of returns; None where it is not known.

    >>> sharpe_ratio([1.0, 2.0, 3.0])
    2.0
    """
    if len(returns) < LEAST_RETURNS:
        return None
    mean = math.fsum(returns) / len(returns)
    squares = math.fsum((each - mean) ** 2 for each in returns)
    deviation = math.sqrt(squares / (len(returns) - 1))
    scale = max(map(abs, returns))
    if deviation <= 1e-12 * scale:  # of equal returns: what is left is rounding
        return None
    return mean / deviation


def annual(ratio: float) -> float:
    """Return a Sharpe ratio of daily returns as that of a year."""
    return ratio * math.sqrt(DAYS_PER_YEAR)


def skew_and_kurtosis(returns: Sequence[float]) -> tuple[float, float]:
    """Return skewness and kurtosis of returns that are not all equal; 0 and 3 of normal ones."""
    mean = math.fsum(returns) / len(returns)
    second, third, fourth = (
        math.fsum((each - mean) ** power for each in returns) / len(returns) for power in (2, 3, 4)
    )
    return third / second**1.5, fourth / second**2


def expected_best(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of some trials has by chance; 0 of one.

    `variance` is that of the Sharpe ratios of the trials.

    >>> round(expected_best(100, 0.5 / 250), 4)
    0.1132
    """
    if trials < 2:
        return 0.0
    least = NORMAL.inv_cdf(1 - 1 / trials)
    later = NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER) * least + EULER * later)


def deflated_sharpe(  # as the formula has them
    ratio: float, returns: int, skew: float, kurtosis: float, trials: int, variance: float
) -> float | None:
    """Return the probability that a Sharpe ratio is above that of the best of trials by chance.

    None where the formula has no value: the moments are not those of a sample.

    >>> round(deflated_sharpe(2.5 / 250**0.5, 1250, -3, 10, 100, 0.5 / 250), 4)
    0.9004
    """
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if spread <= 0:
        return None
    above = ratio - expected_best(trials, variance)
    return NORMAL.cdf(above * math.sqrt(returns - 1) / math.sqrt(spread))


def sample_variance(values: Sequence[float]) -> float | None:
    """Return the variance of a sample; None of fewer than two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.fsum((each - mean) ** 2 for each in values) / (len(values) - 1)
