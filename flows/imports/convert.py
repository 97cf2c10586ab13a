"""Foreign files are converted; their tapes appear when all are complete.

files of one symbol and kind     a tape each, in the order of time
its trades and its quotes        one tape of both, merged by log time
"""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from tapeflow.connectors.tapes.text_writer import TextWriter
from tapeflow.flows.imports.file_rows import Course, FileRows, Imported, Work
from tapeflow.flows.imports.merge import merge_rows
from tapeflow.flows.imports.partitions import Partitions
from tapeflow.flows.imports.source import Choices, find_source
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.notify import Notify

ORDER = ("frame", "trade", "aggTrade", "quote")  # of what has one log time


class Tape(Struct):
    """A tape to be written, and the files that become it: of each kind, in the order of time."""

    partition: str
    path: Path
    streams: list[tuple[Course, list[FileRows]]]

    def files(self) -> list[FileRows]:
        """Return all its files."""
        return [file for _, some in self.streams for file in some]


def import_files(
    paths: list[Path],
    folder: Path,
    choices: Choices,
    notify: Notify = lambda _: None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Imported]:
    """Write the tapes of foreign files into a folder; return what became of each file.

    Raises UsageError where what a file is cannot be known or its tape is there already,
    TapeflowError for what cannot be read or written. Then no tape is written.
    """
    sources = [find_source(path, choices) for path in paths]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Work(choices, folder, notify, progress)
        partitions = Partitions(folder)
        tapes = plan_tapes([FileRows(source, work) for source in sources], partitions)
        write_tapes(tapes, partitions)
    except OSError as error:
        raise TapeflowError(f"{folder}: cannot be written: {error.strerror}") from None
    return [file.imported for tape in tapes for file in tape.files()]


def plan_tapes(files: list[FileRows], partitions: Partitions) -> list[Tape]:
    """Return the tapes that files become.

    Raises UsageError where one is there, TapeflowError for kinds that are not to be mixed.
    """

    def order(file: FileRows) -> tuple[tuple[str, str], int, int]:
        return file.source.key, ORDER.index(file.source.kind), file.imported.first_ns

    tapes: list[Tape] = []
    for (venue, symbol), group in groupby(sorted(files, key=order), lambda each: each.source.key):
        of_key = [*group]
        for file in of_key:  # the same for all of them
            partition = partitions.choose(venue, symbol, file.source.kind)
        by_kind = [[*some] for _, some in groupby(of_key, key=lambda each: each.source.kind)]
        course = Course()  # of files of one kind, from tape to tape
        alone = [[(course, [file])] for file in of_key]
        for streams in alone if len(by_kind) == 1 else [[(Course(), some) for some in by_kind]]:
            first_ns = min(file.imported.first_ns for _, some in streams for file in some)
            tapes.append(Tape(partition, partitions.name_part(partition, first_ns), streams))
            check_new(tapes)
    return tapes


def check_new(tapes: list[Tape]) -> None:
    """Check that the last of these tapes is not there yet. Raises UsageError otherwise."""
    last = tapes[-1]
    if last.path.exists() or any(last.path == each.path for each in tapes[:-1]):
        path = last.files()[0].source.path
        raise UsageError(f"{path}: {last.path} exists: it was imported before")


def write_tapes(tapes: list[Tape], partitions: Partitions) -> None:
    """Write tapes, which appear together when all are complete, or none of them."""
    writers: list[TextWriter] = []
    try:
        for tape in tapes:
            writers.append(TextWriter(tape.path))
            for rows in merge_rows([course.read(some) for course, some in tape.streams]):
                writers[-1].write(*rows)
            last_ns = max(file.imported.last_ns for file in tape.files())
            partitions.check_between(tape.partition, tape.path, last_ns)
            for file in tape.files():
                file.imported.tape = str(tape.path)
        for writer in writers:
            writer.complete()
    except BaseException:
        for writer in writers:
            writer.abandon()
        raise
