"""Creates topics, and writes pages into raw topics as a recorder would have written them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tapeflow.connectors.kafka.facts import missing_topics
from tapeflow.connectors.kafka.loader import Loader, create_topics
from tapeflow.connectors.source.source import ReaderFactory
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.batches import Page
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.registry import FACT_TYPES
from tapeflow.schemas.venues import venue_of


class Loaded(NamedTuple):
    """Counts of what was written of one partition."""

    frames: int
    records: int  # fewer than frames where they are packed


def kafka_partitions(partitions: Iterable[str], job: Job) -> dict[str, tuple[str, int]]:
    """Return topic and partition number of each partition of the log, by its name."""
    return {
        name: (job.kafka.raw_prefix + venue_of(name), int(name.rpartition("-")[2]))
        for name in partitions
    }


def partition_counts(partitions: Iterable[str], job: Job) -> dict[str, int]:
    """Return how many partitions each raw topic needs, by topic."""
    counts: dict[str, int] = {}
    for topic, number in kafka_partitions(partitions, job).values():
        counts[topic] = max(counts.get(topic, 0), number + 1)
    return counts


def create_raw_topics(partitions: Iterable[str], job: Job, notify: Notify) -> None:
    """Create the raw topics that do not exist yet."""
    kafka, counts = job.kafka, partition_counts(partitions, job)
    missing = missing_topics(
        kafka.bootstrap, counts, kafka.connect_timeout / 1e9, notify, kafka.client
    )
    if not missing:
        return
    wanted = {name: counts[name] for name in missing}
    for topic in create_topics(kafka.bootstrap, wanted, client=kafka.client):
        notify(f"created topic {topic}")


def fact_topics(job: Job) -> dict[str, int]:
    """Return the topics of facts with their number of partitions: one, so that each is ordered."""
    return {job.kafka.fact_prefix + topic.topic: 1 for topic in FACT_TYPES}


def create_fact_topics(job: Job, notify: Notify) -> None:
    """Create the topics of facts that do not exist yet."""
    kafka = job.kafka
    wanted = fact_topics(job)
    missing = missing_topics(
        kafka.bootstrap, wanted, kafka.connect_timeout / 1e9, notify, kafka.client
    )
    if missing:
        create_topics(
            kafka.bootstrap, {name: wanted[name] for name in missing}, client=kafka.client
        )
        notify(f"created the topics {', '.join(missing)}")


def load_pages(
    log: Mapping[str, Iterable[Page]],
    job: Job,
    notify: Notify,
    *,
    append: bool = False,
    pack: bool = False,
) -> dict[str, Loaded]:
    """Write the pages of each partition into its raw topic; return how much was written.

    `append` writes to topics that hold records, `pack` puts many frames into a record.

    Raises TapeflowError where a topic holds records already, or Kafka does not take them all.
    """
    kafka = job.kafka
    loader = Loader(
        kafka.bootstrap,
        kafka_partitions(log, job),
        notify,
        kafka.connect_timeout / 1e9,
        append=append,
        client=kafka.client,
        pack=pack,
    )
    for pages in log.values():
        for page in pages:
            loader.write(page)
    loader.finish()
    return {name: Loaded(loader.frames[name], loader.records[name]) for name in log}


def read_pages(open_reader: ReaderFactory) -> Iterator[Page]:
    """Read a partition from its beginning to its end."""
    reader = open_reader(None)
    while (page := reader.read()) is not None:
        yield page
    reader.close()
