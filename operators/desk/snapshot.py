"""The snapshot of the desk as plain values.

    state ── snapshot ──▶ msgpack ── restore ──▶ state, with the accounts of the job as it is now

What is new in the job begins empty: instruments, which are numbered after all others, and accounts.
An account that has gone is remembered, and refused while it holds a position or has an order.
"""

from collections import deque
from decimal import Decimal, localcontext
from heapq import heappush
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct

from tapeflow.operators.desk.account import AccountRows, account_of, account_rows
from tapeflow.operators.desk.funding_terms import FundingDue
from tapeflow.operators.desk.merge import Merge, Pending
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.rates import foreign_instruments
from tapeflow.operators.desk.reach import reach_of_order, reach_of_position
from tapeflow.operators.desk.risk import ApprovedExposure
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.slices import due_timers
from tapeflow.operators.desk.state import AccountState, DeskBar, State, initial_state
from tapeflow.operators.desk.venue.snapshot import VenueSnapshot
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.operators.desk.working import DONE, Sliced, Working
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.arrow import to_array
from tapeflow.schemas.columns import Columns, Floats, Ints
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.desk_market import DeskMarket
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.orders import Report
from tapeflow.schemas.signals import AnyIntent
from tapeflow.schemas.time import LogPosition


class AccountSnapshot(Struct):
    """The plain form of an account's state."""

    name: str
    units: dict[str, Decimal]
    notional: dict[str, Decimal]
    unit_notional: dict[str, Decimal]
    times_ns: list[int]
    money: AccountRows
    sample_ns: int
    marks_changed: bool  # since its last sample
    seq: int
    event_seq: int
    command_seq: int
    funding_seq: int


class Snapshot(Struct):
    """The plain form of the desk's state."""

    next: dict[str, int]
    frontier: dict[str, LogPosition]
    horizon: LogPosition
    log_ns: int
    pending: dict[str, list[bytes]]  # by partition, a table each of DeskMarket: Arrow IPC
    clocks: dict[str, bytes]
    marks: list[bytes]  # in the order of the fields of Marks
    funding: list[bytes]  # in the order of the fields of FundingTerms
    dues: list[FundingDue]
    instrument_partition: bytes
    venue: VenueSnapshot
    orders: list[Working]
    accounts: list[AccountSnapshot]
    intents: list[AnyIntent]
    sliced: list[Sliced]
    bars: list[DeskBar]
    answers: list[Report]  # in the order in which they will be heard


SNAPSHOTS = msgspec.msgpack.Decoder(Snapshot)  # made here, and not by two threads at once


def snapshot(state: State) -> bytes:
    """Return the state as msgpack. The engine snapshots between steps."""
    assert not state.searched, "the desk is in the middle of a step"
    merge, tables = state.merge, tuple(DeskMarket.tables().values())
    return msgspec.msgpack.encode(
        Snapshot(
            next=merge.next,
            frontier=merge.frontier,
            horizon=merge.horizon,
            log_ns=merge.log_ns,
            pending={
                partition: [to_ipc(*each) for each in zip(tables, pending, strict=True)]
                for partition, pending in merge.pending.items()
            },
            clocks={partition: clock.tobytes() for partition, clock in merge.clocks.items()},
            marks=[column.tobytes() for column in merge.marks.columns()],
            funding=[column.tobytes() for column in state.funding.columns()],
            dues=[due for *_, due in sorted(state.dues, key=itemgetter(0, 1))],
            instrument_partition=state.instrument_partition.tobytes(),
            venue=state.venue.snapshot(),
            orders=[*state.orders.rows()],
            accounts=[account_snapshot(each, merge) for each in state.accounts.values()],
            intents=[intent for _, _, intent in sorted(state.intents, key=itemgetter(0, 1))],
            sliced=[*state.orders.slices.values()],
            bars=sorted(state.bars),
            answers=[report for _, _, report in sorted(state.answers, key=itemgetter(0, 1))],
        )
    )


def account_snapshot(account: AccountState, merge: Merge) -> AccountSnapshot:
    """Return the plain form of an account's state."""
    approved = account.approved
    return AccountSnapshot(
        name=account.name,
        units=approved.units,
        notional=approved.notional,
        unit_notional=approved.unit_notional,
        times_ns=list(approved.times_ns),
        money=account_rows(account.money),
        sample_ns=account.sample_ns,
        marks_changed=account.sampled_releases != merge.releases,
        seq=account.seq,
        event_seq=account.event_seq,
        command_seq=account.command_seq,
        funding_seq=account.funding_seq,
    )


