"""Made-up bars on which features are compared with TA-Lib."""

import numpy as np

from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars

NAMES = ("walk", "constant", "stepped", "gapped", "small moves", "outlier")
MINUTE_NS = 60_000_000_000


def make_series(name: str, count: int = 1000) -> Bars:
    """Return bars of one instrument; the same ones at each call."""
    rng = np.random.default_rng(5)
    number = np.arange(count)
    walk = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    if name == "constant":
        close = np.full(count, 61837.63)
    elif name == "stepped":
        close = 100 + np.floor(number / 50) * 0.5
    elif name == "small moves":
        close = 60_000 + np.cumsum(rng.normal(0, 0.01, count))
    else:
        close = walk
    if name == "gapped":  # bars are missing, and the price is another after it
        number = number + 30 * (number // 100)
        close = close * (1 + 0.05 * (number // 130 % 2))
    if name == "outlier":
        close[count // 3] = 1e6
    return bars_of(close, number, rng, flat=name == "constant")


def bars_of(close: Floats, number: np.ndarray, rng: np.random.Generator, *, flat: bool) -> Bars:
    """Return bars of these closes around them, each in its minute."""
    count = len(close)
    spread = 0.0 if flat else 1e-4
    high = close * (1 + spread * rng.uniform(0, 1, count))
    low = close * (1 - spread * rng.uniform(0, 1, count))
    volume, zeros = rng.uniform(1, 9, count), np.zeros(count, np.int64)
    open_ns = number * MINUTE_NS
    open_price = low + (high - low) * rng.uniform(0, 1, count)
    prices = open_price, high, low, close
    bought = volume * rng.uniform(0, 1, count)
    return Bars(
        *(zeros, open_ns, open_ns + MINUTE_NS, *prices, volume, close, zeros + 9),
        *(bought, volume * close, bought * close, np.ones(count, np.bool_)),
        *(open_ns + MINUTE_NS, number, number, number),
    )
