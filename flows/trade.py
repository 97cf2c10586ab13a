"""From raw frames to fills.

    pages ─▶ decode ─▶ dedupe ─▶ judge ─▶ bars ─▶ settle ─▶ (other bars) ─┐
              ┌───────────────────────────────────────────────────────────┘
              └─▶ normalise ─▶ (features) ─▶ signals ─┐
              ┌───────────────────────────────────────┘
              ├─▶ to_desk ─▶ desk ─────┬─▶ orders ─▶ Kafka
              ├─▶ batch_facts ─────────┼─▶ facts ─▶ DuckDB, Kafka
              ├─▶ quality ─────────────┤
              └─▶ unlisted ────────────┘

The facts go to DuckDB, and to Kafka where the log came from there: the orders first, on an output
of their own.
"""

from collections.abc import Iterable
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from msgspec.structs import replace

from tapeflow.connectors.duckdb.file import check_replaceable
from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import LogSource
from tapeflow.engine.compiled import check_indices
from tapeflow.engine.recovery import read_snapshot
from tapeflow.flows.job import bar_steps, changes, declared, portfolio, wiring
from tapeflow.flows.job.features import compute_features
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run import environment, notices, results
from tapeflow.flows.run.environment import plan_from_environment
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.signals import stop_on_signals
from tapeflow.flows.run.source import log_source
from tapeflow.operators.bars.other_bars import OtherBars, other_bars
from tapeflow.operators.bars.step import TimeBars, bars
from tapeflow.operators.batch_facts import batch_facts
from tapeflow.operators.decode.step import decode
from tapeflow.operators.dedupe.step import Dedupe, dedupe
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.snapshot import check_snapshot
from tapeflow.operators.desk.step import PORTFOLIO, Desk, desk, to_desk
from tapeflow.operators.features.normalise import Normalise, normalise
from tapeflow.operators.features.step import ComputeFeatures, features
from tapeflow.operators.quality.step import CountQuality, quality
from tapeflow.operators.records import order_records, records
from tapeflow.operators.sequence.judge import JudgeTrades, judge
from tapeflow.operators.sequence.settle import SettleGaps, settle
from tapeflow.operators.strategies.step import EvaluateStrategies, signals
from tapeflow.operators.unlisted import CountUnlisted, count_unlisted
from tapeflow.schemas.batches import Batch, Facts, Page
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.notify import Notify

STATE_VERSIONS = {  # by step id; both are schema. A test compares them with the flow itself
    "trade.log": LogSource.VERSION,
    "trade.dedupe.state": Dedupe.VERSION,
    "trade.judge.state": JudgeTrades.VERSION,
    "trade.bars.state": TimeBars.VERSION,
    "trade.settle.state": SettleGaps.VERSION,
    "trade.other_bars.state": OtherBars.VERSION,
    "trade.normalise.state": Normalise.VERSION,
    "trade.features.state": ComputeFeatures.VERSION,
    "trade.signals.state": EvaluateStrategies.VERSION,
    "trade.desk.state": Desk.VERSION,
    "trade.quality.state": CountQuality.VERSION,
    "trade.unlisted.state": CountUnlisted.VERSION,
    "trade.results": ResultsSink.VERSION,
}
OPTIONAL_STEPS = {
    "trade.other_bars.state",
    "trade.features.state",
}  # only in the flow of a job that needs them
MERGES_PARTITIONS = True  # the desk processes only what is below the horizon of all partitions
END_IS_FINAL = True  # the end closes the last bars: records added later could not join them


def decide(pages: KeyedStream[Page], job: Job, table: InstrumentTable) -> KeyedStream[Batch]:
    """Build the steps from pages to decided batches; nothing is opened here."""
    in_columns = declared.in_columns(declared.strategies(job, table))
    scored = score(pages, job, table)
    return signals("signals", scored, strategies=in_columns, instruments=table)


def score(pages: KeyedStream[Page], job: Job, table: InstrumentTable) -> KeyedStream[Batch]:
    """Build the steps from pages to batches with bars, their scores and features."""
    decoders, keys = wiring.decoders(job, table), job.control.public_keys()
    ticks = decode("decode", pages, decoders=decoders, keys=keys)
    ids, strategies = table.ids, declared.strategies(job, table)
    unique = dedupe("dedupe", ticks, step=bar_steps.dedupe(job, table), instruments=ids)
    judged = judge("judge", unique, step=bar_steps.judge_trades(job, table), instruments=ids)
    with_bars = bars("bars", judged, step=bar_steps.time_bars(job, table), instruments=ids)
    settled = settle("settle", with_bars, step=SettleGaps(job.bars.width), instruments=ids)
    other = bar_steps.other_bars(job, table, strategies)
    if other is not None:
        settled = other_bars("other_bars", settled, step=other, instruments=ids)
    scored = normalise("normalise", settled, step=bar_steps.score_bars(job, table), instruments=ids)
    needed = compute_features(job, table, strategies)
    return scored if needed is None else features("features", scored, step=needed)


