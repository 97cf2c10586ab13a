"""The tapes in files and folders: which partition each file holds, and in which order.

tapes/  binance-0.tape.gz                           one file a partition
coinbase-0.2.tape  coinbase-0.10.tape       or parts of one, in the order of numbers
binance-usdm-0/  part-2.parquet  ...        or a folder of them
binance-1/  2026-11-26T13.parquet  ...      the hours of an archive
btc_20240808.gz                             mapped to a partition by [[tapes]]
"""

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from tapeflow.connectors.tapes.archive_layout import closed_files, is_hour_file
from tapeflow.flows.job.instruments import listed_venues
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.wiring import check_partitions
from tapeflow.schemas.control import CONTROL
from tapeflow.schemas.errors import IMPORT, UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.venues import VENUES, venue_of

UNREAD_NAMED = 5  # of the files of a folder that are not read
TAPES = (".tape", ".tape.gz", ".tape.zst", ".parquet")
TAPE_NAMES = f"<venue>-<n>{'|'.join(TAPES)}"
ENDINGS = {".tape", ".gz", ".zst", ".parquet"}  # of names, where they say how a file is stored


class TapeFiles(Struct, frozen=True):
    """A partition of the log in consecutive files."""

    files: tuple[Path, ...]
    salvage: bool = False  # of damaged files take what can be read


def find_tapes(
    paths: Iterable[Path],
    job: Job,
    notify: Notify = lambda _: None,
    *,
    salvage: bool = False,
    all_venues: bool = False,
) -> dict[str, TapeFiles]:
    """Return the partitions in files and folders, in the order of their names.

    Those of venues of which the job lists no instrument only with `all_venues`. `notify` gets a
    line that names what is not read, and what is empty. With `salvage` damaged files are read up to
    the damage.

    Raises UsageError for a path or a name that is no tape, and for a partition that is there twice.
    """
    files: dict[str, list[Path]] = {}
    unread: list[Path] = []
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path} does not exist")
        for file in files_in(path) if path.is_dir() else [path]:
            name = partition_of(file, job)
            if name is not None:
                files.setdefault(name, []).append(file)
            elif path.is_dir():
                unread.append(file)
            else:
                raise UsageError(f"{file} is no tape: name it {TAPE_NAMES}; {IMPORT}")
    if unread:
        notify(describe_unread(unread))
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(f"no tapes in {where}: their names are {TAPE_NAMES}; {IMPORT}")
    check_partitions(files)
    if not all_venues:
        files = of_listed_venues(files, job, notify)
    for file in filter(is_empty, (each for some in files.values() for each in some)):
        notify(f"{file} is empty")
    return {name: ordered_files(name, some, salvage) for name, some in sorted(files.items())}


def is_empty(file: Path) -> bool:
    """Return whether a file holds nothing; what a pipe holds is not known."""
    return file.is_file() and not file.stat().st_size


def describe_unread(files: list[Path]) -> str:
    """Return a line about files in a folder that are no tapes."""
    names = ", ".join(map(str, files[:UNREAD_NAMED]))
    more = f" and {len(files) - UNREAD_NAMED:,} more" if len(files) > UNREAD_NAMED else ""
    return (
        f"not read: {names}{more}; a tape is named {TAPE_NAMES}, other files are mapped "
        f"by [[tapes]] in the job; {IMPORT}"
    )


def check_control(partitions: Iterable[str], job: Job) -> None:
    """Check that there are commands in the log of a job that has keys, and of no other.

    Raises UsageError where not: the answer would be another without a word.
    """
    found = sorted(name for name in partitions if venue_of(name) == CONTROL)
    if found and not job.control.keys:
        raise UsageError(f"{found[0]} has commands, and the job has no keys: add [control] keys")
    if job.control.keys and not found:
        raise UsageError(
            f"the job has [control] keys, and the log no partition {CONTROL}-0: add its tape, an "
            "empty one where no command was given"
        )


def of_listed_venues(
    files: dict[str, list[Path]], job: Job, notify: Notify
) -> dict[str, list[Path]]:
    """Return the partitions of venues of which the job lists instruments; notify of the others.

    Raises UsageError where there are no others.
    """
    check_control(files, job)
    venues = (*listed_venues(job), CONTROL)
    others = sorted(name for name in files if venue_of(name) not in venues)
    if others:
        line = f"not read: {', '.join(others)}: the job lists no instrument of "
        line += ", ".join(sorted(set(map(venue_of, others))))
        if len(others) == len(files):
            raise UsageError(line)
        notify(line)
    return {name: some for name, some in files.items() if name not in others}


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, and those in its folders that are partitions."""
    for path in list_folder(folder):
        is_partition = path.is_dir() and (is_partition_name(path.name) or closed_files(path))
        yield from list_folder(path) if is_partition else [path]


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder, but for names of the file system and of an archive's state."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[:1] != ".")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}") from None


def is_partition_name(name: str) -> bool:
    """Return whether a name is that of a partition of a known venue."""
    return venue_of(name) in (*VENUES, CONTROL) and name.rpartition("-")[2].isdigit()


def partition_of(file: Path, job: Job) -> str | None:
    """Return the partition that a file holds by its name, or None where it is no tape."""
    if file.is_dir():
        return None
    for tape in job.tapes:
        if fnmatchcase(file.name, tape.files):
            return tape.partition
    if is_hour_file(file):
        return file.absolute().parent.name
    if not file.name.endswith(TAPES):
        return None
    name, folder = stem(file).partition(".")[0], file.absolute().parent.name
    return folder if is_partition_name(folder) and not is_partition_name(name) else name


def stem(file: Path) -> str:
    """Return a file's name without the endings that say how it is stored.

    >>> stem(Path("tapes/binance-0.2.tape.gz"))
    'binance-0.2'
    """
    while file.suffix in ENDINGS:
        file = file.with_suffix("")
    return file.name


def natural_order(file: Path) -> tuple[list[str | int], str]:
    """Return the key that sorts file names with their numbers as numbers.

    >>> sorted(map(Path, ("a-0.10.tape", "a-0.2.tape", "a-0.tape")), key=natural_order)
    [PosixPath('a-0.tape'), PosixPath('a-0.2.tape'), PosixPath('a-0.10.tape')]
    """
    pieces = re.split(r"([0-9]+)", stem(file))
    return [int(each) if each.isdigit() else each for each in pieces], file.name


def ordered_files(name: str, files: list[Path], salvage: bool) -> TapeFiles:
    """Return the files of a partition in the natural order of their names.

    Raises UsageError where one is there in two forms, or they are not of one form.
    """
    ordered = sorted(files, key=natural_order)
    if len({stem(file) for file in files}) < len(files) and not all(map(is_hour_file, files)):
        raise UsageError(f"partition {name} is in several files: {', '.join(map(str, ordered))}")
    if len({file.suffix == ".parquet" for file in files}) > 1:
        raise UsageError(
            f"partition {name} is in Parquet and in text: {', '.join(map(str, ordered))}"
        )
    return TapeFiles(tuple(file.resolve() for file in ordered), salvage)
