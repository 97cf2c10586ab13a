"""Features of bars of quotes: what the bars say themselves, means weighted by time.

spread@quote:1s    imbalance@quote:1s    microprice@quote:1s

`imbalance` of bars of trades is another one, by the volume of takers (flow.py). Bars of quotes have
no volume: a feature that reads one is none of theirs.
"""

from tapeflow.operators.features.fold import Fold
from tapeflow.operators.features.registry import FOLDS
from tapeflow.operators.features.ring import Known, Out
from tapeflow.schemas.columns import Bools, Floats, Ints

QUOTE = "quote:"
VOLUMES = frozenset({"volume", "buy_volume", "notional", "buy_notional"})


def spread(known: Known, instrument: Ints, anew: Bools, spread: Floats, out: Out) -> None:
    """Write ask - bid."""
    out[0] = spread


def imbalance(known: Known, instrument: Ints, anew: Bools, imbalance: Floats, out: Out) -> None:
    """Write (bid size - ask size) / (bid size + ask size), from -1 to 1."""
    out[0] = imbalance


def microprice(known: Known, instrument: Ints, anew: Bools, microprice: Floats, out: Out) -> None:
    """Write (bid * ask size + ask * bid size) / (bid size + ask size)."""
    out[0] = microprice


OF_QUOTES = {each.__name__: Fold(each, lambda: 1) for each in (spread, imbalance, microprice)}


def folds_of(kind: str) -> dict[str, Fold]:
    """Return the features, by name, that bars of a kind have; "": of the job's own width.

    >>> "vwap" in folds_of("quote:1s"), "spread" in folds_of("quote:1s"), "spread" in folds_of("1m")
    (False, True, False)
    """
    if not kind.startswith(QUOTE):
        return FOLDS
    without_volume = {n: each for n, each in FOLDS.items() if not VOLUMES & {*each.columns}}
    return without_volume | OF_QUOTES
