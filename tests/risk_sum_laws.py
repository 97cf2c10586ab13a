"""What must hold of all facts of a story together: names, numbers, positions at the venue, money."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal as D
from itertools import groupby
from typing import Any

from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.states import StateChange
from tests.plain_flow import INSTRUMENTS
from tests.risk_books import ZERO, Owner, owner_of


def check_names(facts: Iterable[Any]) -> None:
    """Check that no id is there twice, and that numbers have no holes."""
    names: dict[str, list[str]] = defaultdict(list)
    numbers: dict[Any, list[int]] = defaultdict(list)
    for each in facts:
        if isinstance(each, Order | Fill):
            names[type(each).__name__].append(each.id)
        if isinstance(each, Decision) and each.decision == "APPROVED":
            names["approved"].append(each.order_id)
        if isinstance(each, ControlCommand):
            names["commands"] += [each.id] if each.verdict == "DONE" else []
        elif isinstance(each, OrderEvent | Command):
            numbers[type(each), each.account].append(each.seq)
        elif isinstance(each, StateChange):
            numbers[StateChange].append(each.seq)
        else:
            numbers["facts", each.account].append(each.seq)
    for kind, some in names.items():
        twice = [name for name, count in Counter(some).items() if count > 1]
        assert not twice, f"{kind}: an id is there twice"
    for kind, some_numbers in numbers.items():
        assert some_numbers == [*range(1, len(some_numbers) + 1)], kind
    orders = {each.id for each in facts if isinstance(each, Order)}
    assert set(names["approved"]) <= orders, "approved, and never an order"


def check_fills(facts: Iterable[Any], *, late: bool) -> None:
    """Check positions at the venue; `late`: answers come in another order than the fills were.

    Of the fills of one record the order is not known then: the position after all of them counts.
    """
    orders = {each.id: each for each in facts if isinstance(each, Order)}
    fills = [each for each in facts if isinstance(each, Fill)]
    held: dict[Owner, D] = defaultdict(D)
    in_order = sorted(fills, key=record_of) if late else fills
    for some in ([*group] for _, group in groupby(in_order, record_of if late else id)):
        before = dict(held)
        for each in some:
            held[owner_of(each)] += each.side * each.size
        for each in some:
            owner, order = owner_of(each), orders[each.order_id]
            was, after = before.get(owner, ZERO), held[owner]
            assert after >= 0 or not INSTRUMENTS.get(each.instrument).is_spot, "spot is short"
            alone = sum(owner_of(other) == owner for other in some) == 1
            if order.reduce_only and alone:
                assert abs(after) < abs(was), "what only reduces has enlarged"
                assert after * was >= 0, "what only reduces has turned"


def record_of(fill: Fill) -> tuple[int, str, int]:
    """Return the record that brought a fill."""
    return fill.log_ns, fill.partition, fill.offset


def check_money(facts: Iterable[Any], state: Any) -> None:
    """Check cash by currency, of the fills and of the positions, and the sums of strategies."""
    cash: dict[tuple[str, str], D] = defaultdict(D)
    last: dict[Owner, Position] = {}
    for each in facts:
        if isinstance(each, Fill):
            cash[each.account, each.fee_currency] -= each.fee
            row = INSTRUMENTS.get(each.instrument)
            if row.is_spot:
                cash[each.account, row.quote] -= each.side * each.size * each.price
                cash[each.account, row.base] += each.side * each.size
        elif isinstance(each, Position):
            last[owner_of(each)] = each
        elif isinstance(each, Equity):
            assert each.equity == each.realized + each.unrealized - each.fees + each.funding
    of_positions: dict[tuple[str, str], D] = defaultdict(D)
    for (account, _, name), each in last.items():
        row = INSTRUMENTS.get(name)
        of_positions[account, row.quote] += each.realized - each.fees + each.funding
        if row.is_spot:
            of_positions[account, row.quote] -= each.cost
            of_positions[account, row.base] += each.quantity
        else:
            cash[account, row.quote] += each.realized
    of_state = {
        (name, currency): amount
        for name, account in state.accounts.items()
        for currency, amount in account.money.cash.items()
        if amount
    }
    assert of_state == {key: amount for key, amount in cash.items() if amount}
    assert of_state == {key: amount for key, amount in of_positions.items() if amount}
