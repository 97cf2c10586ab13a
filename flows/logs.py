"""Which partitions of the log a run reads, and how each is opened: from tapes or from topics."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from connectors.log_source import Open
from connectors.parquet_tape import ParquetReader
from connectors.tape import TapeReader
from flows.job import check_partitions
from flows.settings import Job
from schemas.errors import UsageError
from schemas.venues import VENUES

TAPES = (".tape", ".tape.gz", ".tape.zst", ".parquet")


def tapes(paths: Iterable[Path], job: Job) -> dict[str, Open]:
    """The partitions in these files and folders."""
    found = partitions(paths, job)
    return {name: opener(name, files, job) for name, files in found.items()}


def partitions(paths: Iterable[Path], job: Job) -> dict[str, tuple[Path, ...]]:
    """The files of each partition, in the order to read them."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            name = partition_of(file.name, job)
            if name is not None:
                found.setdefault(name, []).append(file)
            elif not path.is_dir():
                raise UsageError(f"{file} is no tape: name it <venue>-<n>{'|'.join(TAPES)}")
    if not found:
        raise UsageError(
            f"no tapes in {', '.join(map(str, paths))}: their names are <venue>-<n>.tape[.gz|.zst]"
        )
    check_partitions(found)
    for name, files in found.items():
        mapped = any(tape.partition == name for tape in job.tapes)
        if len(files) > 1 and not mapped:
            raise UsageError(f"partition {name} is in several files: {', '.join(map(str, files))}")
    return {name: tuple(sorted(files, key=lambda file: file.name)) for name, files in found.items()}


def partition_of(file: str, job: Job) -> str | None:
    """The partition that a file of this name holds, if it is a tape."""
    for tape in job.tapes:
        if fnmatchcase(file, tape.files):
            return tape.partition
    return next((file.removesuffix(end) for end in TAPES if file.endswith(end)), None)


def opener(name: str, files: tuple[Path, ...], job: Job) -> Open:
    """How to open the tapes of a partition."""
    if files[0].suffix == ".parquet":
        if len(files) > 1:
            raise UsageError(
                f"partition {name} is in several parquet files: {', '.join(map(str, files))}"
            )
        return partial(ParquetReader, name, files[0], job.source.page)
    return partial(TapeReader, name, files, job.source.page, page_span(job))


def page_span(job: Job) -> int:
    """Log time that a page may span: a quarter of what partitions may be apart."""
    return max(job.source.lead // 4, 1)


def topics(job: Job, say: Callable[[str], None], *, tail: bool) -> dict[str, Open]:
    """The partitions of the venues' raw topics: to their ends as they are now, or for ever."""
    from connectors.kafka_log import KafkaReader, watermarks  # noqa: PLC0415  # slow to import
    from connectors.kafka_records import Place  # noqa: PLC0415

    venues = sorted({name.partition(".")[2].lower() for name in job.instruments} & VENUES.keys())
    names = {job.kafka.raw + venue: venue for venue in venues}
    marks = watermarks(job.kafka.bootstrap, list(names), job.kafka.wait / 1e9, say)
    opens: dict[str, Open] = {}
    for topic, venue in names.items():
        for number, (_low, high) in enumerate(marks[topic]):
            name = f"{venue}-{number}"
            place = Place(job.kafka.bootstrap, topic, number, name)
            opens[name] = kafka_opener(KafkaReader, place, job, None if tail else high, say)
    return opens


def kafka_opener(
    reader: Callable[..., object],
    place: object,
    job: Job,
    end: int | None,
    say: Callable[[str], None],
) -> Open:
    """How to open a partition of a topic."""
    return lambda position: reader(  # type: ignore[return-value]
        place, job.source.page, page_span(job), end, position, say
    )
