"""Raw frames become ticks, or dead letters with a reason.

    page    {"e":"trade",..}  (heartbeat)  {"e":"tra    {"stream":..,"data":{..}}
    batch    trade             HEARTBEAT    dead letter   quote

The scanner reads what is plain, at compiled speed; any frame it doubts goes to the strict reader,
one by one. What they say of a frame depends on that frame alone.
"""

from collections.abc import Mapping

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.engine.errors import capture_errors
from tapeflow.operators.decode.rows import Rows
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.strict import MalformedError, Row, Symbols, read_frame
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.columns import Bools, Ints
from tapeflow.schemas.market import DECODED, IGNORED, MALFORMED, SLOW_PATH
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.venues import venue_of
from tapeflow.schemas.venues.dialect import Dialect

FRAME_KEPT = 65_536  # bytes of a dead letter's frame; the log has the whole of it


class Decoder(Struct, frozen=True):
    """How to read the frames of one venue."""

    dialect: Dialect
    symbols: Symbols
    scanner: Scanner
    is_trade: Bools  # by channel: are its rows trades? Else they are quotes

    @classmethod
    def of(cls, scanner: Scanner) -> "Decoder":
        """What the scanner doubts is read by the same dialect and symbols."""
        is_trade = np.array([each.row == "trade" for each in scanner.dialect.channels], np.bool_)
        return cls(scanner.dialect, scanner.symbols, scanner, is_trade)


def step(page: Page, *, decoder: Decoder) -> Batch:
    """Decode a page. No state: a frame says the same wherever it stands."""
    scanned, status = decoder.scanner.scan(page)
    doubted = (status == SLOW_PATH).nonzero()[0]
    read, dead = read_slow_path(page, doubted, status, decoder)
    rows = scanned.merged(Rows.of(read)) if read else scanned
    trades, quotes, owner = rows.ticks(decoder.is_trade, page.lo, page.log_ns, status)
    return Batch(
        partition=page.partition,
        lo=page.lo,
        log_ns=page.log_ns,
        status=status,
        owner=owner,
        end=page.end,
        trades=trades,
        quotes=quotes,
        dead=tuple(dead),
    )


def read_slow_path(
    page: Page, doubted: Ints, status: Ints, decoder: Decoder
) -> tuple[list[tuple[int, int, Row]], list[DeadLetter]]:
    """Read frames strictly, and write into `status` what became of each."""
    read, dead = [], []
    for number in doubted.tolist():
        frame = page.frame(number)
        try:
            channel, rows = read_frame(decoder.dialect, frame, decoder.symbols)
        except MalformedError as error:
            status[number] = MALFORMED
            dead.append(dead_letter(page, number, str(error), frame))
        else:
            status[number] = DECODED if rows else IGNORED
            read += [(number, channel, row) for row in rows]
    return read, dead


def dead_letter(page: Page, number: int, reason: str, frame: bytes) -> DeadLetter:
    """Keep the frame, or the beginning of a huge one."""
    return DeadLetter(
        partition=page.partition,
        offset=page.lo + number,
        log_ns=int(page.log_ns[number]),
        reason=reason,
        frame=frame[:FRAME_KEPT],
        length=len(frame),
    )


@operator
def decode(
    step_id: str, up: KeyedStream[Page], *, decoders: Mapping[str, Decoder]
) -> KeyedStream[Batch]:
    """Pages of raw frames into batches of ticks, by the decoder of their venue."""

    @capture_errors
    def each(page: Page) -> Batch:
        return step(page, decoder=decoders[venue_of(page.partition)])

    return op.map_value("page", up, each)
