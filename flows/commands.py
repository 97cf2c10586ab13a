"""What each command does. What is slow to import is imported where it is needed."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import UsageError

if TYPE_CHECKING:
    from flows.settings import Job

DEFAULT_JOB = Path(__file__).parents[1] / "jobs" / "demo.toml"


def say(line: str) -> None:
    """A message beside the output."""
    print(f"tapeflow: {line}", file=sys.stderr, flush=True)


def job_of(args: Namespace) -> "Job":
    """The job that the options name."""
    from flows import settings  # noqa: PLC0415

    job = settings.load(args.config or settings.config_path() or DEFAULT_JOB)
    if args.bootstrap:
        kafka = job.kafka.model_copy(update={"bootstrap": args.bootstrap})
        job = job.model_copy(update={"kafka": kafka})
    return job


def replay(args: Namespace) -> int:
    """Tapes, or topics, to their end."""
    from flows import engine, logs, plan, runs  # noqa: PLC0415

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
    runs.run(wanted, engine.on_terminal, say)
    return summarise(args)


def run(args: Namespace) -> int:
    """Topics, until stopped."""
    from flows import engine, logs, plan, runs  # noqa: PLC0415

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
        keep_time=args.keep_time,
    )
    runs.run(wanted, engine.on_terminal, say)
    return summarise(args)


def load(args: Namespace) -> int:
    """Tapes into topics."""
    from flows import loading, logs  # noqa: PLC0415

    job = job_of(args)
    opens = logs.opens(logs.tapes(args.tapes, job), job, say)
    log = {name: loading.pages_of(opened) for name, opened in opens.items()}
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
    from flows import demo as market  # noqa: PLC0415

    market.play(args, DEFAULT_JOB, say)
    code = summarise(args)
    if not args.json:
        print(market.next_commands(args.results))
    return code


def summarise(args: Namespace) -> int:
    """What came of a run."""
    from flows import summary  # noqa: PLC0415

    told = summary.of(args.results)
    print(json.dumps(told) if args.json else summary.text(told))
    return 0


def query(args: Namespace) -> int:
    """SQL over the results."""
    from connectors import duckdb_query  # noqa: PLC0415
    from flows import tables  # noqa: PLC0415

    answer = duckdb_query.ask(args.results, args.sql)
    if answer.names:
        sys.stdout.write(tables.FORMATS[args.format](answer))
    return 0


def digest(args: Namespace) -> int:
    """The digest of all facts."""
    from connectors import duckdb_query  # noqa: PLC0415

    tables = duckdb_query.digests(args.results)
    total = duckdb_query.digest(tables)
    print(json.dumps({"digest": total, "tables": tables}, indent=2) if args.json else total)
    return 0


def verify(args: Namespace) -> int:
    """Topics against tables."""
    from flows import verifying  # noqa: PLC0415

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
                + (f", {verdict.torn:,} ids with two facts" if verdict.torn else "")
            )
    return 0 if all(verdict.equal for verdict in verdicts) else 1


def doctor(args: Namespace) -> int:
    """Is everything in place?"""
    from flows import health  # noqa: PLC0415

    findings = health.look(args)
    if args.json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'FAIL'} {finding.what}: {finding.found}")
    return 0 if all(finding.good for finding in findings) else 1
