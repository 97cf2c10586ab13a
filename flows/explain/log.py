"""Reads some records of the log, each partition forward once.

    wanted   [18001 .. 18444]  [18565]  [18665]
    reader   --skipped--|page|page|--|page|  closed

Parquet begins at the row group of the first one, a topic at its time; a text tape at its beginning.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from msgspec.structs import replace

from tapeflow.connectors.source.reader import Reader
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log, is_gzip, is_parquet, open_stamped
from tapeflow.flows.run.tape_files import TapeFiles
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.batches import Page, slice_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

PAUSE_S, SILENCE_S = 0.002, 30.0  # between two looks at a broker; within which it has records
EARLIER_NS = 15_000_000_000  # a record may be written so long before the time that is known of it


class Wanted(Protocol):
    """Consecutive records that something is made of."""

    begin: int  # offset of the first one
    end: int  # offset of the last one
    time_ns: int | None  # about when they were written, where that is known

    def take(self, page: Page) -> None:
        """Take some of these records, in their order."""


def read_wanted(name: str, log: Log, job: Job, wanted: Iterable[Wanted], notify: Notify) -> str:
    """Give each of `wanted` its records of a partition; return why some are not there, or ""."""
    ordered = sorted(wanted, key=lambda each: each.begin)
    if name not in log:
        known = ", ".join(log)
        return f"the log that was given does not have {name}: it has {known}"
    end, reached = max(each.end for each in ordered), -1
    try:
        for page in pages_from(name, log[name], job, ordered[0], notify):
            reached = page.next_offset - 1
            for each in ordered:
                give(each, page)
            if reached >= end:
                return ""
    except TapeflowError as error:
        return str(error)
    return f"the log that was given has {name} up to record {reached} only"


def give(wanted: Wanted, page: Page) -> None:
    """Give the records of a page to what wants some of them."""
    begin = max(wanted.begin - page.first_offset, 0)
    end = min(wanted.end + 1 - page.first_offset, len(page.log_ns))
    if begin < end:
        wanted.take(slice_page(page, slice(begin, end)))


def pages_from(
    name: str, stored: TapeFiles | TopicPartition, job: Job, first: Wanted, notify: Notify
) -> Iterator[Page]:
    """Yield the pages of a partition, from one that has the record or lies before it."""
    for reader in readers(name, stored, job, first, notify):
        try:
            pages = pages_of(reader)
            page = next(pages, None)
            if page is None or page.first_offset > first.begin:
                continue  # it began behind the record
            yield page
            yield from pages
            return
        finally:
            reader.close()
    raise TapeflowError(f"record {first.begin} of {name} is not there any more")


def readers(
    name: str, stored: TapeFiles | TopicPartition, job: Job, first: Wanted, notify: Notify
) -> Iterator[Reader]:
    """Yield readers of a partition, the nearest to the record first, then from the beginning."""
    if isinstance(stored, TopicPartition):
        from tapeflow.flows.run.topic_reader import open_topic  # noqa: PLC0415  # slow to import

        for begin in topic_begins(stored, job, first, notify):
            there = replace(stored, begin=begin)
            yield open_topic(name, there, job, lambda _: None, None, None)
        return
    position: Any = None
    if is_parquet(stored):
        from tapeflow.connectors.tapes.parquet_seek import position_before  # noqa: PLC0415

        position = position_before(stored.files, first.begin)
    elif is_gzip(stored):
        from tapeflow.connectors.tapes.gzip_stream import load_isal  # noqa: PLC0415

        load_isal()
    yield open_stamped(name, stored, job, notify, None, position)


def topic_begins(stored: TopicPartition, job: Job, first: Wanted, notify: Notify) -> Iterator[int]:
    """Yield Kafka offsets at which to begin: by the record's time or number, then the first."""
    from tapeflow.connectors.kafka.offsets import offset_bounds, offsets_at  # noqa: PLC0415

    kafka, wait_s = job.kafka, job.kafka.connect_timeout / 1e9
    low, high = stored.low, stored.end or 0
    if first.time_ns is not None:
        bounds = offset_bounds(kafka.bootstrap, [stored.name], wait_s, notify, kafka.client)
        moment = first.time_ns - EARLIER_NS
        found = offsets_at(kafka.bootstrap, bounds, moment, wait_s, notify, kafka.client)
        if low < found[stored.name, stored.number] < high:
            yield found[stored.name, stored.number]
    elif low < first.begin < high:
        yield first.begin  # its number, where no record is a pack
    yield low


def pages_of(reader: Reader) -> Iterator[Page]:
    """Yield the pages of a reader up to its end.

    Raises TapeflowError where a broker gives none for SILENCE_S.
    """
    waiting_since = time.monotonic()
    while not reader.ended:
        page = reader.read()
        if page is not None:
            yield page
            waiting_since = time.monotonic()
        elif time.monotonic() - waiting_since > SILENCE_S:
            raise TapeflowError(f"{reader} gave no records for {SILENCE_S:g} s")
        elif not reader.ended:
            time.sleep(PAUSE_S)
