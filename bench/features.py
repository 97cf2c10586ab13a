"""Features against TA-Lib, and what a bar costs.

    python -m bench.features [--bars 4000] [--runs 9]

    each output, on each series of bars  ▶  distance to its oracle / largest value in memory
    each feature, ten instruments        ▶  CPU time, ns a bar, the best of the runs

The oracle is TA-Lib. Where it has no such feature, or its running sums drift after an outlier, it
is numpy in two passes over each window, which the table says: *.
"""

import argparse
import time

import numpy as np

from bench import report
from bench.feature_equality import compare
from bench.feature_oracles import FROM_TALIB
from bench.feature_series import NAMES, make_series
from bench.feature_windows import TWO_PASS
from tapeflow.engine.rungs import are_compiled
from tapeflow.operators.features.fold import Fold
from tapeflow.operators.features.registry import FOLDS

INSTRUMENTS = 10


def distances(name: str, fold: Fold, series: str, count: int) -> dict[str, tuple[float, str]]:
    """Return by output its largest relative distance on a series, and "*" where numpy says it."""
    bars, params = make_series(series, count), fold.complete(())
    found: dict[str, tuple[float, str]] = {}
    for oracles, mark in ((FROM_TALIB, ""), (TWO_PASS, "*")):
        if name not in oracles:
            continue
        for each in compare(name, fold, oracles[name], bars, params):
            value = each.largest if each.is_warm_alike else float("inf")
            found[each.output] = min(found.get(each.output, (value, mark)), (value, mark))
    return found


def cost_ns(fold: Fold, count: int, runs: int) -> float:
    """Return the CPU time of a bar, the least of some runs."""
    bars, params = make_series("walk", count), fold.complete(())
    instrument = np.arange(count) % INSTRUMENTS
    known = np.zeros((INSTRUMENTS, fold.width(**params)))
    out, anew = np.empty((len(fold.outputs), count)), np.zeros(count, np.bool_)
    columns = [getattr(bars, each) for each in fold.columns]
    fold.kernel(known, instrument, anew, *columns, out, **params)  # behind the warm-up
    spent = []
    for _ in range(runs):
        begin_ns = time.process_time_ns()
        for _ in range(5):
            fold.kernel(known, instrument, anew, *columns, out, **params)
        spent.append((time.process_time_ns() - begin_ns) / 5 / count)
    return min(spent)


def main() -> None:
    """Print the table, and keep it."""
    parser = argparse.ArgumentParser(description="Features against TA-Lib; ns a bar.")
    parser.add_argument("--bars", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    print(report.machine_line())
    if not are_compiled():
        print("kernels are not compiled here: the times are of plain Python")
    print(f"{'':18}" + "".join(f"{each:>13}" for each in NAMES) + f"{'ns a bar':>10}")
    figures = {}
    for name, fold in FOLDS.items():
        by_series = {each: distances(name, fold, each, options.bars) for each in NAMES}
        cost = cost_ns(fold, options.bars, options.runs)
        for number, output in enumerate(by_series["walk"]):
            cells = [
                f"{value:.0e}{mark:1}" for value, mark in (by_series[s][output] for s in NAMES)
            ]
            print(
                f"{output:18}"
                + "".join(f"{each:>13}" for each in cells)
                + ("" if number else f"{cost:>10.0f}")
            )
        figures[name] = {"ns": cost, "distances": by_series}
    print(report.save("features", figures))


if __name__ == "__main__":
    main()
