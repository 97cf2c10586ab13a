"""What a desk is told once, what it knows, and how that is kept over a restart."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct

from tapeflow.operators.desk.merge import Marks, Merge, Pending
from tapeflow.operators.desk.paper import Match
from tapeflow.operators.desk.positions import PositionState
from tapeflow.operators.desk.risk import ApprovedExposure
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.columns import Columns, Ints
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.market import Quotes, Trades
from tapeflow.schemas.orders import Order
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import LogPosition

STATE_VERSION = 2


class AccountContext(Struct, frozen=True):
    """The settings of one account's desk."""

    account: str
    limits: Limits
    partitions: tuple[str, ...]  # all that will ever speak in this run, in the order of their turns
    instruments: tuple[Instrument, ...]  # the job's table, sorted by id
    number: dict[str, int]  # id -> place in the table
    latency_ns: int  # from the decision to the venue
    fee_rate: Decimal  # of notional
    money_digits: int  # digits after the point that money is rounded to
    sample_ns: int  # between samples of equity, in log time

    def of(self, instrument: str) -> Instrument:
        """Look an instrument up."""
        return self.instruments[self.number[instrument]]


@dataclass(slots=True)
class State:
    """Everything a desk remembers; the step owns it and changes it in place."""

    merge: Merge
    owner: Ints  # by instrument: number of the partition it comes from, -1 if not heard of
    approved: ApprovedExposure = field(default_factory=ApprovedExposure)
    intents: list[tuple[tuple[Any, ...], Intent]] = field(default_factory=list)  # a heap
    hits: list[Match] = field(default_factory=list)  # a heap; empty between steps
    resting: list[Order] = field(default_factory=list)
    books: dict[tuple[str, str], PositionState] = field(
        default_factory=dict
    )  # by (strategy, instrument)
    sample_ns: int = 0  # when the next sample of equity is due; 0: not before a fill
    seq: int = 0

    def number(self) -> int:
        """The next running number."""
        self.seq += 1
        return self.seq


def start(partitions: tuple[str, ...], instruments: int) -> State:
    """Nothing heard of, nothing held."""
    return State(Merge(partitions, Marks.of(instruments)), np.full(instruments, -1, np.int64))


class Kept(Struct):
    """The plain form of a desk's state."""

    version: int
    next: dict[str, int]
    frontier: dict[str, LogPosition]
    horizon: LogPosition
    log_ns: int
    marks_changed: bool
    pending: dict[str, tuple[bytes, bytes]]  # trades and quotes as Arrow IPC
    marks: tuple[bytes, bytes, bytes]
    owner: bytes
    units: dict[str, Decimal]
    notional: dict[str, Decimal]
    times_ns: list[int]
    intents: list[Intent]
    resting: list[Order]
    books: list[tuple[str, str, PositionState]]
    sample_ns: int
    seq: int


def keep(state: State) -> bytes:
    """Write the state as plain bytes. It is kept between steps, when no hit waits."""
    assert not state.hits, "a hit waits between steps"
    merge, approved = state.merge, state.approved
    pending = {
        name: (packed(Trades, mine.trades), packed(Quotes, mine.quotes))
        for name, mine in merge.pending.items()
    }
    return msgspec.msgpack.encode(
        Kept(
            version=STATE_VERSION,
            next=merge.next,
            frontier=merge.frontier,
            horizon=merge.horizon,
            log_ns=merge.log_ns,
            marks_changed=merge.marks_changed,
            pending=pending,
            marks=(
                merge.marks.last.tobytes(),
                merge.marks.bid.tobytes(),
                merge.marks.ask.tobytes(),
            ),
            owner=state.owner.tobytes(),
            units=approved.units,
            notional=approved.notional,
            times_ns=list(approved.times_ns),
            intents=[intent for _, intent in sorted(state.intents)],
            resting=state.resting,
            books=[(*key, book) for key, book in state.books.items()],
            sample_ns=state.sample_ns,
            seq=state.seq,
        )
    )


def resume(partitions: tuple[str, ...], instruments: int, kept: bytes) -> State:
    """The state again."""
    was = msgspec.msgpack.decode(kept, type=Kept)
    assert was.version == STATE_VERSION, f"desk state of version {was.version}"
    pending = {
        name: Pending(deque(unpacked(Trades, trades)), deque(unpacked(Quotes, quotes)))
        for name, (trades, quotes) in was.pending.items()
    }
    marks = Marks(*(np.frombuffer(prices, np.float64).copy() for prices in was.marks))
    assert len(marks.last) == instruments, "the instrument table has changed under the state"
    merge = Merge(
        partitions,
        marks,
        was.next,
        was.frontier,
        pending,
        was.horizon,
        was.log_ns,
        was.marks_changed,
    )
    return State(
        merge=merge,
        owner=np.frombuffer(was.owner, np.int64).copy(),
        approved=ApprovedExposure(was.units, was.notional, deque(was.times_ns)),
        intents=[(intent.sort_key, intent) for intent in was.intents],
        resting=was.resting,
        books={(strategy, instrument): book for strategy, instrument, book in was.books},
        sample_ns=was.sample_ns,
        seq=was.seq,
    )


def packed(kind: type[Columns], chunks: Sequence[Columns]) -> bytes:
    """Pending columns as one Arrow IPC stream."""
    if not chunks:
        return b""
    joined = kind.concat(list(chunks))
    columns = [pa.array(column) for column in joined.arrays()]
    batch = pa.RecordBatch.from_arrays(columns, [*kind.names()])
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def unpacked(kind: type[Columns], kept: bytes) -> list[Any]:
    """The columns again: one chunk, or none."""
    if not kept:
        return []
    table = pa.ipc.open_stream(kept).read_all()
    return [kind(*(column.to_numpy() for column in table.columns))]
