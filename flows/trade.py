"""From raw frames to fills.

    pages ─▶ decode ─▶ dedupe ─▶ bars ─▶ normalise ─▶ signals ─┬─▶ by_account ─▶ trade ─┐
                                                               ├─▶ told ────────────────┼─▶ facts
                                                               └─▶ tally ───────────────┘

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
from tapeflow.operators import dedupe as dedupe_step
from tapeflow.operators import quality as tally_step
from tapeflow.operators.bars import step as bar_step
from tapeflow.operators.bars.step import bars
from tapeflow.operators.batch_facts import facts
from tapeflow.operators.decode.step import decode
from tapeflow.operators.dedupe import dedupe
from tapeflow.operators.desk import state as desk_state
from tapeflow.operators.desk.step import to_accounts, trade
from tapeflow.operators.features import normalise as normalise_step
from tapeflow.operators.features.normalise import normalise
from tapeflow.operators.quality import tally
from tapeflow.operators.records import records
from tapeflow.operators.strategies import step as signal_step
from tapeflow.operators.strategies.step import signals
from tapeflow.schemas.batches import Facts, Page

STATE_VERSIONS = {  # step id -> version of what it keeps: both are schema
    "trade.log": log_source.STATE_VERSION,
    "trade.dedupe.seen": dedupe_step.STATE_VERSION,
    "trade.bars.open": bar_step.STATE_VERSION,
    "trade.normalise.window": normalise_step.STATE_VERSION,
    "trade.signals.asked": signal_step.STATE_VERSION,
    "trade.trade.desk": desk_state.STATE_VERSION,
    "trade.tally.minute": tally_step.STATE_VERSION,
}


def graph(pages: KeyedStream[Page], job: Job, partitions: Iterable[str]) -> KeyedStream[Facts]:
    """All steps from pages to facts; no doors are opened here."""
    table = jobs.instruments(job)
    names = tuple(each.id for each in table)
    desks = jobs.desks(job, table, partitions)

    ticks = decode("decode", pages, decoders=jobs.decoders(job, table))
    unique = dedupe("dedupe", ticks, memory=job.dedupe.memory)
    barred = bars(
        "bars",
        unique,
        width_ns=job.bars.width,
        lateness_ns=job.bars.lateness,
        instruments=len(names),
    )
    scored = normalise("normalise", barred, window=job.normalise.window, instruments=len(names))
    signalled = signals("signals", scored, strategies=jobs.strategies(job, table), names=names)

    by_desk = to_accounts("by_account", signalled, accounts=tuple(desks))
    traded = trade("trade", by_desk, desks=desks)
    told = facts("told", signalled, instruments=names)
    counted = tally("tally", signalled, instruments=names)
    return op.merge("facts", told, traded, counted)


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
