"""`tapeflow demo`: a synthetic market of three venues, through an embedded Kafka, traded on paper.

synthetic market ──load──▶ embedded Kafka ──replay──▶ results.duckdb, fact topics
"""

import os
import shutil
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress
from tapeflow.schemas.errors import UsageError

if TYPE_CHECKING:
    from tapeflow.connectors.kafka.embedded import EmbeddedBroker
    from tapeflow.flows.job.settings import Job

RATE = 1000.0  # records a second of market time: five minutes of it fit the embedded broker
PARTITION_S = 300  # seconds of the market that fit one partition of it at that rate


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "demo",
        "Trade a synthetic market through an embedded Kafka and print a summary.",
        "demo --seconds 300",
        run,
    )
    parser.add_argument(
        "--config",
        type=options.path,
        metavar="FILE",
        help="job file in TOML, such as jobs/brackets.toml (default: the demo's job)",
    )
    parser.add_argument(
        "--seconds",
        type=options.positive,
        default=300,
        metavar="N",
        help="length of the market in seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=options.natural,
        default=7,
        metavar="N",
        help="each seed is another market (default: %(default)s)",
    )
    parser.add_argument(
        "--tapes",
        type=options.path,
        metavar="DIR",
        help="write the market as tapes too, for replay and explain",
    )
    options.add_shape(parser, workers=2)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Make the market, load it, trade it, and print a summary."""
    from tapeflow.connectors.kafka.embedded import EmbeddedBroker
    from tapeflow.flows.cli import summary

    with EmbeddedBroker() as broker:
        job = job_at(broker, args.config or options.DEFAULT_JOB)
        load_market(args, job, broker)
        trade(args, job)
    code = summary.print_summary(args)
    if not args.json:
        print(next_commands(args.results))
    return code


def job_at(broker: "EmbeddedBroker", path: Path) -> "Job":
    """Return the job of a file, reading from this broker."""
    from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
    from tapeflow.flows.job import settings

    job = settings.load(path)
    there = {"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
    return job.model_copy(update={"kafka": job.kafka.model_copy(update=there)})


def load_market(args: Namespace, job: "Job", broker: "EmbeddedBroker") -> None:
    """Write the market into raw topics."""
    from tapeflow.connectors.synthetic.market import Market, tapes, write_tapes
    from tapeflow.flows.run import topics

    made_up = Market(
        seed=args.seed,
        seconds=args.seconds,
        rate=RATE,
        partitions_per_venue=-(-args.seconds // PARTITION_S),
    )
    if args.tapes is not None:
        check_is_free(args.tapes)
        write_tapes(made_up, args.tapes)
    market = tapes(made_up)
    for topic, partitions in {
        **topics.partition_counts(market, job),
        **topics.fact_topics(job),
    }.items():
        broker.create_topic(topic, partitions)
    notify(f"embedded Kafka at {broker.bootstrap}: loading {args.seconds} s of a synthetic market")
    began = time.monotonic()
    loaded = topics.load_pages(market, job, notify)
    notify_rate("loaded", sum(each.frames for each in loaded.values()), time.monotonic() - began)


def check_is_free(folder: Path) -> None:
    """Raise UsageError where a folder has files: tapes of its own are not written over."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--tapes {folder} is not empty: name a new folder")


def trade(args: Namespace, job: "Job") -> None:
    """Replay the raw topics to their ends."""
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.raw_topics import find_topics
    from tapeflow.flows.run.run import run_plan

    plan = Plan(
        command="demo",
        log=find_topics(job, notify, tail=False),
        job=job,
        results=args.results,
        workers=args.workers,
        processes=args.processes,
        checked=args.checked,
        publish=job.kafka.publish,
    )
    began = time.monotonic()
    progress = run_plan(plan, show_progress, notify)
    compiling_s = progress.compiling_s()
    if compiling_s >= 1:
        notify(f"compiled kernels in {compiling_s:.1f} s, once")
    notify_rate("traded", progress.records(), time.monotonic() - began - compiling_s)


def notify_rate(verb: str, records: int, seconds: float) -> None:
    """Write how many records were processed, and how fast."""
    notify(f"{verb} {records:,} records in {seconds:.1f} s, {records / seconds:,.0f}/s")


def next_commands(results: Path) -> str:
    """Return commands to try on the results."""
    command = command_name()
    where = "" if results == options.RESULTS else f" --results {results}"
    return f"""
next:
  {command} query "SELECT strategy, instrument, side, price, size FROM fills LIMIT 5"{where}
  {command} query "SELECT decision, reason, count(*) FROM decisions GROUP BY ALL"{where}
  {command} digest {results}"""


def command_name() -> str:
    """Return how to call this program again from here."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m tapeflow"
    on_path = shutil.which(program.name)
    if on_path is not None and Path(on_path).resolve() == program.resolve():
        return program.name
    return os.path.relpath(program)
