"""The snapshot of the desk as plain values.

    state ── snapshot ──▶ msgpack ── restore ──▶ state, with the accounts of the job as it is now

Instruments go by their names: the job may have got new ones, which begin empty, and lost others.
What the job does not trade any more must be flat: see held.py. An account that has gone is
remembered, with the running numbers of its facts. Partitions that are new come last.
"""

from collections import deque
from decimal import localcontext
from heapq import heappush
from itertools import chain
from operator import itemgetter

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from tapeflow.engine.renumbering import GONE, find_numbers
from tapeflow.operators.desk.account_snapshot import (
    AccountSnapshot,
    account_snapshot,
    restore_account,
)
from tapeflow.operators.desk.exposure import restore_risk
from tapeflow.operators.desk.funding_terms import FundingDue
from tapeflow.operators.desk.held import check_followed, check_held, held_orders, held_positions
from tapeflow.operators.desk.merge import Merge, Pending
from tapeflow.operators.desk.pending import from_ipc, restore_column, to_ipc
from tapeflow.operators.desk.risk.state import RiskSnapshot
from tapeflow.operators.desk.risk.supervision.rebind import rebind
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.slices import due_timers
from tapeflow.operators.desk.state import DeskBar, State, initial_state
from tapeflow.operators.desk.strategies.snapshot import (
    StrategiesSnapshot,
    restore_strategies,
    snapshot_strategies,
    waiting_bars,
    watched_instruments,
)
from tapeflow.operators.desk.venue.snapshot import VenueSnapshot
from tapeflow.operators.desk.venue.venue import Venue
from tapeflow.operators.desk.working import Sliced, Working
from tapeflow.operators.desk.working_orders import WorkingOrders
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.desk_market import DeskMarket
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.orders import Report
from tapeflow.schemas.signals import AnyIntent
from tapeflow.schemas.time import LogPosition


class Snapshot(Struct):
    """The plain form of the desk's state."""

    instruments: list[str]  # ids by number
    partitions: list[str]  # by number
    next: dict[str, int]
    frontier: dict[str, LogPosition]
    horizon: LogPosition
    joined: dict[str, LogPosition]
    first_ns: int
    log_ns: int
    now: LogPosition  # of what was processed last: what was due in the past may still be due there
    pending: dict[str, list[bytes]]  # by partition, a table each of DeskMarket: Arrow IPC
    clocks: dict[str, bytes]
    marks: list[bytes]  # in the order of the fields of Marks
    funding: list[bytes]  # in the order of the fields of FundingTerms
    dues: list[FundingDue]
    instrument_partition: bytes
    venue: VenueSnapshot
    orders: list[Working]
    accounts: list[AccountSnapshot]
    risk: RiskSnapshot
    intents: list[AnyIntent]
    sliced: list[Sliced]
    bars: list[DeskBar]
    answers: list[Report]  # in the order in which they will be heard
    strategies: StrategiesSnapshot


SNAPSHOTS = msgspec.msgpack.Decoder(Snapshot)  # made here, and not by two threads at once


def snapshot(state: State) -> bytes:
    """Return the state as msgpack. The engine snapshots between steps."""
    assert not state.searched, "the desk is in the middle of a step"
    merge, tables = state.merge, tuple(DeskMarket.tables().values())
    return msgspec.msgpack.encode(
        Snapshot(
            instruments=[*state.venue.instruments.ids],
            partitions=[*merge.partitions],
            next=merge.next,
            frontier=merge.frontier,
            horizon=merge.horizon,
            joined=merge.joined,
            first_ns=merge.first_ns,
            log_ns=merge.log_ns,
            now=state.now,
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
            accounts=[account_snapshot(each, state) for each in state.accounts.values()],
            risk=state.risk.snapshot(),
            intents=[intent for _, _, intent in sorted(state.intents, key=itemgetter(0, 1))],
            sliced=[*state.orders.slices.values()],
            bars=sorted(state.bars),
            answers=[report for _, _, report in sorted(state.answers, key=itemgetter(0, 1))],
            strategies=snapshot_strategies(state.strategies, state.venue.instruments),
        )
    )


