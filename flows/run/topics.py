"""Pages into raw topics: the log as capture would have left it."""

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
    """What was written of a partition; every frame is a record, or they are packed."""

    frames: int
    records: int


def places(partitions: Iterable[str], job: Job) -> dict[str, tuple[str, int]]:
    """Topic and number of each partition."""
    return {
        name: (job.kafka.raw_prefix + venue_of(name), int(name.rpartition("-")[2]))
        for name in partitions
    }


def topics(partitions: Iterable[str], job: Job) -> dict[str, int]:
    """How many partitions each topic needs."""
    wanted: dict[str, int] = {}
    for topic, number in places(partitions, job).values():
        wanted[topic] = max(wanted.get(topic, 0), number + 1)
    return wanted


def create(partitions: Iterable[str], job: Job, notify: Notify) -> None:
    """Create the topics that are not there yet."""
    wanted = topics(partitions, job)
    for topic in create_topics(job.kafka.bootstrap, wanted, client=job.kafka.client):
        notify(f"created topic {topic}")


def fact_topics(job: Job) -> dict[str, int]:
    """The topics that facts are written to; one partition each, so that each is in one order."""
    return {job.kafka.fact_prefix + topic.topic: 1 for topic in FACT_TYPES}


def create_fact_topics(job: Job, notify: Notify) -> None:
    """Create those that are not there yet."""
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


def load(
    log: Mapping[str, Iterable[Page]],
    job: Job,
    notify: Notify,
    *,
    append: bool = False,
    pack: bool = False,
) -> dict[str, Loaded]:
    """Write every partition of a log into its topic."""
    kafka = job.kafka
    loader = Loader(
        kafka.bootstrap,
        places(log, job),
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


def pages_of(opened: ReaderFactory) -> Iterator[Page]:
    """A partition from its beginning to its end."""
    reader = opened(None)
    while (page := reader.read()) is not None:
        yield page
    reader.close()
