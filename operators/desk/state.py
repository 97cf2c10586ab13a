"""The settings of an account, its state, and the snapshot of its state."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct

from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import Merge
from tapeflow.operators.desk.paper import Match
from tapeflow.operators.desk.positions import ZERO, PositionState
from tapeflow.operators.desk.rates import foreign_instruments
from tapeflow.operators.desk.reach import reach_of_order, reach_of_position
from tapeflow.operators.desk.risk import ApprovedExposure
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.arrow import to_array
from tapeflow.schemas.columns import Columns, Ints
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.desk_market import DeskMarket
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.orders import Order
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import LogPosition


class AccountContext(Struct, frozen=True):
    """The settings of one account, and the tables of its job."""

    account: str
    limits: Limits
    partitions: tuple[str, ...]  # all of the run, in the order in which they are read
    instruments: InstrumentTable
    latency_ns: int  # from the decision to the venue
    fee_rate: Decimal  # of notional
    money_digits: int  # digits after the point that money is rounded to
    sample_ns: int  # between samples of equity, in log time
    stale_mark_ns: int  # equity names the time of a mark that is older than this
    at_par: tuple[str, ...]  # currencies that are added up one to one


@dataclass(slots=True)
class State:
    """The state of one account, changed in place."""

    merge: Merge
    instrument_partition: Ints  # by instrument: number of its partition, -1 before its first tick
    approved: ApprovedExposure = field(default_factory=ApprovedExposure)
    intents: list[tuple[tuple[Any, ...], Intent]] = field(default_factory=list)  # a heap
    matches: list[Match] = field(default_factory=list)  # a heap; empty between steps
    resting: list[Order] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    sample_ns: int = 0  # log time of the next equity sample; 0: none before the next fill
    reach: Decimal = ZERO  # of all positions and resting orders: see reach.py
    seq: int = 0

    def next_seq(self) -> int:
        """Return the next running number."""
        self.seq += 1
        return self.seq


def initial_state(context: AccountContext) -> State:
    """Return the state before any record."""
    instruments = len(context.instruments)
    merge = Merge(context.partitions, Marks.empty(instruments))
    foreign = foreign_instruments(context.instruments, context.at_par)
    return State(merge, np.full(instruments, -1, np.int64), books=Books(foreign))


class Snapshot(Struct):
    """The plain form of an account's state."""

    next: dict[str, int]
    frontier: dict[str, LogPosition]
    horizon: LogPosition
    log_ns: int
    marks_changed: bool
    pending: dict[str, dict[str, bytes]]  # by partition and table of DeskMarket: Arrow IPC
    marks: list[bytes]  # in the order of the fields of Marks
    instrument_partition: bytes
    units: dict[str, Decimal]
    notional: dict[str, Decimal]
    times_ns: list[int]
    intents: list[Intent]
    resting: list[Order]
    positions: list[tuple[str, str, PositionState]]
    sample_ns: int
    seq: int


SNAPSHOTS = msgspec.msgpack.Decoder(Snapshot)  # made here, and not by two threads at once


def snapshot(state: State) -> bytes:
    """Return the state as msgpack. The engine snapshots between steps, when no match is left."""
    assert not state.matches, "a match is left between steps"
    merge, approved = state.merge, state.approved
    tables = DeskMarket.tables()
    return msgspec.msgpack.encode(
        Snapshot(
            next=merge.next,
            frontier=merge.frontier,
            horizon=merge.horizon,
            log_ns=merge.log_ns,
            marks_changed=merge.marks_changed,
            pending={
                partition: {name: to_ipc(tables[name], chunks) for name, chunks in pending.items()}
                for partition, pending in merge.pending.items()
            },
            marks=[column.tobytes() for column in merge.marks.columns()],
            instrument_partition=state.instrument_partition.tobytes(),
            units=approved.units,
            notional=approved.notional,
            times_ns=list(approved.times_ns),
            intents=[intent for _, intent in sorted(state.intents)],
            resting=state.resting,
            positions=[*state.books.rows()],
            sample_ns=state.sample_ns,
            seq=state.seq,
        )
    )


def restore(encoded: bytes, context: AccountContext) -> State:
    """Return the state of a snapshot."""
    saved = SNAPSHOTS.decode(encoded)
    tables = DeskMarket.tables()
    pending = {
        partition: {name: deque(from_ipc(tables[name], ipc)) for name, ipc in chunks.items()}
        for partition, chunks in saved.pending.items()
    }
    marks = Marks.empty(len(context.instruments))
    for column, encoded_column in zip(marks.columns(), saved.marks, strict=True):
        assert column.nbytes == len(encoded_column), "the table of instruments has changed"
        column[:] = np.frombuffer(encoded_column, column.dtype).reshape(column.shape)
    merge = Merge(
        context.partitions,
        marks,
        saved.next,
        saved.frontier,
        pending,
        saved.horizon,
        saved.log_ns,
        saved.marks_changed,
    )
    with localcontext(DECIMAL_CONTEXT):
        foreign = foreign_instruments(context.instruments, context.at_par)
        books = Books.from_rows(saved.positions, foreign)
    return State(
        merge=merge,
        instrument_partition=np.frombuffer(saved.instrument_partition, np.int64).copy(),
        approved=ApprovedExposure(saved.units, saved.notional, deque(saved.times_ns)),
        intents=[(intent.sort_key, intent) for intent in saved.intents],
        resting=saved.resting,
        books=books,
        sample_ns=saved.sample_ns,
        reach=reach_of_account(saved, context.instruments),
        seq=saved.seq,
    )


def reach_of_account(saved: Snapshot, table: InstrumentTable) -> Decimal:
    """Return the reach of all positions and resting orders of a snapshot."""
    orders = (reach_of_order(o.size, table.get(o.instrument).multiplier) for o in saved.resting)
    positions = (
        reach_of_position(position, table.get(name).multiplier)
        for _, name, position in saved.positions
    )
    with localcontext(DECIMAL_CONTEXT):
        return sum(orders, ZERO) + sum(positions, ZERO)


def to_ipc(kind: type[Columns], chunks: Sequence[Columns]) -> bytes:
    """Return chunks of columns as one Arrow IPC stream; empty where there are none."""
    if not chunks:
        return b""
    whole = kind.concat(list(chunks))
    arrays = [to_array(column) for column in whole.arrays()]
    batch = pa.RecordBatch.from_arrays(arrays, [*kind.column_names()])
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def from_ipc(kind: type[Columns], ipc: bytes) -> list[Any]:
    """Return the columns of an Arrow IPC stream as one chunk, or none."""
    if not ipc:
        return []
    table = pa.ipc.open_stream(ipc).read_all()
    return [kind(*(column.to_numpy() for column in table.columns))]
