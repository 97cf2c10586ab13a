"""Creates topics, and writes pages into raw topics as a recorder would have written them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import chain
from threading import Event
from typing import NamedTuple

from tapeflow.connectors.kafka.creation import create_topics
from tapeflow.connectors.kafka.facts import missing_topics
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.reader import ReaderFactory, extent_of
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.connectors.source.source import STOP_CHECK_S
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.batches import Page
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.registry import FACT_TYPES
from tapeflow.schemas.venues import venue_of

PACE_S = 0.02  # of wall time, between two pages that are written at a speed


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
    speed: float | None = None,
    stop: Event | None = None,
) -> dict[str, Loaded]:
    """Write pages into the raw topics, in log order; return how much was written, by partition.

    `append` writes to topics that hold records, `pack` puts many frames into a record. With `speed`
    each page waits until it is due. Once `stop` is set, no further page is written.

    Raises TapeflowError where a topic holds records already, or later ones than are appended, or
    Kafka does not take them all.
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
    if append:
        log = {name: checked_pages(loader, several, job) for name, several in log.items()}
    clock, stop = None if speed is None else ReplayClock(speed), stop or Event()
    for page in merge(*log.values(), key=lambda page: page.log_ns[:1].tolist()):
        if clock is not None:
            wait_until_due(page, clock, loader.producer.check, stop)
        if stop.is_set():
            break
        loader.write(page)
    loader.finish()
    return {name: Loaded(loader.frames[name], loader.records[name]) for name in log}


def checked_pages(loader: Loader, pages: Iterable[Page], job: Job) -> Iterable[Page]:
    """Return pages of a partition, of which the first is checked to follow what is there."""
    rest = iter(pages)
    first = next(rest, None)
    if first is None:
        return ()
    loader.check_follows(first, job.source.step)
    return chain([first], rest)


def wait_until_due(page: Page, clock: ReplayClock, check: Callable[[], None], stop: Event) -> None:
    """Wait until a page is due, or `stop` is set; call `check` again and again."""
    while (due_s := clock.seconds_until_due(page)) > 0:
        check()
        if stop.wait(min(due_s, STOP_CHECK_S)):
            return


def read_pages(open_reader: ReaderFactory, progress: Progress | None = None) -> Iterator[Page]:
    """Read a partition from its beginning to its end; `progress` shows what was taken of it."""
    reader = open_reader(None)
    while (page := reader.read()) is not None:
        yield page
        if progress is not None:
            progress.update(page.partition, int(page.log_ns[-1]), page.next_offset)
            progress.set_extent(page.partition, *extent_of(reader))
    reader.close()


def with_short_pages(job: Job, speed: float | None) -> Job:
    """Return the job whose pages are short enough to be written at a speed, PACE_S apart."""
    if speed is None:
        return job
    lead_ns = max(int(2 * PACE_S * speed * 1e9), 2)  # of which a page spans a half
    return job.model_copy(update={"source": job.source.model_copy(update={"max_lead": lead_ns})})
