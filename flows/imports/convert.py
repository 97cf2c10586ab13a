"""Foreign files are converted one after the other; their tapes appear when all are complete."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from msgspec import Struct

from tapeflow.connectors.foreign.part import BadRow
from tapeflow.connectors.foreign.rows import LogTimes, Reader, Records
from tapeflow.connectors.tapes.text_writer import TextWriter
from tapeflow.flows.imports.partitions import Partitions
from tapeflow.flows.imports.source import Choices, Source, find_source
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import format_time

OVERLAP_NS = 1_000_000_000  # a file may begin so far before the end of the one before it
BAD_NAMED = 5  # of the rows of a file that cannot be read


class Imported(Struct, kw_only=True):
    """What became of a file."""

    file: str
    tape: str
    venue: str
    symbols: list[str]  # of a capture of the venue's frames: none
    kind: str  # trade, aggTrade, quote, frame
    maker_side: bool  # its column `side` was read as the maker's
    rows: int = 0  # records of the tape
    bad: int = 0  # rows that could not be read
    skipped: int = 0  # lines of a capture that are no frames
    moved: int = 0  # rows whose log time was moved to that of the row before
    moved_ns: int = 0  # by how much at most
    first_ns: int  # log times
    last_ns: int = 0


class Pending(Struct):
    """A file of which the first part is read."""

    source: Source
    parts: Iterator[Records]
    first: Records
    first_ns: int


def import_files(
    paths: list[Path],
    folder: Path,
    choices: Choices,
    notify: Notify = lambda _: None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Imported]:
    """Write the tapes of foreign files into a folder; return what became of each file.

    Raises UsageError where what a file is cannot be known or its tape is there already,
    TapeflowError for what cannot be read. Then no tape is written.
    """
    sources = [find_source(path, choices) for path in paths]
    folder.mkdir(parents=True, exist_ok=True)
    pending = [begin(source, folder if choices.sort else None) for source in sources]
    pending.sort(key=lambda each: (each.source.key, each.first_ns))
    partitions = Partitions(folder)
    clocks: dict[str, LogTimes] = {}
    writers: list[TextWriter] = []
    imported = []
    try:
        for each in pending:
            source = each.source
            partition = partitions.choose(*source.key, source.kind)
            path = partitions.name_part(partition, each.first_ns)
            if path.exists() or any(path == writer.path for writer in writers):
                raise UsageError(f"{source.path}: {path} exists: it was imported before")
            clock = clocks.setdefault(partition, LogTimes())
            check_order(each, clock)
            writers.append(TextWriter(path))
            imported.append(convert(each, writers[-1], clock, choices, notify, progress))
        for writer in writers:
            writer.complete()
    except BaseException:
        for writer in writers:
            writer.abandon()
        raise
    return imported


def begin(source: Source, sorting: Path | None) -> Pending:
    """Read the first part of a file that has rows, sorted in the folder `sorting` if there is one.

    Raises TapeflowError where there is no row.
    """
    reader = Reader(source.reading)
    parts: Iterator[Records] = map(reader.read, source.file.parts(source.reading.layout))
    if sorting is not None:
        from tapeflow.connectors.foreign.sort import sort_records  # noqa: PLC0415  # rarely needed

        parts = sort_records(parts, sorting)
    bad: list[BadRow] = []
    for records in parts:
        bad += records.bad
        if len(records.frames):
            first_ns = int(records.written_ns[0])
            return Pending(source, parts, records._replace(bad=bad), first_ns)
    if bad:
        raise TapeflowError(f"{describe_bad(source.path, bad, len(bad))}: no row can be read")
    raise TapeflowError(f"{source.path} holds no rows")


def check_order(each: Pending, clock: LogTimes) -> None:
    """Check that a file begins where the one before it in its partition has ended."""
    if each.first_ns < clock.last_ns - OVERLAP_NS:
        raise TapeflowError(
            f"{each.source.path} begins at {format_time(each.first_ns)}, before the end of the "
            f"file before it, {format_time(clock.last_ns)}: do two files hold the same rows?"
        )


def convert(
    each: Pending,
    writer: TextWriter,
    clock: LogTimes,
    choices: Choices,
    notify: Notify,
    progress: Callable[[str], None],
) -> Imported:
    """Write the rows of a file. Raises TapeflowError for bad ones, unless they are skipped."""
    imported = begin_count(each, writer)
    bad: list[BadRow] = []
    found: set[str] = set()  # symbols in a column
    clock.moved = clock.furthest_ns = 0
    for records in chain([each.first], each.parts):
        log_ns = clock.next(records.written_ns)
        writer.write(log_ns, records.frames)
        imported.rows += len(log_ns)
        imported.bad += len(records.bad)
        bad += records.bad[: BAD_NAMED - len(bad)]
        found |= records.symbols
        check_order_of_rows(each.source, clock.moved, imported.rows)
        check_one_symbol(each.source, found)
        progress(f"{imported.file}: {imported.rows:,} rows")
    progress("")
    if imported.bad:
        line = describe_bad(each.source.path, bad, imported.bad)
        if not choices.skip_bad:
            raise TapeflowError(f"{line}; nothing was written: --skip-bad leaves them out")
        notify(f"{line}; left out")
    imported.symbols = imported.symbols or sorted(found)
    imported.skipped = each.source.file.skipped
    imported.moved, imported.moved_ns = clock.moved, clock.furthest_ns
    imported.last_ns = clock.last_ns
    return imported


def begin_count(each: Pending, writer: TextWriter) -> Imported:
    """Return what is known of a file before its rows are written."""
    source, layout = each.source, each.source.reading.layout
    return Imported(
        file=str(source.path),
        tape=str(writer.path),
        venue=source.venue,
        symbols=[source.reading.symbol] if source.reading.symbol else [],
        kind=source.kind,
        maker_side=layout.by_maker and "side" in layout.columns,
        first_ns=each.first_ns,
    )


def check_order_of_rows(source: Source, moved: int, rows: int) -> None:
    """Check that no more than half of the rows lie before those above. Raises TapeflowError."""
    if moved > rows // 2:
        raise TapeflowError(
            f"{source.path} is not in the order of time: {moved:,} of its first {rows:,} rows lie "
            "before the row above them: nothing was written: --sort puts them in order"
        )


def check_one_symbol(source: Source, found: set[str]) -> None:
    """Check that a file that is said to be of one instrument has no more than one symbol.

    Raises UsageError otherwise.
    """
    if source.reading.symbol and len(found) > 1:
        some = ", ".join(sorted(found)[:BAD_NAMED])
        raise UsageError(
            f"{source.path} holds several symbols: {some}: leave out --instrument and --symbol, "
            "and say its --venue"
        )


def describe_bad(path: Path, bad: list[BadRow], count: int) -> str:
    """Return a line about the rows of a file that cannot be read."""
    named = "; ".join(f"line {each.line} {each.why}" for each in bad[:BAD_NAMED])
    more = f"; and {count - BAD_NAMED:,} more" if count > BAD_NAMED else ""
    return f"{path}: {count:,} rows cannot be read: {named}{more}"
