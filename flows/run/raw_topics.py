"""The raw topics of a job: their partitions, and from where to where each is read.

offset    gone   low ........ --from ........ --to ........ high
|earliest    | a time        | a time      |latest
"""

import time
from typing import Literal, TypeAlias

from tapeflow.connectors.kafka.facts import missing_topics
from tapeflow.connectors.kafka.offsets import offset_bounds, offsets_at
from tapeflow.flows.job.instruments import listed_venues
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.control import CONTROL
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import format_time
from tapeflow.schemas.venues import VENUES

Moment: TypeAlias = Literal["earliest", "latest"] | int  # a log time in ns


def find_topics(
    job: Job, notify: Notify, *, tail: bool, begin: Moment = "earliest", end: Moment = "latest"
) -> Log:
    """Return the partitions of the raw topics of the job's venues, by venue and number.

    They are read from `begin` to `end`; with `tail` they are followed, without end. A time is that
    of the first record written then or later. Waits for an absent broker.

    Raises TapeflowError where no broker answers or a topic is missing, and UsageError for an end
    that is to come, or lies before the beginning.
    """
    venues = [*listed_venues(job), *([CONTROL] if job.control.keys else [])]
    names = {venue: job.kafka.raw_prefix + venue for venue in venues}
    kafka, wait_s = job.kafka, job.kafka.connect_timeout / 1e9
    check_moments(begin, end)
    bounds = offset_bounds(kafka.bootstrap, [*names.values()], wait_s, notify, kafka.client)
    notify_unread(job, wait_s, notify)

    def find_offsets(moment: Moment) -> dict[tuple[str, int], int]:
        if isinstance(moment, int):
            return offsets_at(kafka.bootstrap, bounds, moment, wait_s, notify, kafka.client)
        side = 0 if moment == "earliest" else 1
        return {
            (topic, number): each[side]
            for topic, several in bounds.items()
            for number, each in enumerate(several)
        }

    begins, ends = find_offsets(begin), find_offsets(end)
    return {
        f"{venue}-{number}": TopicPartition(
            topic,
            number,
            None if tail else max(ends[topic, number], begins[topic, number]),
            begins[topic, number],
            low,
        )
        for venue, topic in names.items()
        for number, (low, _) in enumerate(bounds[topic])
    }


def notify_unread(job: Job, wait_s: float, notify: Notify) -> None:
    """Notify of raw topics of venues of which the job lists no instrument.

    Raises UsageError where there is one of commands that nobody may give.
    """
    kafka, listed = job.kafka, listed_venues(job)
    topics = [kafka.raw_prefix + venue for venue in VENUES if venue not in listed]
    if not job.control.keys:
        topics.append(kafka.raw_prefix + CONTROL)
    absent = missing_topics(kafka.bootstrap, topics, wait_s, notify, kafka.client)
    for topic in sorted(set(topics) - set(absent)):
        if topic == kafka.raw_prefix + CONTROL:
            raise UsageError(f"{topic} has commands, and the job no keys: add [control] keys")
        notify(f"not read: {topic}: the job lists no instrument of its venue")


def check_moments(begin: Moment, end: Moment) -> None:
    """Raise UsageError for an end that is to come, or lies before the beginning."""
    if isinstance(end, int):
        if end > time.time_ns():
            raise UsageError(f"--to {format_time(end)} is to come: name a time that has passed")
        if begin == "latest" or (isinstance(begin, int) and begin > end):
            raise UsageError(f"--to {format_time(end)} is before --from")
