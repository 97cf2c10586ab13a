"""A sweep: a first pass of all variants over the log, their results, a last pass of the best.

job ─▶ grids ─▶ pass 1 ─▶ intervals ─▶ rows of `variants`, ranked ─▶ pass 2 ─▶ results.duckdb
                a file of its own, gone afterwards                   the best, with facts
"""

import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from tapeflow.connectors.duckdb.file import check_replaceable
from tapeflow.connectors.duckdb.sweep import read_intervals
from tapeflow.flows.job.grids import Grids, Variant, expand_grids, variant_job
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan, SweepPass
from tapeflow.flows.run.run import run_plan
from tapeflow.operators.sweep.folds import Part, cut_folds
from tapeflow.operators.sweep.intervals import fit_length_ns
from tapeflow.operators.sweep.results import Trial, evaluate, samples_of
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.variants import Variant as VariantRow
from tapeflow.schemas.variants import VariantInterval

Intervals = dict[str, list[VariantInterval]]  # by variant


def find_variants(job: Job, notify: Notify) -> Grids:
    """Return the variants of a job; say what is left out.

    Raises UsageError for a job without a grid.
    """
    grids = expand_grids(job)
    if not grids.variants:
        raise UsageError(
            "no strategy of the job has a grid: add [strategies.grid] below its row, such as "
            "fast = [5, 8, 12]"
        )
    for name, (count, reason) in grids.refused.items():
        notify(f"strategies.{name}.grid: {count:,} combinations are left out: {reason}")
    for name in grids.without:
        notify(f"strategies.{name} has no grid: it is left out")
    return grids


def run_sweep(
    plan: Plan, grids: Grids, best: int, show: Notify, notify: Notify
) -> tuple[VariantRow, ...]:
    """Run the passes of a sweep, and write its results; return the rows of `variants`.

    `best`: so many variants have their facts stored.

    Raises TapeflowError as `run_plan` does, and UsageError where the log has no room for the folds.
    """
    check_replaceable(plan.results)
    total = f"{len(grids.variants):,} variants"
    intervals = run_variants(plan, grids.variants, mark(show, f"{total}: "), notify)
    if missing := tuple(each for each in grids.variants if each.name not in intervals):
        count = f"{len(missing):,} variant{'s' * (len(missing) > 1)}"
        notify(f"{count} met prices of more decimals than the tick has: again, at desks")
        reason = "prices have more decimals than the tick"
        progress = mark(show, f"{count}, at desks: ")
        intervals |= run_variants(plan, missing, progress, lambda _: None, at_desks=reason)
    rows = compare_variants(plan.job, grids, intervals, best)
    names = {row.variant for row in rows if row.facts}
    chosen = tuple(each for each in grids.variants if each.name in names)
    last = SweepPass(
        is_last=True,
        at_desks="facts are stored",
        variants=tuple(rows),
        intervals=tuple(chain.from_iterable(intervals.values())),
    )
    plan = replace(plan, flow="sweep", sweep=last, job=variant_job(plan.job, chosen))
    run_plan(plan, mark(show, f"facts of the best {len(chosen)}: "), lambda _: None)
    return tuple(rows)


def run_variants(
    plan: Plan, variants: tuple[Variant, ...], show: Notify, notify: Notify, at_desks: str = ""
) -> Intervals:
    """Run variants over the log; return what each made in each interval.

    `at_desks`: why all of them run at desks of their own. Light portfolios leave out those that
    need one.
    """
    folder = plan.results.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{plan.results.name}-", dir=folder) as made:
        results = Path(made) / "variants.duckdb"
        job, sweep = variant_job(plan.job, variants), SweepPass(at_desks=at_desks)
        run_plan(replace(plan, flow="sweep", sweep=sweep, job=job, results=results), show, notify)
        return read_intervals(results)


def compare_variants(job: Job, grids: Grids, intervals: Intervals, best: int) -> list[VariantRow]:
    """Return the rows of all variants, the best first."""
    trials = [make_trial(job, each) for each in grids.variants]
    all_intervals = [each for rows in intervals.values() for each in rows]
    whole = Part(
        min(each.begin_ns for each in all_intervals), max(each.end_ns for each in all_intervals)
    )
    if whole.begin_ns == whole.end_ns:
        raise TapeflowError("the log has no records: there is nothing to compare")
    length_ns = fit_length_ns(job.results.equity_interval, *whole)
    wanted = job.sweep
    folds = cut_folds(whole, length_ns, wanted.folds, wanted.train, wanted.test)
    return evaluate(trials, intervals, samples_of(whole, folds), best)


def make_trial(job: Job, variant: Variant) -> Trial:
    """Return a variant as statistics see it."""
    account = next(row.account for row in job.strategies if row.name == variant.strategy)
    capitals = {each.name: each.capital for each in job.accounts}
    return Trial(variant.name, variant.strategy, variant.parameters, capitals.get(account))


def mark(show: Notify, before: str) -> Notify:
    """Return a notice of progress that says of what it is."""
    return lambda line: show(line and before + line)


def best_first(rows: Iterable[VariantRow], sample: str, fold: int = 0) -> list[VariantRow]:
    """Return the rows of one sample in the order of ranks."""
    return [row for row in rows if row.sample == sample and row.fold == fold]