def desk_settings(job: Job, table: InstrumentTable, partitions: Iterable[str]) -> DeskSettings:
    """Return the settings of a desk that refuses what no strategy of the job trades."""
    settings = portfolio.desk_settings(job, table, partitions)
    return replace(settings, traded=portfolio.trading_instruments(job, table))


def trade(
    decided: KeyedStream[Batch], job: Job, table: InstrumentTable, partitions: Iterable[str]
) -> KeyedStream[Facts]:
    """Build the desk of all accounts over the batches of all partitions."""
    settings = desk_settings(job, table, partitions)
    return desk("desk", to_desk("to_desk", decided, settings=settings), settings=settings)


def merge_facts(
    decided: KeyedStream[Batch], account_facts: KeyedStream[Facts], job: Job, table: InstrumentTable
) -> KeyedStream[Facts]:
    """Build the branches beside the desk; return its facts and theirs."""
    partition_facts = batch_facts("batch_facts", decided, instruments=table.ids)
    called = declared.in_merge(declared.strategies(job, table))
    counter = CountQuality(table.ids, wiring.channels(job), counts_signals=not called)
    counts = quality("quality", decided, counter=counter)
    symbols = count_unlisted("unlisted", decided)
    return op.merge("facts", partition_facts, account_facts, counts, symbols)


def dataflow(plan: Plan, progress: Progress, notify: Notify) -> Dataflow:
    """Build the flow of a plan; its source and sinks open when the engine starts them.

    The engine runs operators in the order in which they are built: orders go before all else that
    follows from the same ticks.
    """
    flow, job, table = Dataflow("trade"), plan.job, instrument_table(plan.job)
    live = bool(live_partitions(plan.log))
    source = log_source(plan, progress, notify)

    pages = op.input("log", flow, source)
    decided = decide(pages, job, table)
    account_facts = trade(decided, job, table, source.partitions)
    if plan.publish:
        from tapeflow.connectors.kafka.sink import LOW_LATENCY, KafkaSink  # noqa: PLC0415  # slow

        client = {**(LOW_LATENCY if live else {}), **job.kafka.client}
        topics = KafkaSink(job.kafka.bootstrap, client)
        orders = order_records("order_records", account_facts, prefix=job.kafka.fact_prefix)
        op.output("orders", orders, topics)
    facts = merge_facts(decided, account_facts, job, table)
    paths, info = results.result_paths(plan), results.run_info(plan)
    at_end = partial(results.ends_in_sink, plan, progress)
    op.output("results", facts, ResultsSink(paths, info, live=live, at_end=at_end))
    if plan.publish:
        others = records("records", facts, prefix=job.kafka.fact_prefix, instruments=table.ids)
        op.output("topics", others, topics)
    return flow


def flow() -> Dataflow:
    """Build the flow for `python -m bytewax.run flows.trade:flow`, from TAPEFLOW_* variables."""
    stop_on_signals()
    environment.report_errors()
    plan = plan_from_environment("trade")
    if plan.checked:
        check_indices()
    check_replaceable(plan.results)
    for line in notices.start_notices(plan):
        environment.notify(line)
    progress = Progress(tuple(plan.log), plan.job.source.max_lead, plan.progress_file)
    environment.watch_start(progress)
    return dataflow(plan, progress, environment.notify)


def check_changes(plan: Plan) -> None:
    """Check that a changed job still trades what its state holds.

    Raises TapeflowError where it does not: nothing would close that.
    """
    assert plan.state is not None, "no state, no changes"
    resumed = read_snapshot(plan.state / "recovery", "trade.desk.state", PORTFOLIO)
    if resumed is not None:
        table = instrument_table(plan.job)
        check_snapshot(resumed[1], desk_settings(plan.job, table, tuple(plan.log)))


fixed_settings = changes.fixed_settings
fixed_rows, notified_rows = changes.fixed_rows, changes.notified_rows
open_outputs, finish = results.open_outputs, results.finish
keep_unfinished, start_notices = results.keep_unfinished, notices.start_notices
