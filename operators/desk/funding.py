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
            time_ns=due.log_ns,
            due_ns=due.due_ns,
            next_ns=due.next_ns,
            rate=rate,
            mark=mark,
            quantity=position.quantity,
            amount=amount,
            currency=row.settlement,
        )


def known(number: float) -> Decimal | None:
    """Return what a venue said as a decimal, None for NaN."""
    return None if math.isnan(number) else to_table_decimal(number)
