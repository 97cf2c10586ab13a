"""All features by name: those of the families, compiled.

averages  chained  momentum  oscillators  trend  volatility  returns  volume  weighted  flow  z
"""

from tapeflow.operators.features import (
    averages,
    chained,
    flow,
    momentum,
    oscillators,
    returns,
    trend,
    volatility,
    volume,
    weighted,
    z,
)
from tapeflow.operators.features.fold import Fold

FAMILIES = {  # the order of docs/features.md
    "Averages": averages.FOLDS | chained.FOLDS,
    "Momentum": momentum.FOLDS | oscillators.FOLDS,
    "Trend": trend.FOLDS,
    "Volatility": volatility.FOLDS | returns.FOLDS,
    "Volume": volume.FOLDS | weighted.FOLDS,
    "Flow": flow.FOLDS,
    "Scores": z.FOLDS,
}
FOLDS: dict[str, Fold] = {name: fold for each in FAMILIES.values() for name, fold in each.items()}
