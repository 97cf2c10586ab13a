"""Z-scores of several instruments at one moment: `from tapeflow import z_scores`.

    z_scores(returns by instrument)     z of each, None where it has no value

A strategy that reads a feature of several instruments ranks them by it.

    >>> z_scores({"A": 1.0, "B": 3.0, "C": None, "D": 2.0})
    {'A': -1.224744871391589, 'B': 1.224744871391589, 'C': None, 'D': 0.0}
"""

import math
from collections.abc import Mapping


def z_scores(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return (value - mean) / standard deviation of each value, by name in the order given.

    The deviation is the population's, in two passes. Of fewer than two values, or of equal ones,
    all scores are None; so is that of a value that is None, NaN or infinite.
    """
    known = {
        name: each for name, each in values.items() if each is not None and math.isfinite(each)
    }
    scores: dict[str, float | None] = dict.fromkeys(values)
    if len(known) < 2:
        return scores
    base = next(iter(known.values()))
    mean = base + math.fsum(each - base for each in known.values()) / len(known)
    sigma = math.sqrt(math.fsum((each - mean) ** 2 for each in known.values()) / len(known))
    if sigma > 0:
        scores.update({name: (each - mean) / sigma for name, each in known.items()})
    return scores
