"""The snapshot of an account as plain values: part of that of the desk, see snapshot.py."""

from collections import deque
from decimal import Decimal

from msgspec import Struct

from tapeflow.operators.desk.account import AccountRows, account_of, account_rows
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.rates import foreign_instruments
from tapeflow.operators.desk.reach import reach_of_order, reach_of_position
from tapeflow.operators.desk.risk.net import ApprovedExposure
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State


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
    foreign: dict[str, str]  # instruments of `money` that pay in no currency at par: in which


def account_snapshot(account: AccountState, state: State) -> AccountSnapshot:
    """Return the plain form of an account's state."""
    approved, money, table = account.approved, account.money, state.venue.instruments
    foreign = money.books.foreign & {instrument for _, instrument in money.books.states}
    return AccountSnapshot(
        name=account.name,
        units=approved.units,
        notional=approved.notional,
        unit_notional=approved.unit_notional,
        times_ns=list(approved.times_ns),
        money=account_rows(money),
        sample_ns=account.sample_ns,
        marks_changed=account.sampled_releases != state.merge.releases,
        seq=account.seq,
        event_seq=account.event_seq,
        command_seq=account.command_seq,
        funding_seq=account.funding_seq,
        foreign={name: table.get(name).settlement for name in sorted(foreign)},
    )


def restore_account(saved: AccountSnapshot, state: State, settings: DeskSettings) -> AccountState:
    """Return the state of an account; its reach is that of all it has."""
    table, known = settings.instruments, settings.accounts.get(saved.name)
    multiplier = {row.id: row.multiplier for row in table.rows}  # one that has gone is flat
    reach = ZERO
    for _, name, position in saved.money.positions:
        reach += reach_of_position(position, multiplier.get(name, ZERO))
    for working in state.orders.rows():
        order = working.order
        if order.account == saved.name:
            reach += reach_of_order(working.leaves, multiplier.get(order.instrument, ZERO))
    foreign = foreign_instruments(table, known.at_par) if known else frozenset()
    account = AccountState(
        name=saved.name,
        approved=ApprovedExposure(
            saved.units, saved.notional, saved.unit_notional, deque(saved.times_ns)
        ),
        money=account_of(saved.money, foreign),
        reach=reach,
        sample_ns=saved.sample_ns if known else 0,
        sampled_releases=-1 if saved.marks_changed else state.merge.releases,
        seq=saved.seq,
        event_seq=saved.event_seq,
        command_seq=saved.command_seq,
        funding_seq=saved.funding_seq,
    )
    if account.sample_ns:
        state.add_sample(account)
    return account
