"""Which symbols are in frames about instruments that the job does not list, and how often.

    frames of status UNLISTED ──kernel: the text behind "s":" ──▶ groups of the same bytes
    frames with some unlisted rows ──strict reader, one by one──▶ their symbols

What the kernel finds counts only if the strict reader finds the same in the first frame of a group;
it reads each new symbol once. Frames of listed instruments cost nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
from msgspec.structs import replace

from tapeflow.engine.compiled import by_numbers, compiled
from tapeflow.operators.decode.messages import MalformedError
from tapeflow.operators.decode.strict import Symbols, read_frame
from tapeflow.schemas.batches import Page, UnlistedRecords
from tapeflow.schemas.columns import Bytes, Ints, Ints2, Written
from tapeflow.schemas.time import NS_PER_MINUTE
from tapeflow.schemas.venues.dialect import Dialect, Field, Kind, Shape

SYMBOL_CHARS_MAX = 64  # of a symbol; what is longer is cut
CONFIRMED_MAX = 10_000  # symbols that are remembered
FEW = 4  # frames that are read one by one sooner than in groups
HASH_SEED, HASH_PRIME, HASH_MASK = 0x4BF29CE484222325, 1_099_511_628_211, 2**63 - 1  # FNV-1a


class RecordingSymbols(dict[str, int]):
    """The symbols of a venue; remembers those that were looked up and are not listed."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(symbols)
        self.missing: dict[str, None] = {}  # in the order of their rows

    def get(self, symbol: str, default: int) -> int:  # type: ignore[override]
        """Return the number of a symbol, or `default`."""
        if symbol not in self:
            self.missing[symbol[:SYMBOL_CHARS_MAX]] = None
        return super().get(symbol, default)


class UnlistedReader:
    """Finds the unlisted symbols of one venue's frames."""

    def __init__(self, dialect: Dialect, symbols: Symbols) -> None:
        self.dialect, self.symbols = dialect, symbols
        names = {name for channel in dialect.channels for name in symbol_names(channel.shape)}
        self.keys = [np.frombuffer(f'"{name}":"'.encode(), np.uint8) for name in sorted(names)]
        self.confirmed: dict[bytes, str] = {}  # bytes behind a key, and the symbol they are

    def read(self, page: Page, alone: Ints, among_others: Ints) -> tuple[UnlistedRecords, ...]:
        """Return how many records hold each unlisted symbol, by minute of log time.

        `alone` are the numbers of frames without a listed instrument, `among_others` of the others
        that hold unlisted symbols.
        """
        found: dict[tuple[int, str], UnlistedRecords] = {}
        one_by_one = among_others
        if len(alone) > FEW:
            for frames, symbols in self._groups(page, alone):
                add(found, page, symbols, frames)
        else:
            one_by_one = np.union1d(alone, among_others) if len(among_others) else alone
        for number in one_by_one.tolist():
            add(found, page, self._read_strictly(page, number), np.array([number]))
        return tuple(found[key] for key in sorted(found))

    def _groups(self, page: Page, numbers: Ints) -> Iterator[tuple[Ints, Iterable[str]]]:
        """Yield frames, ascending, that hold the same symbols."""
        texts = np.zeros((3, len(numbers)), np.int64)  # begin, end and hash of the symbol
        for key in self.keys:
            find_texts(page.data, page.starts, page.ends, numbers, key, texts)
        begins, ends, hashes = texts
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        order = np.argsort(group, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(group))[:-1]) if len(first) else ()
        for at, rows in zip(first, groups, strict=True):
            text = page.data[begins[at] : ends[at]].tobytes()
            symbol = self._confirm(page, int(numbers[at]), text) if ends[at] else None
            if symbol is not None:
                yield numbers[rows], (symbol,)
                continue
            for number in numbers[rows]:  # written in another way: escaped, or with spaces
                yield np.array([number]), self._read_strictly(page, int(number))

    def _confirm(self, page: Page, number: int, text: bytes) -> str | None:
        """Return the symbol that the bytes behind a key are; None where the frame has another."""
        if text not in self.confirmed:
            symbols = self._read_strictly(page, number)
            with suppress(UnicodeDecodeError):
                if [*symbols] == [text.decode()[:SYMBOL_CHARS_MAX]]:
                    if len(self.confirmed) >= CONFIRMED_MAX:
                        self.confirmed.clear()
                    self.confirmed[text] = next(iter(symbols))
        return self.confirmed.get(text)

    def _read_strictly(self, page: Page, number: int) -> Iterable[str]:
        symbols = RecordingSymbols(self.symbols)
        with suppress(MalformedError):
            read_frame(self.dialect, page.frame(number), symbols)
        return symbols.missing


def symbol_names(shape: "Shape | list[Shape]") -> Iterator[str]:
    """Yield the keys under which a shape has a symbol."""
    if isinstance(shape, list):
        for each in shape:
            yield from symbol_names(each)
        return
    for name, part in shape.items():
        if not isinstance(part, Field):
            yield from symbol_names(part)
        elif part.kind is Kind.SYMBOL:
            yield name


def add(
    found: dict[tuple[int, str], UnlistedRecords], page: Page, symbols: Iterable[str], frames: Ints
) -> None:
    """Count frames, ascending, for each of the symbols that all of them hold."""
    minutes = page.log_ns[frames] // NS_PER_MINUTE
    for minute in sorted(set(minutes.tolist())):
        rows = frames[minutes == minute]
        first, last = int(rows[0]), int(rows[-1])
        records = UnlistedRecords(
            symbol="",
            minute=minute,
            records=len(rows),
            first_offset=page.first_offset + first,
            first_log_ns=int(page.log_ns[first]),
            last_log_ns=int(page.log_ns[last]),
        )
        for symbol in symbols:
            key = minute, symbol
            new = replace(records, symbol=symbol)
            found[key] = found[key].merge(new) if key in found else new


@compiled
@by_numbers
def find_texts(
    data: Bytes, starts: Ints, ends: Ints, numbers: Ints, key: Bytes, texts: Written[Ints2]
) -> None:
    """Write begin, end and hash of the string behind the first `key` of each frame.

    `texts` is (3, len(numbers)); a frame that has one already is left alone.
    """
    size = len(key)
    for row in range(len(numbers)):
        if texts[1, row]:
            continue
        last = ends[numbers[row]] - size
        at = starts[numbers[row]]
        while at <= last:
            same = 0
            while same < size and data[at + same] == key[same]:
                same += 1
            if same == size:
                break
            at += 1
        if at > last:
            continue
        begin = at + size
        end = begin
        mixed = HASH_SEED
        while end < last + size and data[end] != 34:  # the closing quote
            mixed = ((mixed ^ int(data[end])) * HASH_PRIME) & HASH_MASK
            end += 1
        texts[0, row], texts[1, row], texts[2, row] = begin, end, mixed
