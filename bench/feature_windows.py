"""The oracle of features where TA-Lib has none, or drifts: two passes over each window.

TWO_PASS["z"](bars, period=60)  ->  an array for each output, NaN before warm-up
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench.feature_oracles import Oracle
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars

DAY_NS = 86_400_000_000_000


def windows(values: Floats, period: int, skipped: int = 0) -> Floats:
    """Return the last values at each bar from the first full window on: (bars, period).

    The first `skipped` values are in no window.
    """
    if len(values) < period + skipped:
        return np.empty((0, period))
    return sliding_window_view(values[skipped:], period)


def moves(values: Floats, period: int) -> tuple[Floats, Floats]:
    """Return the first value of each window, and the windows less it: as exact as they can be."""
    past = windows(values, period)
    first = past[:, :1]
    return first[:, 0], past - first


def at_end(values: Floats, length: int) -> Floats:
    """Return values as the last ones of a column of NaN."""
    column = np.full(length, np.nan)
    column[length - len(values) :] = values
    return column


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return a ratio, NaN where the denominator is not above 0."""
    with np.errstate(all="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def stddev(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the standard deviation of each window."""
    return (at_end(moves(bars.close, period)[1].std(axis=1), len(bars)),)


def bbands(bars: Bars, period: int, factor: float) -> tuple[Floats, ...]:
    """Return Bollinger's bands, and the place of the close between them."""
    first, past = moves(bars.close, period)
    mean, width = past.mean(axis=1), factor * past.std(axis=1)
    place = ratio(past[:, -1] - mean + width, 2 * width)
    bands = first + mean + width, first + mean, first + mean - width, place
    return tuple(at_end(each, len(bars)) for each in bands)


def linreg(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return end, slope and r squared of lines of least squares."""
    (first, past), x = moves(bars.close, period), np.arange(period) - (period - 1) / 2
    off = past - past.mean(axis=1)[:, None]
    slope = off @ x / (x @ x)
    shares = ratio(slope * (off @ x), (off * off).sum(axis=1))
    end = first + past.mean(axis=1) + slope * x[-1]
    return tuple(at_end(each, len(bars)) for each in (end, slope, shares))


def ultosc(bars: Bars, fast: int, middle: int, slow: int) -> tuple[Floats, ...]:
    """Return the ultimate oscillator."""
    before = bars.close[:-1]
    bottom = np.minimum(bars.low[1:], before)
    bought, spans = bars.close[1:] - bottom, np.maximum(bars.high[1:], before) - bottom
    total = np.zeros(max(len(spans) - slow + 1, 0))
    for weight, period in ((4, fast), (2, middle), (1, slow)):
        sums = [windows(each, period, slow - period).sum(axis=1) for each in (bought, spans)]
        total += weight * np.nan_to_num(ratio(sums[0], sums[1]))
    return (at_end(100 * total / 7, len(bars)),)


def log_returns(bars: Bars) -> Floats:
    """Return log returns of closes, from the second bar on."""
    return np.log(bars.close[1:] / bars.close[:-1])


def realised_volatility(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the root of the sum of squared returns."""
    past = windows(log_returns(bars), period)
    return (at_end(np.sqrt((past * past).sum(axis=1)), len(bars)),)


def parkinson(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return Parkinson's volatility."""
    squares = windows(np.log(bars.high / bars.low) ** 2, period)
    return (at_end(np.sqrt(squares.mean(axis=1) / (4 * np.log(2))), len(bars)),)


def garman_klass(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return Garman's and Klass' volatility."""
    values = np.log(bars.high / bars.low) ** 2 / 2
    values -= (2 * np.log(2) - 1) * np.log(bars.close / bars.open) ** 2
    means = windows(values, period).mean(axis=1)
    return (at_end(np.sqrt(np.maximum(means, 0)), len(bars)),)


def cmf(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return Chaikin's money flow."""
    span = bars.high - bars.low
    share = np.divide(
        2 * bars.close - bars.high - bars.low, span, np.zeros(len(bars)), where=span > 0
    )
    flow = windows(share * bars.volume, period).sum(axis=1)
    return (at_end(flow / windows(bars.volume, period).sum(axis=1), len(bars)),)


def vwap(bars: Bars) -> tuple[Floats, ...]:
    """Return the average price of each day so far."""
    day, found = bars.open_ns // DAY_NS, np.empty(len(bars))
    for row in range(len(bars)):
        same = np.flatnonzero(day[: row + 1] == day[row])
        found[row] = bars.notional[same].sum() / bars.volume[same].sum()
    return (found,)


def vwma(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the mean weighted by volume."""
    sums = windows(bars.close * bars.volume, period).sum(axis=1)
    return (at_end(sums / windows(bars.volume, period).sum(axis=1), len(bars)),)


def imbalance(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the imbalance of bought and sold volume."""
    flow = windows(2 * bars.buy_volume - bars.volume, period).sum(axis=1)
    return (at_end(flow / windows(bars.volume, period).sum(axis=1), len(bars)),)


def vpin(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the share of one-sided volume."""
    flow = windows(np.abs(2 * bars.buy_volume - bars.volume), period).sum(axis=1)
    return (at_end(flow / windows(bars.volume, period).sum(axis=1), len(bars)),)


def roll(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return Roll's spread."""
    changes = np.diff(bars.close)
    means = windows(changes[1:] * changes[:-1], period).mean(axis=1)
    return (at_end(np.where(means <= 0, 2 * np.sqrt(np.maximum(-means, 0)), np.nan), len(bars)),)


def amihud(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return Amihud's illiquidity."""
    impact = np.abs(log_returns(bars)) / bars.notional[1:]
    return (at_end(windows(impact, period).mean(axis=1), len(bars)),)


def kyle(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the slope of changes over signed volume."""
    flow = windows((2 * bars.buy_volume - bars.volume)[1:], period)
    changes = windows(np.diff(bars.close), period)
    flow_off = flow - flow.mean(axis=1)[:, None]
    products = (flow_off * (changes - changes.mean(axis=1)[:, None])).sum(axis=1)
    return (at_end(ratio(products, (flow_off * flow_off).sum(axis=1)), len(bars)),)


def z(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the z-score of closes."""
    past = moves(bars.close, period)[1]
    return (at_end(ratio(past[:, -1] - past.mean(axis=1), past.std(axis=1)), len(bars)),)


def zret(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return the z-score of returns against those before."""
    past = windows(log_returns(bars), period + 1)
    before = past[:, :-1]
    return (at_end(ratio(past[:, -1] - before.mean(axis=1), before.std(axis=1)), len(bars)),)


TWO_PASS: dict[str, Oracle] = {
    **{"stddev": stddev, "bbands": bbands, "linreg": linreg, "realised": realised_volatility},
    **{
        "parkinson": parkinson,
        "garman_klass": garman_klass,
        "cmf": cmf,
        "vwap": vwap,
        "vwma": vwma,
    },
    **{"imbalance": imbalance, "vpin": vpin, "roll": roll, "amihud": amihud, "kyle": kyle},
    **{"z": z, "zret": zret, "ultosc": ultosc},
}
