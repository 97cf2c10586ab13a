"""The rows of one foreign file with their log times; what could not be read of it, counted."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from tapeflow.connectors.foreign.part import BadRow
from tapeflow.connectors.foreign.rows import LogTimes, Reader, Records
from tapeflow.flows.imports.source import Choices, Source
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import format_time

OVERLAP_NS = 1_000_000_000  # a file may begin so far before the end of the one before it
BAD_NAMED = 5  # of the rows of a file that cannot be read
Rows = tuple[Ints, Any]  # log times, and an Arrow array of as many frames


class Imported(Struct, kw_only=True):
    """What became of a file."""

    file: str
    tape: str = ""
    venue: str
    symbols: list[str]  # of a capture of the venue's frames: none
    kind: str  # trade, aggTrade, quote, frame
    maker_side: bool  # its column `side` was read as the maker's
    rows: int = 0  # records of the tape
    bad: int = 0  # rows that could not be read
    skipped: int = 0  # lines of a capture that are no frames
    moved: int = 0  # rows whose log time was moved to that of the row before
    moved_ns: int = 0  # by how much at most
    first_ns: int = 0  # log times
    last_ns: int = 0


class Work(Struct, frozen=True):
    """How files are read, and who is notified."""

    choices: Choices
    folder: Path  # where rows are sorted
    notify: Notify
    progress: Callable[[str], None]


class FileRows:
    """The rows of a file: its first time, and then all of them."""

    def __init__(self, source: Source, work: Work) -> None:
        """Find the first log time.

        Raises TapeflowError where no row can be read.
        """
        self.source, self.work = source, work
        self.reader = Reader(source.reading)
        self.bad: list[BadRow] = []  # the first ones
        layout = source.reading.layout
        self.imported = Imported(
            file=str(source.path),
            venue=source.venue,
            symbols=[source.reading.symbol] if source.reading.symbol else [],
            kind=source.kind,
            maker_side=layout.by_maker and "side" in layout.columns,
        )
        self.imported.first_ns = self._find_first_ns()

    def read(self, clock: LogTimes, next_id: int | None) -> Iterator[Rows]:
        """Yield the rows in parts, and count them. `next_id`: of the first trade, if numbered here.

        Raises TapeflowError for bad rows, unless they are skipped.
        """
        counted, found = self.imported, set[str]()  # symbols in a column
        clock.moved = clock.furthest_ns = 0
        self.reader = Reader(self.source.reading, next_id)
        for records in self._parts():
            if not counted.rows and len(records.written_ns):
                self._check_begin(int(records.written_ns[0]), clock)
            log_ns = clock.next(records.written_ns)
            counted.rows += len(log_ns)
            counted.bad += len(records.bad)
            self.bad += records.bad[: BAD_NAMED - len(self.bad)]
            found |= records.symbols
            self._check_symbols(found)
            self._check_order(clock.moved)
            self.work.progress(f"{counted.file}: {counted.rows:,} rows")
            counted.moved, counted.moved_ns, counted.last_ns = (
                clock.moved, clock.furthest_ns, clock.last_ns,
            )  # fmt: skip
            yield log_ns, records.frames
        self.work.progress("")
        counted.symbols = counted.symbols or sorted(found)
        counted.skipped = self.source.file.skipped
        self._judge_bad()

    def _parts(self) -> Iterator[Records]:
        parts: Iterator[Records] = map(
            self.reader.read, self.source.file.parts(self.source.reading.layout)
        )
        if not self.work.choices.sort:
            return parts
        from tapeflow.connectors.foreign.sort import sort_records  # noqa: PLC0415  # rarely needed

        return sort_records(parts, self.work.folder)

    def _find_first_ns(self) -> int:
        """Return the first log time, of rows to be sorted the least."""
        first: list[int] = []
        bad: list[BadRow] = []
        for part in self.source.file.parts(self.source.reading.layout):
            records = self.reader.read(part)
            bad += records.bad[: BAD_NAMED - len(bad)]
            if len(records.written_ns):
                first.append(int(records.written_ns.min()))
                if not self.work.choices.sort:
                    return int(records.written_ns[0])
        if first:
            return min(first)
        if bad:
            raise TapeflowError(f"{self.source.path}: no row can be read: {name_rows(bad)}")
        raise TapeflowError(f"{self.source.path} holds no rows")

    def _check_begin(self, first_ns: int, clock: LogTimes) -> None:
        if first_ns < clock.last_ns - OVERLAP_NS:
            raise TapeflowError(
                f"{self.source.path} begins at {format_time(first_ns)}, before the end of the file "
                f"before it, {format_time(clock.last_ns)}: do two files hold the same rows?"
            )

    def _check_symbols(self, found: set[str]) -> None:
        if self.source.reading.symbol and len(found) > 1:
            some = ", ".join(sorted(found)[:BAD_NAMED])
            raise UsageError(
                f"{self.source.path} holds several symbols: {some}: leave out --instrument and "
                "--symbol, and say its --venue"
            )

    def _check_order(self, moved: int) -> None:
        rows = self.imported.rows
        if moved > rows // 2:
            raise TapeflowError(
                f"{self.source.path} is not in the order of time: {moved:,} of its first {rows:,} "
                "rows lie before the row above them: nothing was written: --sort puts them in order"
            )

    def _judge_bad(self) -> None:
        count = self.imported.bad
        if not count:
            return
        more = f"; and {count - BAD_NAMED:,} more" if count > BAD_NAMED else ""
        line = f"{self.source.path}: {count:,} rows cannot be read: {name_rows(self.bad)}{more}"
        if not self.work.choices.skip_bad:
            raise TapeflowError(f"{line}; nothing was written: --skip-bad leaves them out")
        self.work.notify(f"{line}; left out")


def name_rows(bad: list[BadRow]) -> str:
    """Return where bad rows are, and why they are bad."""
    return "; ".join(f"line {each.line} {each.why}" for each in bad)


class Course:
    """What goes on from file to file of one kind in a partition: log times, and numbers of ours."""

    def __init__(self) -> None:
        """Begin with the first file."""
        self.clock = LogTimes()
        self.next_id: int | None = None

    def read(self, files: Iterable[FileRows]) -> Iterator[Rows]:
        """Yield the rows of the next files."""
        for file in files:
            yield from file.read(self.clock, self.next_id)
            self.next_id = file.reader.next_id
