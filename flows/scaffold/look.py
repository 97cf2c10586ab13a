"""Opens a log that no job describes yet: tapes of any venue, or all raw topics of a broker."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tapeflow.connectors.source.reader import Reader
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log, reader_factories
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.venues import VENUES


def open_tapes(paths: list[Path], job: Job, notify: Notify) -> dict[str, Callable[[], Reader]]:
    """Return how each partition in files and folders is opened. Raises UsageError as a replay."""
    return open_log(find_tapes(paths, job, notify, all_venues=True), job, notify)


def open_topics(job: Job, notify: Notify) -> dict[str, Callable[[], Reader]]:
    """Return how each partition of the raw topics that there are is opened.

    Raises TapeflowError where no broker answers, UsageError where it has no raw topic.
    """
    from tapeflow.connectors.kafka.facts import missing_topics  # noqa: PLC0415  # slow to import
    from tapeflow.connectors.kafka.offsets import offset_bounds  # noqa: PLC0415
    from tapeflow.flows.run.topic_partition import TopicPartition  # noqa: PLC0415

    kafka, wait_s = job.kafka, job.kafka.connect_timeout / 1e9
    names = {kafka.raw_prefix + venue: venue for venue in VENUES}
    absent = missing_topics(kafka.bootstrap, [*names], wait_s, notify, kafka.client)
    there = [name for name in names if name not in absent]
    if not there:
        raise UsageError(f"{kafka.bootstrap} has none of the topics {', '.join(names)}")
    bounds = offset_bounds(kafka.bootstrap, there, wait_s, notify, kafka.client)
    log: Log = {
        f"{names[topic]}-{number}": TopicPartition(topic, number, high, low, low)
        for topic, several in bounds.items()
        for number, (low, high) in enumerate(several)
        if high > low
    }
    return open_log(log, job, notify)


def open_log(log: Log, job: Job, notify: Notify) -> dict[str, Callable[[], Reader]]:
    """Return how each partition of a log is opened at its beginning."""
    factories = reader_factories(log, job, notify)
    return {name: partial(factory, None) for name, factory in factories.items()}
