"""The currencies of a job: what an instrument pays must be worth something that is known."""

from tapeflow.flows.job.sections import Account
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
