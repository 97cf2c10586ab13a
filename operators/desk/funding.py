"""Funding of perpetuals: what the positions of an account pay and receive when it is due.

    amount    -quantity * multiplier * mark * rate     inverse: -quantity * multiplier / mark * rate

So longs pay where the rate is above 0. The position is that which the desk holds at the row that
tells of the payment (funding_terms.py), the mark that of the row before it. Payments between that
no row told of cannot be known: `Funding.next_ns` is then more than one interval later.
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal

from tapeflow.operators.desk.account import Account
from tapeflow.operators.desk.booking import book_funding, holders
from tapeflow.operators.desk.contracts import exact_value
from tapeflow.operators.desk.funding_terms import FundingDue
from tapeflow.operators.desk.reach import reach_of_position
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.accounts import Funding
from tapeflow.schemas.decimals import round_to_digits, to_table_decimal
from tapeflow.schemas.instruments import Instrument


def funding_amount(
    row: Instrument, quantity: Decimal, mark: Decimal, rate: Decimal, digits: int
) -> Decimal:
    """Return what a position receives, below 0 pays, in the settlement currency."""
    return round_to_digits(-exact_value(row, quantity, mark) * rate, digits)


def pay_funding(
    account: Account,
    name: str,
    row: Instrument,
    due: FundingDue,
    digits: int,
    next_seq: Callable[[], int],
) -> Iterator[Funding]:
    """Pay what is due on the positions of an account called `name`; yield a fact for each."""
    rate, mark = known(due.rate), known(due.mark)
    for strategy, position in [*holders(account, row.id)]:
        amount = None
        if rate is not None and mark is not None:
            amount = funding_amount(row, position.quantity, mark, rate, digits)
            book_funding(account, strategy, row, amount)
        yield Funding(
            seq=next_seq(),
            account=name,
            strategy=strategy,
            instrument=row.id,
            time_ns=due.position[0],
            due_ns=due.due_ns,
            next_ns=due.next_ns,
            rate=rate,
            mark=mark,
            quantity=position.quantity,
            amount=amount,
            currency=row.settlement,
        )


def funding_facts(state: State, settings: DeskSettings, due: FundingDue) -> Iterator[Funding]:
    """Pay what is due in all accounts; yield a fact for each position."""
    row = settings.instruments.rows[due.instrument]
    for name, account in state.accounts.items():
        before = [position for _, position in holders(account.money, row.id)]
        yield from pay_funding(
            account.money, name, row, due, settings.money.digits, account.next_funding_seq
        )
        after = [position for _, position in holders(account.money, row.id)]
        for sign, positions in ((-1, before), (1, after)):
            for position in positions:
                account.reach += sign * reach_of_position(position, row.multiplier)


def known(number: float) -> Decimal | None:
    """Return what a venue said as a decimal, None for NaN."""
    return None if math.isnan(number) else to_table_decimal(number)