def check_snapshot(encoded: bytes, settings: DeskSettings) -> Snapshot:
    """Check that the job still trades what a snapshot holds; return it.

    Raises TapeflowError with a line that names what it does not.
    """
    saved = SNAPSHOTS.decode(encoded)
    positions = (
        held_positions(each.name, each.money.positions, each.foreign) for each in saved.accounts
    )
    check_held([*chain.from_iterable(positions), *held_orders(saved.orders)], settings)
    check_followed(saved.orders, saved.sliced, settings)
    return saved


def restore(encoded: bytes, settings: DeskSettings) -> State:
    """Return the state of a snapshot.

    Raises TapeflowError where it holds what the job does not trade any more, and where its
    partitions are not the first ones of the run: the keys of their states would be others.
    """
    saved = check_snapshot(encoded, settings)
    if list(settings.partitions[: len(saved.partitions)]) != saved.partitions:
        raise TapeflowError(
            f"the state has read the partitions {', '.join(saved.partitions)}, in this order, and "
            f"now they are {', '.join(settings.partitions)}: new ones must come last"
        )
    state = initial_state(settings)
    state.now = saved.now
    numbers = find_numbers(saved.instruments, settings.instruments.ids)
    restore_merge(state.merge, saved, numbers)
    restore_column(state.instrument_partition, saved.instrument_partition, numbers)
    for column, rows in zip(state.funding.columns(), saved.funding, strict=True):
        restore_column(column, rows, numbers)
    dues = (replace(due, instrument=int(numbers[due.instrument])) for due in saved.dues)
    state.dues = [(due.position, due.instrument, due) for due in dues if due.instrument != GONE]
    state.venue = Venue.restore(saved.venue, settings.paper, settings.instruments)
    state.orders = WorkingOrders.from_rows(saved.orders, saved.sliced, state.orders.late_ns)
    with localcontext(DECIMAL_CONTEXT):
        state.risk = restore_risk(saved.risk, state.orders.rows())
        for account in saved.accounts:
            state.accounts[account.name] = restore_account(account, state, settings)
        rebind(state, settings)
    for intent in saved.intents:
        state.add_intent(intent)
    for report in saved.answers:
        state.add_answer(report)
    state.bars = [*waiting_bars(saved.bars, saved.strategies.needs, settings)]
    restore_strategies(state.strategies, saved.strategies, settings.instruments)
    state.venue.changed.update(watched_instruments(state.strategies, settings.instruments))
    for timer in due_timers(state.orders):
        heappush(state.slice_timers, (timer.due_ns, timer.order_id))
    state.watch_orders()
    state.searched.clear()
    return state


def restore_merge(merge: Merge, saved: Snapshot, numbers: Ints) -> None:
    """Restore the progress of the partitions, the pending ticks, and the marks.

    `numbers` are those of the instruments now, by the number that each had.
    """
    merge.next, merge.frontier = saved.next, saved.frontier
    merge.horizon, merge.first_ns, merge.log_ns = saved.horizon, saved.first_ns, saved.log_ns
    new = merge.partitions[len(saved.partitions) :]
    merge.joined = saved.joined | dict.fromkeys(new, saved.horizon)
    tables = DeskMarket.tables().values()
    for partition, pending in saved.pending.items():
        merge.pending[partition] = tuple(
            Pending(deque(from_ipc(*each, numbers))) for each in zip(tables, pending, strict=True)
        )
    for partition, clock in saved.clocks.items():
        merge.clocks[partition] = np.frombuffer(clock, np.int64).copy()
    for column, encoded in zip(merge.marks.columns(), saved.marks, strict=True):
        restore_column(column, encoded, numbers)
