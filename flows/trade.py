"""From raw frames to fills.

    pages ─▶ decode ─▶ dedupe ─▶ bars ─▶ normalise ─▶ signals ─┬─▶ to_accounts ─▶ desk ─┐
                                                               ├─▶ batch_facts ─────────┼─▶ facts
                                                               └─▶ quality ─────────────┘

The facts go to DuckDB, and to Kafka where the log came from there.
"""

from collections.abc import Iterable

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.kafka.sink import KafkaSink
from tapeflow.connectors.source import source as log_source
from tapeflow.connectors.source.source import LogSource
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.settings import Job
from tapeflow.operators.bars.step import TimeBars, bars
from tapeflow.operators.batch_facts import batch_facts
from tapeflow.operators.decode.step import decode
from tapeflow.operators.dedupe import Dedupe, dedupe
from tapeflow.operators.desk.step import Desk, desk, to_accounts
from tapeflow.operators.features.normalise import Normalise, normalise
from tapeflow.operators.quality import CountQuality, quality
from tapeflow.operators.records import records
from tapeflow.operators.strategies.step import EvaluateStrategies, signals
from tapeflow.schemas.batches import Facts, Page

STATE_VERSIONS = {  # by step id; both are schema. A test holds them against the flow itself
    "trade.log": log_source.STATE_VERSION,
    "trade.dedupe.state": Dedupe.VERSION,
    "trade.bars.state": TimeBars.VERSION,
    "trade.normalise.state": Normalise.VERSION,
    "trade.signals.state": EvaluateStrategies.VERSION,
    "trade.desk.state": Desk.VERSION,
    "trade.quality.state": CountQuality.VERSION,
}


def graph(pages: KeyedStream[Page], job: Job, partitions: Iterable[str]) -> KeyedStream[Facts]:
    """Build all steps from pages to facts; nothing is opened here."""
    table = jobs.instruments(job)
    ids = tuple(each.id for each in table)
    accounts = jobs.accounts_of(job, table, partitions)

    ticks = decode("decode", pages, decoders=jobs.decoders(job, table))
    unique = dedupe("dedupe", ticks, window=job.dedupe.memory)
    with_bars = bars(
        "bars",
        unique,
        width_ns=job.bars.width,
        lateness_ns=job.bars.lateness,
        instruments=len(ids),
    )
    scored = normalise("normalise", with_bars, window=job.normalise.window, instruments=len(ids))
    strategies = jobs.strategies(job, table)
    decided = signals("signals", scored, strategies=strategies, instruments=ids)

    account_batches = to_accounts("to_accounts", decided, accounts=tuple(accounts))
    account_facts = desk("desk", account_batches, accounts=accounts)
    partition_facts = batch_facts("batch_facts", decided, instruments=ids)
    counts = quality("quality", decided, instruments=ids)
    return op.merge("facts", partition_facts, account_facts, counts)


def build(job: Job, source: LogSource, results: ResultsSink, topics: KafkaSink | None) -> Dataflow:
    """The whole flow, between its doors."""
    flow = Dataflow("trade")
    pages = op.input("log", flow, source)
    done = graph(pages, job, source.partitions)
    op.output("results", done, results)
    if topics is not None:
        names = tuple(each.id for each in jobs.instruments(job))
        told = records("records", done, prefix=job.kafka.facts, instruments=names)
        op.output("topics", told, topics)
    return flow


def flow() -> Dataflow:
    """The flow for `python -m bytewax.run flows.trade:flow`, told by TAPEFLOW_* variables."""
    from tapeflow.flows.run import environment as from_environment  # noqa: PLC0415  # it stands above us

    return from_environment.flow()
