"""Raw frames become ticks, or dead letters with a reason.

    page    {"e":"trade",..}  (heartbeat)  {"e":"tra    {"stream":..,"data":{..}}
    batch    trade             HEARTBEAT    dead letter   quote

The compiled scanner reads most frames; those it cannot be sure of go to the strict reader, one by
one. What is read of a frame depends on that frame alone.
"""

from collections.abc import Mapping

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.errors import capture_errors
from tapeflow.operators.decode.control import NO_KEYS, Keys, decode_controls
from tapeflow.operators.decode.messages import MalformedError
from tapeflow.operators.decode.rows import INSTRUMENT, Rows, table_numbers
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.strict import Row, Symbols, read_frame
from tapeflow.operators.decode.unlisted import UnlistedReader
from tapeflow.schemas.batches import Batch, IgnoredFrames, Page, UnlistedRecords
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.control import CONTROL
from tapeflow.schemas.market import DECODED, IGNORED, MALFORMED, SLOW_PATH, UNLISTED
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.venues import venue_of
from tapeflow.schemas.venues.dialect import Dialect

FRAME_BYTES_MAX = 65_536  # of a dead letter's frame; the log has the whole of it


class Decoder(Struct, frozen=True):
    """The two readers of one venue's frames, and their tables."""

    dialect: Dialect
    symbols: Symbols
    scanner: Scanner
    tables: Ints  # by channel: the number of the table its rows belong to, -1 for none
    unlisted: UnlistedReader

    @classmethod
    def from_scanner(cls, scanner: Scanner) -> "Decoder":
        """Build a decoder whose strict reader uses the scanner's dialect and symbols."""
        unlisted = UnlistedReader(scanner.dialect, scanner.symbols)
        tables = table_numbers(scanner.dialect)
        return cls(scanner.dialect, scanner.symbols, scanner, tables, unlisted)


def step(page: Page, *, decoder: Decoder) -> Batch:
    """Decode a page. There is no state: a frame is read alike at any position."""
    scanned, status, ignored = decoder.scanner.scan(page)
    slow = (status == SLOW_PATH).nonzero()[0]
    read, dead_letters = read_slow_path(page, slow, status, ignored, decoder)
    rows = scanned.merge(Rows.from_strict(read)) if read else scanned
    market, record_instrument = rows.to_market(
        decoder.tables, page.first_offset, page.log_ns, status
    )
    numbers = (status == IGNORED).nonzero()[0]
    channel, record_instrument[numbers] = ignored[numbers].T
    return Batch(
        partition=page.partition,
        first_offset=page.first_offset,
        log_ns=page.log_ns,
        status=status,
        record_instrument=record_instrument,
        end_of_log=page.end_of_log,
        market=market,
        dead_letters=tuple(dead_letters),
        written_ns=page.written_ns,
        ignored=IgnoredFrames(page.first_offset + numbers, channel),
        unlisted=find_unlisted(page, rows, status, decoder),
    )


def find_unlisted(
    page: Page, rows: Rows, status: Ints, decoder: Decoder
) -> tuple[UnlistedRecords, ...]:
    """Return the records of symbols that are not listed."""
    alone = np.flatnonzero(status == UNLISTED)
    among = alone[:0]
    if rows.ints[INSTRUMENT].min(initial=0) < 0:
        among = np.unique(rows.frame[rows.ints[INSTRUMENT] < 0])
        among = among[status[among] != UNLISTED]
    return decoder.unlisted.read(page, alone, among) if len(alone) or len(among) else ()


def read_slow_path(
    page: Page, numbers: Ints, status: Ints, ignored: Ints, decoder: Decoder
) -> tuple[list[tuple[int, int, Row]], list[DeadLetter]]:
    """Read frames strictly, by their numbers in the page, and write status and `ignored` of each.

    Returns (frame, channel, row) of each row, and the frames that could not be read.
    """
    read, dead_letters, outcomes = [], [], []
    data, columns = page.data.data, (numbers, page.starts[numbers], page.ends[numbers])
    for number, start, end in zip(*(each.tolist() for each in columns), strict=True):
        frame = bytes(data[start:end])
        try:
            channel, rows, instrument = read_frame(decoder.dialect, frame, decoder.symbols)
        except MalformedError as error:
            outcomes.append((MALFORMED, 0, 0))
            dead_letters.append(dead_letter(page, number, str(error), frame))
        else:
            outcomes.append((DECODED if rows else IGNORED, channel, instrument))
            read += [(number, channel, row) for row in rows]
    if outcomes:
        table = np.array(outcomes, np.int64)
        status[numbers], ignored[numbers] = table[:, 0], table[:, 1:]
    return read, dead_letters


def dead_letter(page: Page, number: int, reason: str, frame: bytes) -> DeadLetter:
    """Return the dead letter of a frame, with its first FRAME_BYTES_MAX bytes."""
    return DeadLetter(
        partition=page.partition,
        offset=page.first_offset + number,
        log_ns=int(page.log_ns[number]),
        reason=reason,
        frame=frame[:FRAME_BYTES_MAX],
        length=len(frame),
    )


@operator
def decode(
    step_id: str,
    up: KeyedStream[Page],
    *,
    decoders: Mapping[str, Decoder],
    keys: Keys = NO_KEYS,
) -> KeyedStream[Batch]:
    """Decode pages of raw frames into batches of ticks; `decoders` are by venue.

    `keys` are those of the commands in a control partition.
    """

    @capture_errors
    def decode_page(page: Page) -> Batch:
        if venue_of(page.partition) == CONTROL:
            return decode_controls(page, keys)
        return step(page, decoder=decoders[venue_of(page.partition)])

    return op.map_value("page", up, decode_page)