def restore(encoded: bytes, settings: DeskSettings) -> State:
    """Return the state of a snapshot.

    Raises TapeflowError for an account that has gone and holds a position or has an order.
    """
    saved = SNAPSHOTS.decode(encoded)
    state = initial_state(settings)
    restore_merge(state.merge, saved)
    copy_known(state.instrument_partition, saved.instrument_partition)
    for column, encoded_column in zip(state.funding.columns(), saved.funding, strict=True):
        copy_known(column, encoded_column)
    state.dues = [(due.position, due.instrument, due) for due in saved.dues]
    state.venue = Venue.restore(saved.venue, settings.paper, settings.instruments)
    state.orders = WorkingOrders.from_rows(saved.orders, saved.sliced)
    with localcontext(DECIMAL_CONTEXT):
        for account in saved.accounts:
            state.accounts[account.name] = restore_account(account, state, settings)
    check_accounts(state, settings)
    for intent in saved.intents:
        state.add_intent(intent)
    state.answers = [
        (report.position[0], number, report) for number, report in enumerate(saved.answers)
    ]
    state.bars = saved.bars
    for timer in due_timers(state.orders):
        heappush(state.slice_timers, (timer.due_ns, timer.order_id))
    state.answer_number = len(saved.answers)
    state.watch_orders()
    state.searched.clear()
    return state


def restore_merge(merge: Merge, saved: Snapshot) -> None:
    """Restore the progress of the partitions, the pending ticks, and the marks."""
    merge.next, merge.frontier = saved.next, saved.frontier
    merge.horizon, merge.log_ns = saved.horizon, saved.log_ns
    tables = DeskMarket.tables().values()
    for partition, pending in saved.pending.items():
        merge.pending[partition] = tuple(
            Pending(deque(from_ipc(*each))) for each in zip(tables, pending, strict=True)
        )
    for partition, clock in saved.clocks.items():
        merge.clocks[partition] = np.frombuffer(clock, np.int64).copy()
    for column, encoded in zip(merge.marks.columns(), saved.marks, strict=True):
        copy_known(column, encoded)


def copy_known(column: Ints | Floats, encoded: bytes) -> None:
    """Copy the rows of a snapshot to the first rows of a column: later ones are new instruments."""
    known = np.frombuffer(encoded, column.dtype).reshape(-1, *column.shape[1:])
    assert len(known) <= len(column), "the table of instruments has shrunk"
    column[: len(known)] = known


def restore_account(saved: AccountSnapshot, state: State, settings: DeskSettings) -> AccountState:
    """Return the state of an account; its reach is that of all it has."""
    table = settings.instruments
    orders = [each for each in state.orders.rows() if each.order.account == saved.name]
    reach = sum(
        (
            reach_of_position(each, table.get(name).multiplier)
            for _, name, each in saved.money.positions
        ),
        ZERO,
    )
    reach += sum(
        (
            reach_of_order(each.leaves, table.get(each.order.instrument).multiplier)
            for each in orders
        ),
        ZERO,
    )
    known = settings.accounts.get(saved.name)
    foreign = foreign_instruments(table, known.at_par) if known else frozenset()
    account = AccountState(
        name=saved.name,
        approved=ApprovedExposure(
            saved.units, saved.notional, saved.unit_notional, deque(saved.times_ns)
        ),
        money=account_of(saved.money, foreign),
        reach=reach,
        sample_ns=saved.sample_ns,
        sampled_releases=-1 if saved.marks_changed else state.merge.releases,
        seq=saved.seq,
        event_seq=saved.event_seq,
        command_seq=saved.command_seq,
        funding_seq=saved.funding_seq,
    )
    if account.sample_ns:
        state.add_sample(account)
    return account


def is_open(working: Working, account: str) -> bool:
    """Return whether an order is of an account and lives."""
    return working.order.account == account and working.phase != DONE


def check_accounts(state: State, settings: DeskSettings) -> None:
    """Refuse a state of which an account has gone that is not done.

    Raises TapeflowError, naming the account.
    """
    for name, account in state.accounts.items():
        if name in settings.accounts:
            continue
        held = sorted({i for _, i, position in account.money.books.rows() if position.quantity})
        held += sorted(each.order.instrument for each in state.orders.rows() if is_open(each, name))
        if held:
            raise TapeflowError(
                f"account {name} is not in the job any more and holds {held[0]}: close it first"
            )


def to_ipc(kind: type[Columns], pending: Pending) -> bytes:
    """Return the pending rows of a table as one Arrow IPC stream; empty where there are none."""
    if not pending.chunks:
        return b""
    whole = kind.concat(list(pending.chunks)).take(slice(pending.begin, None))
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
