"""Do the topics tell the same as the tables? Each topic, its doubles dropped, against its table.

topic fills   f1 f2 f2 f3   --by id-->  f1 f2 f3   --digest-->  = table fills ?
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.duckdb_query import digest_of, digests
from connectors.kafka_facts import read_facts
from flows.settings import Job
from schemas.topics import TOPICS, Topic, decode


class Verdict(NamedTuple):
    """What was found of one kind of fact."""

    topic: str
    records: int  # in the topic
    facts: int  # different ones
    torn: int  # ids under which the topic holds two different facts
    equal: bool  # to the table


def verify(results: Path, job: Job, say: Callable[[str], None]) -> list[Verdict]:
    """Compare every topic with its table."""
    tables = digests(results)
    return [verdict_on(topic, tables[topic.table], job, say) for topic in TOPICS]


def verdict_on(topic: Topic, expected: str, job: Job, say: Callable[[str], None]) -> Verdict:
    """Compare one topic with the digest of its table."""
    name, kafka = job.kafka.facts + topic.name, job.kafka
    seen: dict[str, bytes] = {}
    records = torn = 0
    for identity, value in read_facts(kafka.bootstrap, name, say, kafka.client):
        records += 1
        torn += seen.setdefault(identity, value) != value
    found = digest_of(topic, [decode(topic, value) for value in seen.values()])
    return Verdict(name, records, len(seen), torn, torn == 0 and found == expected)
