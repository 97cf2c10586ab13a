"""One price of several venues: the mean of their mids, weighted by the sizes behind them.

mids     100.0   100.4    101.0      sizes  3   1   2      ages  0.1 s   0.4 s   9 s
composite, none older than 1 s       (3 * 100.0 + 1 * 100.4) / 4 = 100.1
"""

from collections.abc import Iterable
from math import fsum, isfinite


def compute_composite(
    mids: Iterable[float | None],
    sizes: Iterable[float | None],
    ages_ns: Iterable[int],
    max_age_ns: int,
) -> float | None:
    """Return the mean of the mids that are at most so old, weighted by size; None without any.

    `sizes`: at the best bid and ask together. A mid that is not known, or whose size is not known
    or none, has no part: it is no guess. The order of the venues changes nothing, to the bit.

    >>> compute_composite([100.0, 100.4, 101.0], [3.0, 1.0, 2.0], [1, 4, 90], 10)
    100.1
    """
    parts = [
        (mid, size)
        for mid, size, age_ns in zip(mids, sizes, ages_ns, strict=True)
        if mid is not None and size is not None and age_ns <= max_age_ns
        if isfinite(mid) and isfinite(size) and size > 0
    ]
    weight = fsum(size for _, size in parts)
    if not weight:
        return None
    mean = fsum(mid * (size / weight) for mid, size in parts)
    known = [mid for mid, _ in parts]
    return min(max(mean, min(known)), max(known))  # rounding takes it out of no market
