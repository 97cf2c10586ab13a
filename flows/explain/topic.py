"""Reads a partition of a topic from about a record on, where its number is sure.

plain     offset 0 1 2 3 4 ..      number = offset, as long as no pack comes before
packed    offset 0   1   2 ..      a pack says the number of its first frame
          number 0-7 8-15 16-23
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec.structs import replace

from tapeflow.connectors.kafka.offsets import offset_bounds, offsets_at
from tapeflow.flows.explain.pages import Wanted, pages_of
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.flows.run.topic_reader import open_topic
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

EARLIER_NS = 15_000_000_000  # a record may be written so long before what is known of its time


def topic_pages(
    name: str, stored: TopicPartition, job: Job, wanted: Sequence[Wanted], notify: Notify
) -> Iterator[Page]:
    """Return the pages of a partition, from one that has the first record or lies before it.

    Raises TapeflowError where that has been deleted.
    """
    first = wanted[0]
    if is_plain(name, stored, job, wanted):
        return pages_at(name, stored, job, max(first.begin, stored.low))[1]
    begin = None if first.time_ns is None else offset_at(stored, job, first.time_ns, notify)
    if begin is not None:
        is_packed, pages = pages_at(name, stored, job, begin)
        if is_packed and (found := begin_before(pages, first.begin)) is not None:
            return found
    found = begin_before(pages_at(name, stored, job, stored.low)[1], first.begin)
    if found is None:
        raise TapeflowError(f"record {first.begin} of {name} has been deleted from its topic")
    return found


def begin_before(pages: Iterator[Page], number: int) -> Iterator[Page] | None:
    """Return pages, if they begin with a record or before it."""
    page = next(pages, None)
    return None if page is None or page.first_offset > number else chain([page], pages)


def is_plain(name: str, stored: TopicPartition, job: Job, wanted: Sequence[Wanted]) -> bool:
    """Return whether no record up to the last known one is a pack: its offset is its number."""
    known = [each for each in wanted if each.is_exact and stored.low <= each.end]
    last = max(known, key=lambda each: each.end, default=None)
    if last is None or last.end >= (stored.end or 0):
        return False
    is_packed, pages = pages_at(name, stored, job, last.end)
    page = next(pages, None)
    return not is_packed and page is not None and int(page.log_ns[0]) == last.time_ns


def pages_at(
    name: str, stored: TopicPartition, job: Job, begin: int
) -> tuple[bool, Iterator[Page]]:
    """Return whether the record at a Kafka offset is a pack, and the pages from there on."""
    reader = open_topic(name, replace(stored, begin=begin), job, lambda _: None, None, None)
    pages = pages_of(reader)
    page = next(pages, None)
    is_packed = bool(getattr(reader, "is_packed", False))
    return is_packed, iter(()) if page is None else chain([page], pages)


def offset_at(stored: TopicPartition, job: Job, time_ns: int, notify: Notify) -> int | None:
    """Return a Kafka offset before what was written at a time; None where that is the beginning."""
    kafka, wait_s = job.kafka, job.kafka.connect_timeout / 1e9
    bounds = offset_bounds(kafka.bootstrap, [stored.name], wait_s, notify, kafka.client)
    moment = time_ns - EARLIER_NS
    found = offsets_at(kafka.bootstrap, bounds, moment, wait_s, notify, kafka.client)
    offset = found[stored.name, stored.number]
    return offset if stored.low < offset < (stored.end or 0) else None
