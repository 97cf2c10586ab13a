"""Which partitions of the log a run reads, and how each is opened: from tapes or from topics."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeAlias, TypeGuard

from msgspec import Struct

from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.source.source import Reader, ReaderFactory
from tapeflow.connectors.tapes.archive_layout import closed_files, is_hour_file
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.wiring import check_partitions
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.venues import VENUES

PARQUET = "tapeflow.connectors.tapes.parquet"
UNREAD_NAMED = 5  # of the files of a folder that are not read
TAPES = (".tape", ".tape.gz", ".tape.zst", ".parquet")


class TapeFiles(Struct, frozen=True):
    """A partition of the log in consecutive files."""

    files: tuple[Path, ...]


class TopicPartition(Struct, frozen=True):
    """A partition of the log that is a partition of a Kafka topic."""

    name: str  # of the topic
    number: int  # of the partition in it
    end: int | None  # Kafka offset at which to stop; None: never


Log: TypeAlias = Mapping[str, TapeFiles | TopicPartition]  # by partition


def find_tapes(paths: Iterable[Path], job: Job, notify: Notify = lambda _: None) -> Log:
    """Return the partitions in files and folders, in the order of their names.

    `notify` gets a line that names what lies in a folder and is not read.

    Raises UsageError for a path or a name that is no tape, and for a partition in several files.
    """
    files: dict[str, list[Path]] = {}
    unread: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        for file in files_in(path) if path.is_dir() else [path]:
            name = partition_of(file, job)
            if name is not None:
                files.setdefault(name, []).append(file)
            elif path.is_dir():
                unread.append(file)
            else:
                raise UsageError(f"{file} is no tape: name it <venue>-<n>{'|'.join(TAPES)}")
    if unread:
        names = ", ".join(map(str, unread[:UNREAD_NAMED]))
        more = f" and {len(unread) - UNREAD_NAMED:,} more" if len(unread) > UNREAD_NAMED else ""
        notify(
            f"not read: {names}{more}; a tape is named <venue>-<n>{'|'.join(TAPES)}, other files "
            "are mapped by [[tapes]] in the job"
        )
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(f"no tapes in {where}: their names are <venue>-<n>.tape[.gz|.zst]")
    check_partitions(files)
    return {name: ordered_files(name, some, job) for name, some in sorted(files.items())}


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, and the hours of an archive in the folders of its partitions."""
    for path in sorted(folder.iterdir()):
        if path.name[:1] == ".":  # of the file system, or an archive's state
            continue
        hours = [*closed_files(path)] if path.is_dir() else []
        yield from hours or [path]


def partition_of(file: Path, job: Job) -> str | None:
    """Return the partition that a file holds by its name, or None where it is no tape."""
    if file.is_dir():
        return None
    for tape in job.tapes:
        if fnmatchcase(file.name, tape.files):
            return tape.partition
    if is_hour_file(file):
        return file.absolute().parent.name
    return next((file.name.removesuffix(end) for end in TAPES if file.name.endswith(end)), None)


def ordered_files(name: str, files: list[Path], job: Job) -> TapeFiles:
    """Return the files of a partition in the order of their names.

    Several are allowed as the hours of an archive, and where the job maps them to one partition.
    """
    mapped = any(tape.partition == name for tape in job.tapes)
    if len(files) > 1 and not mapped and not all(map(is_hour_file, files)):
        raise UsageError(f"partition {name} is in several files: {', '.join(map(str, files))}")
    if len({file.suffix == ".parquet" for file in files}) > 1:
        raise UsageError(
            f"partition {name} is in Parquet and in text: {', '.join(map(str, files))}"
        )
    return TapeFiles(tuple(file.resolve() for file in sorted(files, key=lambda file: file.name)))


def find_topics(job: Job, notify: Notify, *, tail: bool) -> Log:
    """Return the partitions of the raw topics of the job's venues, by venue and number.

    They are read to their present ends; with `tail` they are followed. Waits for an absent broker.

    Raises TapeflowError where no broker answers or a topic is missing.
    """
    venues = sorted({name.partition(".")[2].lower() for name in job.instruments} & VENUES.keys())
    names = {venue: job.kafka.raw_prefix + venue for venue in venues}
    bounds = offset_bounds(
        job.kafka.bootstrap,
        [*names.values()],
        job.kafka.connect_timeout / 1e9,
        notify,
        job.kafka.client,
    )
    return {
        f"{venue}-{number}": TopicPartition(topic, number, None if tail else high)
        for venue, topic in names.items()
        for number, (_low, high) in enumerate(bounds[topic])
    }


def live_partitions(log: Log) -> dict[str, TopicPartition]:
    """Return the partitions that are followed live, by name."""
    return {
        name: stored
        for name, stored in log.items()
        if isinstance(stored, TopicPartition) and stored.end is None
    }


def reader_factories(log: Log, job: Job, notify: Notify) -> dict[str, ReaderFactory]:
    """Return, for each partition, the function that opens it at a position."""
    if any(is_parquet(stored) for stored in log.values()):
        import_module(PARQUET)  # slow: here, where it is needed, and not by two threads at once
    return {name: partial(open_reader, name, stored, job, notify) for name, stored in log.items()}


def is_parquet(stored: TapeFiles | TopicPartition) -> TypeGuard[TapeFiles]:
    """Return whether a partition is in Parquet files."""
    return isinstance(stored, TapeFiles) and stored.files[0].suffix == ".parquet"


def open_reader(
    name: str, stored: TapeFiles | TopicPartition, job: Job, notify: Notify, position: object
) -> Reader:
    """Open a partition at a position; None is its beginning."""
    page = job.source.page_records
    span_ns = max(job.source.max_lead // 2, 1)  # no page is longer than partitions may be apart
    if isinstance(stored, TopicPartition):
        kafka = KafkaPartition(
            job.kafka.bootstrap, stored.name, stored.number, name, job.kafka.client
        )
        return KafkaReader(kafka, page, span_ns, stored.end, position, notify)
    if is_parquet(stored):
        from tapeflow.connectors.tapes.parquet import ParquetReader  # noqa: PLC0415  # slow to import

        return ParquetReader(name, stored.files, page, span_ns, position)
    return TapeReader(name, stored.files, page, span_ns, position)
