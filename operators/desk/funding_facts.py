"""The facts of a funding payment: one for each position in the instrument."""

from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk.booking import holders
from tapeflow.operators.desk.funding import pay_funding
from tapeflow.operators.desk.funding_terms import FundingTerms
from tapeflow.operators.desk.positions import ZERO
from tapeflow.operators.desk.reach import reach_of_position
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.accounts import Funding
from tapeflow.schemas.desk_market import DeskMarkPrices, DeskTicks


def funding_facts(
    state: State, settings: DeskSettings, ticks: DeskTicks, row: int
) -> Iterator[Funding]:
    """Pay what a row makes due, on the positions of every account; yield the facts."""
    terms = state.watch.funding
    if terms is None or not isinstance(ticks, DeskMarkPrices) or not is_due(terms, ticks, row):
        return
    due, digits = terms.take_due(ticks, row), settings.money.digits
    instrument = settings.instruments.rows[due.instrument]
    for account in state.accounts.values():
        before = reach_of_holders(account, instrument.id, instrument.multiplier)
        yield from pay_funding(
            account.money, account.name, instrument, due, digits, account.next_funding_seq
        )
        account.reach += reach_of_holders(account, instrument.id, instrument.multiplier) - before


def is_due(terms: FundingTerms, ticks: DeskMarkPrices, row: int) -> bool:
    """Return whether a row makes a payment due."""
    return terms.pass_rows(ticks, row, row + 1) == row


def reach_of_holders(account: AccountState, instrument: str, multiplier: Decimal) -> Decimal:
    """Return the reach of all open positions in an instrument."""
    held = holders(account.money, instrument)
    return sum((reach_of_position(position, multiplier) for _, position in held), ZERO)
