"""Reads some records of the log, each partition forward once.

    wanted   [18001 .. 18444]  [18565]  [18665]
    reader   --skipped--|page|page|--|page|  closed

Parquet begins at the row group of the first one, a text tape at its beginning; a topic at the first
one where its records are known to be no packs, as one of them has the log time that it should have,
or at a pack of about its time, which says its number; else at its beginning.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tapeflow.connectors.source.reader import Reader
from tapeflow.flows.explain.pages import Wanted, pages_of
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log, is_gzip, is_parquet, open_stamped
from tapeflow.flows.run.tape_files import TapeFiles
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.batches import Page, slice_page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify


def read_wanted(
    name: str, log: Log, job: Job, wanted: Iterable[Wanted], notify: Notify
) -> tuple[str, int]:
    """Give each of `wanted` its records of a partition.

    Returns why some are not there, or "", and the offset of the last record that was read.
    """
    ordered = sorted(wanted, key=lambda each: each.begin)
    if name not in log:
        known = ", ".join(log)
        return f"the log that was given does not have {name}: it has {known}", -1
    end, reached = max(each.end for each in ordered), -1
    try:
        for page in pages_from(name, log[name], job, ordered, notify):
            reached = page.next_offset - 1
            for each in ordered:
                give(each, page)
            if reached >= end:
                return "", reached
    except TapeflowError as error:
        return str(error), reached
    return f"the log that was given has {name} up to record {reached} only", reached


def give(wanted: Wanted, page: Page) -> None:
    """Give the records of a page to what wants some of them."""
    begin = max(wanted.begin - page.first_offset, 0)
    end = min(wanted.end + 1 - page.first_offset, len(page.log_ns))
    if begin < end:
        wanted.take(slice_page(page, slice(begin, end)))


def pages_from(
    name: str, stored: TapeFiles | TopicPartition, job: Job, wanted: list[Wanted], notify: Notify
) -> Iterator[Page]:
    """Yield the pages of a partition, from one that has the first record or lies before it."""
    if isinstance(stored, TopicPartition):
        from tapeflow.flows.explain.topic import topic_pages  # noqa: PLC0415  # slow to import

        return topic_pages(name, stored, job, wanted, notify)
    return pages_of(open_tapes(name, stored, job, wanted[0], notify))


def open_tapes(name: str, stored: TapeFiles, job: Job, first: Wanted, notify: Notify) -> Reader:
    """Open the files of a partition at the first record or before it."""
    position: Any = None
    if is_parquet(stored):
        from tapeflow.connectors.tapes.parquet_seek import position_before  # noqa: PLC0415

        position = position_before(stored.files, first.begin)
    elif is_gzip(stored):
        from tapeflow.connectors.tapes.gzip_stream import load_isal  # noqa: PLC0415

        load_isal()
    return open_stamped(name, stored, job, notify, None, position)
