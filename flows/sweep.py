"""From raw frames to what each variant of a grid made.

    pages ─▶ decode ─▶ .. ─▶ scores ─┬─▶ forecasts ─▶ light portfolios ─┬─▶ intervals ─▶ DuckDB
                                     └─▶ signals ─▶ desks, one each ────┤
                                               └─▶ as in trade.py ──────┴─▶ facts, of the last pass

The first pass gives the intervals of all variants, and no facts: those that light portfolios know
run there, the others at desks. The last one is of the best, at desks, and stores their facts.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from msgspec.structs import replace

from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.duckdb.sweep import write_rows
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows import trade
from tapeflow.flows.job import declared
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.money import count_money_digits
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run import results
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.source import log_source
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.strategies.step import signals
from tapeflow.operators.sweep.desks import desks, to_desks
from tapeflow.operators.sweep.first_arrays import light_variants
from tapeflow.operators.sweep.forecasts import forecasts
from tapeflow.operators.sweep.light import light_portfolios
from tapeflow.operators.sweep.light_settings import evaluation, why_not
from tapeflow.schemas.batches import Batch, Facts
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.signals import DeclaredStrategy

STATE_VERSIONS: dict[str, int] = {}  # a sweep keeps no state
MERGES_PARTITIONS = True
END_IS_FINAL = True
Strategies = tuple[DeclaredStrategy, ...]


def desk_reasons(plan: Plan, table: InstrumentTable) -> dict[str, str]:
    """Return the variants that need desks of their own, with the reason."""
    assert plan.sweep is not None, "no sweep"
    settings = trade.desk_settings(plan.job, table, tuple(plan.log))
    found = {}
    for each in declared.strategies(plan.job, table):
        alone = settings_alone(settings, each, plan.job)
        reason = plan.sweep.at_desks or why_not(each, alone)
        if reason:
            found[each.name] = reason
    return found


def settings_alone(settings: DeskSettings, strategy: DeclaredStrategy, job: Job) -> DeskSettings:
    """Return the settings of the desk of one variant, as of a job without any other strategy."""
    return replace(
        settings,
        accounts={strategy.account: settings.accounts[strategy.account]},
        strategies=tuple(each for each in settings.strategies if each.name == strategy.name),
        money=replace(settings.money, digits=digits_alone(settings, strategy, job)),
        has_triggers=strategy.has_triggers,
        reads_bars=strategy.slices_by_volume,
    )


def digits_alone(settings: DeskSettings, strategy: DeclaredStrategy, job: Job) -> int:
    """Return the digits of money of a job with one strategy alone."""
    if job.results.money_digits is not None:
        return job.results.money_digits
    in_parts = job.paper.model != "trade"
    return count_money_digits((strategy,), settings.instruments, in_parts=in_parts)


def run_desks(
    scored: KeyedStream[Batch], strategies: Strategies, settings: DeskSettings, plan: Plan
) -> tuple[KeyedStream[Batch], KeyedStream[Facts]]:
    """Build the desks of some variants; return the decided batches, and what the desks made."""
    table = settings.instruments
    in_columns = declared.in_columns(strategies)
    decided = signals("signals", scored, strategies=in_columns, instruments=table)
    by_variant = {each.name: Desk(settings_alone(settings, each, plan.job)) for each in strategies}
    sent = to_desks("to_desks", decided, by_variant=by_variant)
    is_last = plan.sweep is not None and plan.sweep.is_last
    return decided, desks("desks", sent, by_variant=by_variant, stores_facts=is_last)


def run_light(
    scored: KeyedStream[Batch], strategies: Strategies, settings: DeskSettings, plan: Plan
) -> Iterator[KeyedStream[Any]]:
    """Build light portfolios; those whose money has as many digits go together."""
    by_digits: dict[int, list[DeclaredStrategy]] = {}
    for each in strategies:
        by_digits.setdefault(digits_alone(settings, each, plan.job), []).append(each)
    for digits, some in by_digits.items():
        money = replace(settings.money, digits=digits)
        shared = replace(settings, money=money, strategies=(), has_triggers=False, reads_bars=False)
        step, variants = evaluation(some, shared), light_variants(some, shared)
        evaluated = forecasts(f"forecasts_{digits}", scored, step=step)
        yield light_portfolios(f"light_{digits}", evaluated, variants=variants)


def run_variants(
    scored: KeyedStream[Batch], plan: Plan, table: InstrumentTable, partitions: tuple[str, ...]
) -> KeyedStream[Facts]:
    """Build all variants of a pass; return its rows."""
    assert plan.sweep is not None, "no sweep"
    job: Job = plan.job
    settings, strategies = (
        trade.desk_settings(job, table, partitions),
        declared.strategies(job, table),
    )
    at_desks = desk_reasons(plan, table)
    heavy = tuple(each for each in strategies if each.name in at_desks)
    light = tuple(each for each in strategies if each.name not in at_desks)
    streams: list[KeyedStream[Any]] = []
    streams += run_light(scored, light, settings, plan)
    if heavy:
        decided, made = run_desks(scored, heavy, settings, plan)
        streams.append(trade.merge_facts(decided, made, job, table) if plan.sweep.is_last else made)
    return op.merge("rows", *streams) if len(streams) > 1 else streams[0]


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of one pass of a sweep."""
    flow, job, table = Dataflow("sweep"), plan.job, instrument_table(plan.job)
    source = log_source(plan, progress, notify)
    scored = trade.score(op.input("log", flow, source), job, table)
    rows = run_variants(scored, plan, table, tuple(source.partitions))
    paths, info = results.result_paths(plan), results.run_info(plan)
    at_end = partial(results.ends_in_sink, plan, progress)
    op.output("results", rows, ResultsSink(paths, info, at_end=at_end))
    return flow


def finish(plan: Plan, *, ended: bool) -> str:
    """Write the tables of the sweep into its last pass, and complete that."""
    assert plan.sweep is not None, "no sweep"
    paths = results.result_paths(plan)
    if not ended and not plan.sweep.is_last:
        return "a sweep stores nothing before its last pass"
    if ended and plan.sweep.is_last and paths.work.exists():
        write_rows(paths.work, (plan.sweep.variants, plan.sweep.intervals))
    return results.finish(plan, ended=ended)


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield what is to be said before a pass, but for the last one."""
    if plan.sweep is None or plan.sweep.is_last:
        return
    yield from trade.start_notices(plan)
    by_reason: dict[str, list[str]] = {}
    for name, reason in desk_reasons(plan, instrument_table(plan.job)).items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"{describe_names(names)} at a desk of its own, which is slower: {reason}"


def describe_names(names: list[str]) -> str:
    """Return the names of variants as the subject of a line."""
    return f"{names[0]} runs" if len(names) == 1 else f"each of {len(names):,} variants runs"


def keep_unfinished(plan: Plan) -> str:
    """Keep what the last pass has written that failed; the others have written no facts."""
    is_last = plan.sweep is not None and plan.sweep.is_last
    return results.keep_unfinished(plan) if is_last else ""


def check_changes(plan: Plan) -> None:
    """Check nothing: a sweep has no state that could differ from its job."""


fixed_settings = trade.fixed_settings
fixed_rows, notified_rows = trade.fixed_rows, trade.notified_rows
open_outputs = results.open_outputs
