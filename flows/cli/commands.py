"""What each command does. What is slow to import is imported where it is needed."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tapeflow.schemas.errors import UsageError

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job

DEFAULT_JOB = Path(__file__).parents[2] / "jobs" / "demo.toml"


def say(line: str) -> None:
    """A message beside the output."""
    print(f"tapeflow: {line}", file=sys.stderr, flush=True)


def job_of(args: Namespace) -> "Job":
    """The job that the options name."""
    from tapeflow.flows.job import settings  # noqa: PLC0415

    job = settings.load(args.config or settings.config_path() or DEFAULT_JOB)
    if args.bootstrap:
        kafka = job.kafka.model_copy(update={"bootstrap": args.bootstrap})
        job = job.model_copy(update={"kafka": kafka})
    return job


def replay(args: Namespace) -> int:
    """Tapes, or topics, to their end."""
    from tapeflow.flows.run import engine, plan  # noqa: PLC0415
    from tapeflow.flows.run import log as logs  # noqa: PLC0415
    from tapeflow.flows.run import run as runs  # noqa: PLC0415

    if bool(args.tapes) == args.from_topics:
        raise UsageError("replay what? name tapes, or say --from-topics")
    job = job_of(args)
    log = logs.topics(job, say, tail=False) if args.from_topics else logs.tapes(args.tapes, job)
    wanted = plan.Plan(
        command="replay",
        log=log,
        job=job,
        results=args.results,
        workers=args.workers,
        processes=args.processes,
        state=args.state,
        publish=args.publish,
        speed=args.speed,
    )
    runs.run(wanted, engine.show_progress, say)
    return summarise(args)


def run(args: Namespace) -> int:
    """Topics, until stopped."""
    from tapeflow.flows.run import engine, plan  # noqa: PLC0415
    from tapeflow.flows.run import log as logs  # noqa: PLC0415
    from tapeflow.flows.run import run as runs  # noqa: PLC0415

    job = job_of(args)
    wanted = plan.Plan(
        command="run",
        log=logs.topics(job, say, tail=True),
        job=job,
        results=args.results,
        workers=args.workers,
        processes=args.processes,
        supervised=True,
        state=args.state or Path(f"{args.results}.state"),
        publish=job.kafka.publish,
        heartbeats=args.heartbeats,
    )
    runs.run(wanted, engine.show_progress, say)
    return summarise(args)


def load(args: Namespace) -> int:
    """Tapes into topics."""
    from tapeflow.flows.run import log as logs  # noqa: PLC0415
    from tapeflow.flows.run import topics as loading  # noqa: PLC0415

    job = job_of(args)
    reader_factories = logs.reader_factories(logs.tapes(args.tapes, job), job, say)
    log = {name: loading.pages_of(opened) for name, opened in reader_factories.items()}
    loading.create(log, job, say)
    loaded = loading.load(log, job, say, append=args.append, pack=args.pack)
    if args.json:
        print(json.dumps({partition: told._asdict() for partition, told in loaded.items()}))
    else:
        for partition, told in loaded.items():
            frames = f"{told.frames:,} frames in " if args.pack else ""
            print(f"{job.kafka.raw}{partition}: {frames}{told.records:,} records")
    return 0


def demo(args: Namespace) -> int:
    """Everything at once, on a made-up market."""
    from tapeflow.flows.cli import demo as market  # noqa: PLC0415

    market.run_demo(args, DEFAULT_JOB, say)
    code = summarise(args)
    if not args.json:
        print(market.next_commands(args.results))
    return code


def summarise(args: Namespace) -> int:
    """What came of a run."""
    from tapeflow.flows.cli import summary  # noqa: PLC0415

    told = summary.of(args.results)
    print(json.dumps(told) if args.json else summary.text(told))
    return 0


def query(args: Namespace) -> int:
    """SQL over the results."""
    from tapeflow.connectors.duckdb import query as duckdb_query  # noqa: PLC0415
    from tapeflow.flows.cli import format as tables  # noqa: PLC0415

    answer = duckdb_query.query(args.results, args.sql)
    if answer.names:
        sys.stdout.write(tables.FORMATS[args.format](answer))
    return 0


def digest(args: Namespace) -> int:
    """The digest of all facts."""
    from tapeflow.connectors.duckdb import query as duckdb_query  # noqa: PLC0415

    tables = duckdb_query.digests(args.results)
    total = duckdb_query.digest(tables)
    print(json.dumps({"digest": total, "tables": tables}, indent=2) if args.json else total)
    return 0


def verify(args: Namespace) -> int:
    """Topics against tables."""
    from tapeflow.flows.cli import verify as verifying  # noqa: PLC0415

    if not args.topics:
        raise UsageError("verify what? say --topics")
    verdicts = verifying.verify(args.results, job_of(args), say)
    if args.json:
        print(json.dumps([verdict._asdict() for verdict in verdicts]))
    else:
        for verdict in verdicts:
            doubles = verdict.records - verdict.facts
            print(
                f"{'ok  ' if verdict.equal else 'FAIL'} {verdict.topic}: {verdict.facts:,} facts, "
                f"{doubles:,} doubles dropped"
                + (f", {verdict.conflicting:,} ids with two facts" if verdict.conflicting else "")
            )
    return 0 if all(verdict.equal for verdict in verdicts) else 1


def doctor(args: Namespace) -> int:
    """Is everything in place?"""
    from tapeflow.flows.cli import doctor as health  # noqa: PLC0415

    findings = health.run_checks(args)
    if args.json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'FAIL'} {finding.what}: {finding.found}")
    return 0 if all(finding.good for finding in findings) else 1
