"""From raw frames to fills.

    pages ─▶ decode ─▶ dedupe ─▶ bars ─▶ normalise ─▶ signals ─┬─▶ by_account ─▶ trade ─┐
                                                               ├─▶ told ────────────────┼─▶ facts
                                                               └─▶ tally ───────────────┘

The facts go to DuckDB, and to Kafka where the log came from there.
"""

from collections.abc import Iterable
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream
from msgspec import Struct

from connectors.board import Board
from connectors.duckdb_results import ResultsSink, Run, owner_of
from connectors.kafka_sink import KafkaSink
from connectors.log_source import LogSource, Open
from connectors.pace import Pace
from connectors.state_keys import state_keys
from flows import job as jobs
from flows.settings import Job
from operators.bars import bars
from operators.decode import decode
from operators.dedupe import dedupe
from operators.desk import by_account, trade
from operators.facts import facts
from operators.normalise import normalise
from operators.records import records
from operators.signals import signals
from operators.tally import tally
from schemas.pages import Page


def graph(pages: KeyedStream[Page], job: Job, partitions: Iterable[str]) -> Stream[Struct]:
    """All steps from pages to facts; no doors are opened here."""
    table = jobs.instruments(job)
    names = tuple(each.id for each in table)
    desks = jobs.desks(job, table, partitions)

    ticks = decode("decode", pages, decoders=jobs.decoders(job, table))
    unique = dedupe("dedupe", ticks, memory=job.dedupe.memory)
    barred = bars(
        "bars", unique, width_ns=job.bars.width, lateness_ns=job.bars.lateness, instruments=names
    )
    scored = normalise("normalise", barred, window=job.normalise.window)
    signalled = signals("signals", scored, strategies=jobs.strategies(job, table))

    by_desk = by_account("by_account", signalled, accounts=tuple(desks))
    traded = trade("trade", by_desk, desks=desks)
    told = facts("told", signalled, instruments=names)
    counted = tally("tally", signalled, instruments=names)
    return op.merge("facts", told, op.key_rm("traded", traded), op.key_rm("counted", counted))


class Doors(Struct, frozen=True):
    """Where a run reads and writes."""

    log: dict[str, Open]  # by partition
    board: Board
    pace: Pace | None
    results: Path
    run: Run
    publish: bool  # the facts to Kafka too


def build(job: Job, doors: Doors) -> Dataflow:
    """The whole flow, with doors at both ends."""
    flow = Dataflow("trade")
    source = LogSource(doors.log, state_keys(doors.log), doors.board, doors.pace)
    pages = op.input("log", flow, source)
    done = graph(pages, job, doors.log)
    by_owner = op.key_on("by_owner", done, owner_of)
    op.output("results", by_owner, ResultsSink(doors.results, doors.run))
    if doors.publish:
        op.output(
            "topics",
            records("records", done, prefix=job.kafka.facts),
            KafkaSink(job.kafka.bootstrap),
        )
    return flow
