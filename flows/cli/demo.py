"""The demo: a made-up market of three venues, through an embedded Kafka, traded by two workers."""

import os
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.connectors.synthetic.market import Market, tapes
from tapeflow.flows.job import settings
from tapeflow.flows.run import engine, plan
from tapeflow.flows.run import log as logs
from tapeflow.flows.run import run as runs
from tapeflow.flows.run import topics as loading

Say = Callable[[str], None]
RATE = 1000.0  # records a second of market time: five minutes of it fit the embedded broker
FITS_S = 300  # market time that one partition of it holds at that rate


def run_demo(args: Namespace, job_file: Path, say: Say) -> None:
    """Make the market, load it, trade it."""
    job = settings.load(job_file)
    parts = -(-args.seconds // FITS_S)
    market = Market(seed=args.seed, seconds=args.seconds, rate=RATE, partitions_per_venue=parts)
    made = tapes(market)
    with EmbeddedBroker() as broker:
        kafka = job.kafka.model_copy(
            update={"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
        )
        job = job.model_copy(update={"kafka": kafka})
        for topic, partitions in {**loading.topics(made, job), **loading.fact_topics(job)}.items():
            broker.create_topic(topic, partitions)
        say(f"embedded Kafka at {broker.bootstrap}: producing {args.seconds} s of a made-up market")
        began = time.monotonic()
        loaded = loading.load(made, job, say)
        say(
            rate_of(
                "produced", sum(each.frames for each in loaded.values()), time.monotonic() - began
            )
        )
        wanted = plan.Plan(
            command="demo",
            log=logs.topics(job, say, tail=False),
            job=job,
            results=args.results,
            workers=args.workers,
            processes=args.processes,
            publish=job.kafka.publish,
        )
        began = time.monotonic()
        board = runs.run(wanted, engine.show_progress, say)
        say(rate_of("traded", board.records(), time.monotonic() - began))


def rate_of(done: str, records: int, seconds: float) -> str:
    """How many, how fast."""
    return f"{done} {records:,} records in {seconds:.1f} s, {records / seconds:,.0f}/s"


def next_commands(results: Path) -> str:
    """What to try with the results."""
    command = command_name()
    where = "" if results == Path("results.duckdb") else f" --results {results}"
    return f"""
next:
  {command} query "SELECT strategy, instrument, side, price, size FROM fills LIMIT 5"{where}
  {command} query "SELECT decision, reason, count(*) FROM decisions GROUP BY ALL"{where}
  {command} digest {results}"""


def command_name() -> str:
    """How to call us again from here."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m tapeflow"
    on_path = shutil.which(program.name)
    if on_path is not None and Path(on_path).resolve() == program.resolve():
        return program.name
    return os.path.relpath(program)
