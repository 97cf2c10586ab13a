"""Which partitions of the log a run reads, and how each is opened: from tapes or from topics."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias, TypeGuard

from tapeflow.connectors.source.log_clock import LogClock
from tapeflow.connectors.source.proven import TOPIC, ProvenReader
from tapeflow.connectors.source.reader import Reader, ReaderFactory
from tapeflow.connectors.tapes.gzip_stream import load_isal
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.tape_files import TapeFiles
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

# Imported where a log needs them, before threads start: both are slow.
PARQUET = "tapeflow.connectors.tapes.parquet"
TOPICS = "tapeflow.flows.run.topic_reader"


Log: TypeAlias = Mapping[str, TapeFiles | TopicPartition]  # by partition


def live_partitions(log: Log) -> dict[str, TopicPartition]:
    """Return the partitions that are followed live, by name."""
    return {
        name: stored
        for name, stored in log.items()
        if isinstance(stored, TopicPartition) and stored.end is None
    }


def reader_factories(log: Log, job: Job, notify: Notify) -> dict[str, ReaderFactory]:
    """Return, for each partition, the function that opens it at a position."""
    for stored in log.values():  # what is slow is imported here, where it is needed, by one thread
        if isinstance(stored, TopicPartition):
            import_module(TOPICS)
        elif is_parquet(stored):
            import_module(PARQUET)
        elif is_gzip(stored):
            load_isal()
    return {name: partial(open_reader, name, stored, job, notify) for name, stored in log.items()}


def is_parquet(stored: TapeFiles | TopicPartition) -> TypeGuard[TapeFiles]:
    """Return whether a partition is in Parquet files."""
    return isinstance(stored, TapeFiles) and stored.files[0].suffix == ".parquet"


def is_gzip(stored: TapeFiles | TopicPartition) -> bool:
    """Return whether a partition has files that gzip has compressed."""
    return isinstance(stored, TapeFiles) and any(path.suffix == ".gz" for path in stored.files)


def open_reader(
    name: str, stored: TapeFiles | TopicPartition, job: Job, notify: Notify, position: object
) -> Reader:
    """Open a partition at a position, which it proves first; None is its beginning."""
    page = job.source.page_records
    span_ns = max(job.source.max_lead // 2, 1)  # no page is longer than partitions may be apart

    def open_at(begin: Any, reached: Any) -> Reader:
        """Open at one position of the log clock; the log goes on at least to another."""
        read_to = None if reached is None else reached[0]
        open_stored = partial(open_stamped, name, stored, job, notify, read_to)
        return LogClock(open_stored, page, span_ns, job.source.step, begin, notify)

    try:
        return ProvenReader(open_at, form_of(stored), position, notify)
    except TapeflowError as error:
        raise TapeflowError(f"partition {name}: {error}") from None


def form_of(stored: TapeFiles | TopicPartition) -> str:
    """Return the form in which a partition is stored: a position in one is void in another."""
    if isinstance(stored, TopicPartition):
        return TOPIC
    return "Parquet" if is_parquet(stored) else "text"


def open_stamped(
    name: str,
    stored: TapeFiles | TopicPartition,
    job: Job,
    notify: Notify,
    reached: Any,
    position: Any,
) -> Reader:
    """Open a partition whose records have the log times that were written."""
    page = job.source.page_records
    if isinstance(stored, TopicPartition):
        from tapeflow.flows.run.topic_reader import open_topic  # noqa: PLC0415  # see TOPICS

        return open_topic(name, stored, job, notify, reached, position)
    last_file = 0 if reached is None else reached[0]
    if last_file >= len(stored.files):
        raise TapeflowError(
            f"the state has read file {last_file + 1} of it, and there are {len(stored.files)} "
            "now: go back to those files, or start with a fresh --state"
        )
    if is_parquet(stored):
        from tapeflow.connectors.tapes.parquet import ParquetReader  # noqa: PLC0415  # see PARQUET

        return ParquetReader(name, stored.files, page, position, notify, stored.salvage)
    return TapeReader(name, stored.files, page, position, notify, stored.salvage)
