"""Do the topics tell the same as the tables? Each topic, its doubles dropped, against its table.

topic fills   f1 f2 f2 f3   --by id-->  f1 f2 f3   --digest-->  = table fills ?
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tapeflow.connectors.duckdb.query import digest_of, digests
from tapeflow.connectors.kafka.facts import read_facts
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.registry import FACT_TYPES, FactType, decode


class TopicCheck(NamedTuple):
    """What was found of one kind of fact."""

    topic: str
    records: int  # in the topic
    facts: int  # different ones
    conflicting: int  # ids under which the topic holds two different facts
    equal: bool  # to the table


def verify(results: Path, job: Job, say: Callable[[str], None]) -> list[TopicCheck]:
    """Compare every topic with its table."""
    tables = digests(results)
    return [verdict_on(topic, tables[topic.table], job, say) for topic in FACT_TYPES]


def verdict_on(topic: FactType, expected: str, job: Job, say: Callable[[str], None]) -> TopicCheck:
    """Compare one topic with the digest of its table."""
    name, kafka = job.kafka.facts + topic.topic, job.kafka
    seen: dict[str, bytes] = {}
    records = conflicting = 0
    for identity, value in read_facts(kafka.bootstrap, name, say, kafka.client):
        records += 1
        conflicting += seen.setdefault(identity, value) != value
    found = digest_of(topic, [decode(topic, value) for value in seen.values()])
    return TopicCheck(name, records, len(seen), conflicting, conflicting == 0 and found == expected)
