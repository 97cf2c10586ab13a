"""The results of variants: intervals become returns by day, and these the rows of `variants`.

intervals of a variant ─▶ parts of the log ─▶ Curve ─▶ Sharpe ratio, deflated over all variants
                                                   └─▶ profit, drawdown, trades, turnover, fees
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.operators.sweep.folds import Fold, Part
from tapeflow.operators.sweep.intervals import DAY_NS
from tapeflow.operators.sweep.statistics import (
    LEAST_RETURNS,
    annual,
    deflated_sharpe,
    sample_variance,
    sharpe_ratio,
    skew_and_kurtosis,
)
from tapeflow.schemas.variants import Variant, VariantInterval

ZERO = Decimal(0)
Intervals = Sequence[VariantInterval]  # of one variant, in order


class Trial(Struct, frozen=True):
    """A variant that was tried."""

    name: str
    strategy: str
    parameters: dict[str, Any]
    capital: Decimal | None  # of its account


class Curve(Struct, frozen=True):
    """Results of a variant in parts of the log, one after the other."""

    returns: list[float]  # changes of equity by UTC day
    trades: int
    turnover: Decimal
    fees: Decimal
    profit: Decimal
    drawdown: Decimal


class Sample(Struct, frozen=True):
    """Parts of the log over which all variants are compared."""

    fold: int
    sample: str
    parts: tuple[Part, ...]


def samples_of(whole: Part, folds: Sequence[Fold]) -> list[Sample]:
    """Return the samples of a log: all of it, all tests together, and each part of each fold."""
    found = [Sample(0, "all", (whole,))]
    if folds:
        found.append(Sample(0, "out", tuple(fold.test for fold in folds)))
    for number, fold in enumerate(folds, 1):
        found += [Sample(number, "in", (fold.train,)), Sample(number, "out", (fold.test,))]
    return found


def evaluate(
    trials: Sequence[Trial],
    intervals: Mapping[str, Intervals],
    samples: Sequence[Sample],
    stored: int,
) -> list[Variant]:
    """Return the rows of all variants, the best first; of `stored` of them facts are stored."""
    by_sample = {(each.fold, each.sample): compare(trials, intervals, each) for each in samples}
    ranked_by = (0, "out") if (0, "out") in by_sample else (0, "all")
    ranks = rank(by_sample[ranked_by])
    rows = [
        replace(row, rank=ranks[row.variant], facts=ranks[row.variant] <= stored)
        for compared in by_sample.values()
        for row in compared
    ]
    order = {each: number for number, each in enumerate(("out", "all", "in"))}
    return sorted(rows, key=lambda row: (row.rank, row.fold, order[row.sample]))


def rank(rows: Iterable[Variant]) -> dict[str, int]:
    """Return the ranks of variants by Sharpe ratio, then profit, then name.

    One without a ratio, such as one that never traded, counts as a ratio of 0.
    """
    ordered = sorted(rows, key=lambda row: (-(row.sharpe or 0.0), -row.profit, row.variant))
    return {row.variant: number for number, row in enumerate(ordered, 1)}


def compare(
    trials: Sequence[Trial], intervals: Mapping[str, Intervals], sample: Sample
) -> list[Variant]:
    """Return the rows of all variants over one sample."""
    curves = [draw_curve(intervals[trial.name], sample.parts) for trial in trials]
    ratios = [sharpe_ratio(curve.returns) for curve in curves]
    variance = sample_variance([ratio for ratio in ratios if ratio is not None])
    return [
        make_row(trial, sample, curve, ratio, deflate(curve, ratio, len(trials), variance))
        for trial, curve, ratio in zip(trials, curves, ratios, strict=True)
    ]


def deflate(curve: Curve, ratio: float | None, trials: int, variance: float | None) -> float | None:
    """Return the deflated Sharpe ratio of a curve; None where it is not known."""
    if ratio is None or (variance is None and trials > 1):
        return None
    moments = skew_and_kurtosis(curve.returns)
    return deflated_sharpe(ratio, len(curve.returns), *moments, trials, variance or 0.0)


def draw_curve(intervals: Intervals, parts: Iterable[Part]) -> Curve:
    """Return what a variant made in some parts of the log, put together in their order."""
    days: dict[int, Decimal] = {}
    trades, turnover, fees, made, high, drawdown = 0, ZERO, ZERO, ZERO, ZERO, ZERO
    for part in parts:
        inside = [each for each in intervals if part.begin_ns <= each.begin_ns < part.end_ns]
        before = [each.equity for each in intervals if each.end_ns <= part.begin_ns]
        base = before[-1] if before else ZERO
        for each in inside:
            trades, turnover, fees = (
                trades + each.trades,
                turnover + each.turnover,
                fees + each.fees,
            )
            shift = made - base
            drawdown = max(drawdown, high - (each.low + shift), each.drawdown)
            high = max(high, each.high + shift)
        for day, change in day_changes(inside, base, part):  # parts may share a day
            days[day] = days.get(day, ZERO) + change
        made += inside[-1].equity - base if inside else ZERO
    returns = [float(days[day]) for day in sorted(days)]
    return Curve(returns, trades, turnover, fees, made, drawdown)


def day_changes(intervals: Intervals, base: Decimal, part: Part) -> Iterator[tuple[int, Decimal]]:
    """Yield the change of equity on each UTC day of a part, days without a sample included."""
    at_end: dict[int, Decimal] = {(each.end_ns - 1) // DAY_NS: each.equity for each in intervals}
    equity = base
    for day in range(part.begin_ns // DAY_NS, (part.end_ns - 1) // DAY_NS + 1):
        after = at_end.get(day, equity)
        yield day, after - equity
        equity = after


def make_row(
    trial: Trial, sample: Sample, curve: Curve, ratio: float | None, deflated: float | None
) -> Variant:
    """Return the row of a variant over one sample, not ranked yet."""
    return Variant(
        rank=0,
        variant=trial.name,
        strategy=trial.strategy,
        parameters=json.dumps(trial.parameters),
        fold=sample.fold,
        sample=sample.sample,
        begin_ns=sample.parts[0].begin_ns,
        end_ns=sample.parts[-1].end_ns,
        days=len(curve.returns),
        trades=curve.trades,
        turnover=curve.turnover,
        fees=curve.fees,
        profit=curve.profit,
        return_=None if not trial.capital else float(curve.profit / trial.capital),
        sharpe=None if ratio is None else annual(ratio),
        max_drawdown=curve.drawdown,
        deflated_sharpe=deflated,
        facts=False,
        note="; ".join(notes(trial, curve, ratio, deflated)),
    )


def notes(trial: Trial, curve: Curve, ratio: float | None, deflated: float | None) -> Iterator[str]:
    """Yield why values of a row are NULL."""
    if not trial.capital:
        yield "return: the account declares no capital"
    if ratio is None and len(curve.returns) < LEAST_RETURNS:
        yield f"sharpe: {len(curve.returns)} daily returns, at least {LEAST_RETURNS} are needed"
    elif ratio is None:
        yield "sharpe: its daily returns do not differ"
    elif deflated is None:
        yield "deflated_sharpe: no other variant has a Sharpe ratio"
