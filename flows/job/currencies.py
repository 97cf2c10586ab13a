"""The currencies of a job: what an instrument pays must be worth something that is known."""

from tapeflow.flows.job.paper import BASE, QUOTE
from tapeflow.flows.job.sections import Account
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable


def check_currency(account: Account, table: InstrumentTable, name: str) -> None:
    """Check that what an instrument pays can be valued in the currencies at par of an account.

    Raises UsageError, naming the account and the instrument.
    """
    row, par = table.get(name), account.at_par
    if row.contract != "quanto":
        if row.quote not in par:
            raise UsageError(
                f"accounts.{account.name}: {name} is quoted in {row.quote}, which is not among its "
                f"currencies at_par: {', '.join(par)}"
            )
    elif row.settlement not in par and table.number_of_pair(row.settlement, par) is None:
        raise UsageError(
            f"accounts.{account.name}: {name} pays in {row.settlement}, of which no instrument of "
            f"the job says the price: add {row.settlement}-{par[0] if par else 'USD'} of some venue"
        )


def check_fee_currencies(job: Job, table: InstrumentTable, account: Account) -> None:
    """Check that fees in a currency of their own can be computed: its price is of an instrument.

    Raises UsageError, naming the venue.
    """
    for venue, fees in job.paper.fees.items():
        if fees.currency in (QUOTE, BASE, *account.at_par):
            continue
        if table.number_of_pair(fees.currency, account.at_par) is None:
            raise UsageError(
                f"paper.fees.{venue}: fees are in {fees.currency}, of which no instrument of the "
                f"job says the price: add one such as {fees.currency}-USDT, or leave out currency"
            )
