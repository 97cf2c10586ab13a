"""The arguments of the steps, built from a job: decoders, strategies, accounts."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tapeflow.flows.job.currencies import check_currency, check_fee_currencies
from tapeflow.flows.job.declared import strategies
from tapeflow.flows.job.features import needed_features
from tapeflow.flows.job.grids import check_grids
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.money import check_largest_position, count_money_digits
from tapeflow.flows.job.order_checks import check_strategy
from tapeflow.flows.job.sections import Account
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.sizes import check_capital
from tapeflow.schemas.control import CONTROL
from tapeflow.schemas.errors import IMPORT, UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import MarkPrices
from tapeflow.schemas.risk import RISK
from tapeflow.schemas.venues import VENUES, venue_of
from tapeflow.schemas.venues.dialect import COMBINED, Dialect

if TYPE_CHECKING:  # steps are slow to import, and checking a job needs none
    from tapeflow.operators.decode.step import Decoder

NO_TRADING_ACCOUNT = Account.model_validate(
    {"name": "observer", "position_max": 0, "gross_max": 0, "orders_max": 0, "orders_window": "1s"}
)


def validate(job: Job) -> InstrumentTable:
    """Check a whole job without building its steps; return its instruments.

    Raises UsageError for the first error.
    """
    table = instrument_table(job)
    dialects(job)
    check_accounts(job, table, accounts(job))
    money_digits(job, table)
    needed_features(job, strategies(job, table))
    return table


def dialects(job: Job) -> dict[str, Dialect]:
    """Return the dialect of each venue, restricted to the channels that the job expects."""
    by_venue: dict[str, Iterable[str]] = {
        "channels": job.channels,
        "market.trades": job.market.trades,
        "paper.fees": job.paper.fees,
    }
    for section, names in by_venue.items():
        for name in names:
            if name not in VENUES:
                raise UsageError(f"{section}.{name} is no venue: there are {', '.join(VENUES)}")
    return {name: dialect(job, name) for name in VENUES}


def dialect(job: Job, venue: str) -> Dialect:
    """Return the dialect of one venue, restricted to the channels that the job expects."""
    known, expected = VENUES[venue].dialect, job.channels.get(venue)
    if not job.market.mark_prices:
        known = known.ignoring(MarkPrices)
    if job.market.time_unit == "ms":
        known = known.with_times_in_ms()
    if venue in job.market.trades:
        if not any(channel.trades for channel in known.channels):
            raise UsageError(
                f"market.trades.{venue}: its trades come in one way only: leave it out"
            )
        known = known.with_trades(job.market.trades[venue])
    if expected is None:
        return known
    names = [channel.name for channel in known.channels if not channel.imported]
    for name in expected:
        if name not in names:
            raise UsageError(f"channels.{venue}: no channel {name}; there are {', '.join(names)}")
    return known.restricted_to(expected)


def channels(job: Job) -> dict[str, tuple[str, ...]]:
    """Return what the channels of each venue carry, by number."""
    return {
        venue: tuple(channel.name.removeprefix(COMBINED) for channel in known.channels)
        for venue, known in dialects(job).items()
    }


def decoders(job: Job, table: InstrumentTable) -> dict[str, "Decoder"]:
    """Build the decoder of each venue."""
    from tapeflow.operators.decode.scanner import Scanner  # noqa: PLC0415
    from tapeflow.operators.decode.step import Decoder  # noqa: PLC0415  # see above

    return {
        venue: Decoder.from_scanner(Scanner(known, table.symbols(venue)))
        for venue, known in dialects(job).items()
    }


def accounts(job: Job) -> dict[str, Account]:
    """Return the accounts by name; a job without accounts has one that trades nothing."""
    return {each.name: each for each in job.accounts or (NO_TRADING_ACCOUNT,)}


def check_accounts(job: Job, table: InstrumentTable, by_name: dict[str, Account]) -> None:
    """Check that strategies have an account, a name of their own, sizes in lots, one currency."""
    if len({each.name for each in job.strategies}) < len(job.strategies):
        raise UsageError("strategies: two have the same name")
    if any(each.name == RISK for each in job.strategies):
        raise UsageError(f"strategies.{RISK}: corrective orders have this name: take another one")
    if job.accounts and len(by_name) < len(job.accounts):
        raise UsageError("accounts: two have the same name")
    check_grids(job)
    for account in by_name.values():
        check_fee_currencies(job, table, account)
    read = {
        name: {each.table for each in known.channels if not each.reason and not each.imported}
        for name, known in dialects(job).items()
    }
    for strategy in strategies(job, table):
        if strategy.account not in by_name or not job.accounts:
            raise UsageError(
                f"strategies.{strategy.name}: no account {strategy.account}: add it to [[accounts]]"
            )
        for name in sorted(strategy.instruments):
            if strategy.size % table.get(name).lot:
                raise UsageError(
                    f"strategies.{strategy.name}: size {strategy.size} is no multiple of the lot "
                    f"{table.get(name).lot} of {name}"
                )
            check_currency(by_name[strategy.account], table, name)
        check_capital(strategy, by_name[strategy.account])
        check_strategy(strategy, table, read, job.paper.latency)
        check_largest_position(strategy, by_name[strategy.account].position_max, table)


def money_digits(job: Job, table: InstrumentTable) -> int:
    """Return the digits that money is rounded to: those of the job, else those it needs."""
    if job.results.money_digits is not None:
        return job.results.money_digits
    in_parts = job.paper.model != "trade"
    return count_money_digits(strategies(job, table), table, in_parts=in_parts)


def check_partitions(partitions: Iterable[str]) -> None:
    """Check that every partition is of a known venue."""
    for name in partitions:
        venue, number = venue_of(name), name.rpartition("-")[2]
        if venue not in (*VENUES, CONTROL) or not number.isdigit():
            raise UsageError(
                f"{name} is no partition: name a tape <venue>-<n>.tape, the venue one of "
                f"{', '.join(VENUES)}; or map its file to one with [[tapes]] in the job; {IMPORT}"
            )
