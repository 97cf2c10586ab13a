"""The smallest decimal steps in columns of prices and sizes.

62000.10, 61999.95, 62001 -> 0.01
"""

from decimal import Decimal

import numpy as np

from tapeflow.schemas.columns import Floats

PLACES_MAX = 17


def count_places(values: Floats) -> int:
    """Return the most decimal places that a value needs: its shortest text that reads as it."""
    some = np.unique(values[np.isfinite(values)])
    places = 0
    while places < PLACES_MAX and len(some):
        some = some[np.round(some, places) != some]
        places += bool(len(some))
    return places


def step_of(places: int) -> Decimal:
    """Return the step of so many decimal places.

    >>> str(step_of(2)), str(step_of(0))
    ('0.01', '1')
    """
    return Decimal(1).scaleb(-places)
