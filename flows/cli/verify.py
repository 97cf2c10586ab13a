"""`tapeflow verify`: each fact topic in Kafka, without its duplicates, against its table.

topic fills   f1 f2 f2 f3   --by id-->  f1 f2 f3   --digest-->  = table fills ?
"""

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.notify import Notify

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job
    from tapeflow.schemas.registry import FactType


class TopicCheck(NamedTuple):
    """The result of comparing a fact topic with its table."""

    topic: str
    records: int  # in the topic
    facts: int  # with different ids
    conflicting: int  # records that have the id of another fact
    equal: bool  # to the table


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "verify",
        "Compare the fact topics in Kafka with the tables of the results.",
        "verify --results results.duckdb",
        run,
    )
    options.add_config(parser)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Print a line for each topic; fail if one differs from its table."""
    checks = check_topics(args.results, options.read_job(args), notify)
    if args.json:
        print(json.dumps([check._asdict() for check in checks]))
    else:
        print("\n".join(map(format_check, checks)))
    return 0 if all(check.equal for check in checks) else 1


def format_check(check: TopicCheck) -> str:
    """Return the line of a topic."""
    line = (
        f"{'ok  ' if check.equal else 'FAIL'} {check.topic}: {check.facts:,} facts, "
        f"{check.records - check.facts:,} duplicates dropped"
    )
    return line + (f", {check.conflicting:,} ids with two facts" if check.conflicting else "")


def check_topics(results: Path, job: "Job", notify: Notify) -> list[TopicCheck]:
    """Compare every fact topic with its table."""
    from tapeflow.connectors.duckdb.query import digests
    from tapeflow.schemas.registry import FACT_TYPES

    tables = digests(results)
    return [check_topic(fact, tables[fact.table], job, notify) for fact in FACT_TYPES]


def check_topic(fact: "FactType", expected: str, job: "Job", notify: Notify) -> TopicCheck:
    """Compare one fact topic with the digest of its table."""
    from tapeflow.connectors.duckdb.fact_digest import digest_of
    from tapeflow.connectors.kafka.facts import read_facts
    from tapeflow.schemas.registry import decode

    kafka, topic = job.kafka, job.kafka.fact_prefix + fact.topic
    values: dict[str, bytes] = {}  # by id
    records = conflicting = 0
    for identity, value in read_facts(kafka.bootstrap, topic, notify, kafka.client):
        records += 1
        conflicting += values.setdefault(identity, value) != value
    found = digest_of(fact, [decode(fact, value) for value in values.values()])
    equal = conflicting == 0 and found == expected
    return TopicCheck(topic, records, len(values), conflicting, equal)
