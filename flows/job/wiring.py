"""A job's settings in the words of the steps: instruments, decoders, strategies, desks."""

from collections.abc import Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tapeflow.flows.job.sections import Account
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import Instrument, parse_id
from tapeflow.schemas.market import MarkPrices
from tapeflow.schemas.signals import Strategy
from tapeflow.schemas.venues import VENUES, venue_of
from tapeflow.schemas.venues.dialect import Dialect

if TYPE_CHECKING:  # steps are slow to import, and a look at a job needs none
    from tapeflow.operators.decode.step import Decoder
    from tapeflow.operators.desk.state import AccountContext

NO_TRADING_ACCOUNT = Account.model_validate(
    {"name": "observer", "position_max": 0, "gross_max": 0, "orders_max": 0, "orders_window": "1s"}
)


def instruments(job: Job) -> tuple[Instrument, ...]:
    """The table of instruments, in the order of their ids as byte strings."""
    table = tuple(instrument(job, name) for name in sorted(job.instruments, key=str.encode))
    named: dict[tuple[str, str], Instrument] = {}
    for each in table:
        one = named.setdefault((each.venue, each.venue_symbol), each)
        if one is not each:
            raise UsageError(
                f"instruments: {one.id} and {each.id} are both {one.venue_symbol} there"
            )
    return table


def instrument(job: Job, name: str) -> Instrument:
    """One row of the table."""
    try:
        names = parse_id(name)
    except ValueError as error:
        raise UsageError(f"instruments: {error}") from None
    venue = VENUES.get(names.venue.lower())
    if venue is None:
        raise UsageError(f"instruments: {name} is of no venue we know: {', '.join(VENUES).upper()}")
    row = job.instruments[name]
    return Instrument(
        id=name,
        venue=names.venue,
        base=names.base,
        quote=names.quote,
        kind=names.kind,
        venue_symbol=row.venue_symbol or venue.venue_symbol(names.base, names.quote),
        tick=row.tick,
        lot=row.lot,
        multiplier=row.multiplier,
    )


def check(job: Job) -> tuple[Instrument, ...]:
    """See all that can be wrong with a job, and build nothing of it; its table of instruments."""
    table = instruments(job)
    dialects(job)
    check_accounts(job, table, accounts(job))
    return table


def dialects(job: Job) -> dict[str, Dialect]:
    """What each venue speaks: all that we know, or the channels that the job expects."""
    for name in job.channels:
        if name not in VENUES:
            raise UsageError(f"channels.{name} is no venue: there are {', '.join(VENUES)}")
    return {name: dialect(job, name) for name in VENUES}


def dialect(job: Job, venue: str) -> Dialect:
    """What one venue speaks."""
    spoken, expected = VENUES[venue].dialect, job.channels.get(venue)
    if not job.market.mark_prices:
        spoken = spoken.ignoring(MarkPrices)
    if expected is None:
        return spoken
    known = [channel.name for channel in spoken.channels]
    for name in expected:
        if name not in known:
            raise UsageError(f"channels.{venue}: no channel {name}; there are {', '.join(known)}")
    return spoken.restricted_to(expected)


def decoders(job: Job, table: tuple[Instrument, ...]) -> dict[str, "Decoder"]:
    """How to read each venue."""
    return {name: decoder(name, spoken, table) for name, spoken in dialects(job).items()}


def decoder(venue: str, spoken: Dialect, table: tuple[Instrument, ...]) -> "Decoder":
    """How to read one venue."""
    from tapeflow.operators.decode.scanner import Scanner  # noqa: PLC0415
    from tapeflow.operators.decode.step import Decoder  # noqa: PLC0415  # see above

    symbols = {
        each.venue_symbol: number
        for number, each in enumerate(table)
        if each.venue.lower() == venue
    }
    return Decoder.from_scanner(Scanner(spoken, symbols))


def strategies(job: Job, table: tuple[Instrument, ...]) -> tuple[Strategy, ...]:
    """What is run, over which instruments."""
    return tuple(
        Strategy(
            name=each.name,
            kind=each.kind,
            params=each.model_dump(include=set(type(each).model_fields) - STRATEGY_KEYS),
            account=each.account,
            size=each.size,
            instruments=match_instruments(each.name, each.instruments, table),
        )
        for each in job.strategies
    )


STRATEGY_KEYS = {"name", "kind", "account", "size", "instruments"}


def match_instruments(
    name: str, patterns: Iterable[str], table: tuple[Instrument, ...]
) -> frozenset[str]:
    """The instruments that these patterns name."""
    found: set[str] = set()
    for pattern in patterns:
        some = {each.id for each in table if fnmatchcase(each.id, pattern)}
        if not some:
            raise UsageError(f"strategies.{name}: no instrument of the job is {pattern}")
        found |= some
    return frozenset(found)


def accounts(job: Job) -> dict[str, Account]:
    """The accounts by name; a job that trades nothing has one that only watches."""
    return {each.name: each for each in job.accounts or (NO_TRADING_ACCOUNT,)}


def accounts_of(
    job: Job, table: tuple[Instrument, ...], partitions: Iterable[str]
) -> dict[str, "AccountContext"]:
    """Return the settings of each account, by name."""
    from tapeflow.operators.desk.state import AccountContext  # noqa: PLC0415  # see above

    owners = accounts(job)
    check_accounts(job, table, owners)
    return {
        name: AccountContext(
            account=name,
            limits=Limits(
                account.position_max, account.gross_max, account.orders_max, account.orders_window
            ),
            partitions=tuple(partitions),
            instruments=table,
            number={each.id: number for number, each in enumerate(table)},
            latency_ns=job.paper.latency,
            fee_rate=job.paper.fee_bps / Decimal(10_000),
            money_digits=job.results.money_digits,
            sample_ns=job.results.equity_interval,
        )
        for name, account in owners.items()
    }


def check_accounts(job: Job, table: tuple[Instrument, ...], owners: dict[str, Account]) -> None:
    """Every strategy has an account, a name of its own, sizes in lots, and money that adds up."""
    row = {each.id: each for each in table}
    if len({each.name for each in job.strategies}) < len(job.strategies):
        raise UsageError("strategies: two have the same name")
    if job.accounts and len(owners) < len(job.accounts):
        raise UsageError("accounts: two have the same name")
    for strategy in strategies(job, table):
        if strategy.account not in owners or not job.accounts:
            raise UsageError(
                f"strategies.{strategy.name}: no account {strategy.account}: add it to [[accounts]]"
            )
        for name in sorted(strategy.instruments):
            if strategy.size % row[name].lot:
                raise UsageError(
                    f"strategies.{strategy.name}: size {strategy.size} is no multiple of the lot "
                    f"{row[name].lot} of {name}"
                )
            par = owners[strategy.account].at_par
            if row[name].quote not in par:
                raise UsageError(
                    f"accounts.{strategy.account}: {name} is quoted in {row[name].quote}, "
                    f"which is not among its currencies at_par: {', '.join(par)}"
                )


def check_partitions(partitions: Iterable[str]) -> None:
    """Every partition is of a venue we know."""
    for name in partitions:
        venue, number = venue_of(name), name.rpartition("-")[2]
        if venue not in VENUES or not number.isdigit():
            raise UsageError(
                f"{name} is no partition: name a tape <venue>-<n>.tape, the venue one of "
                f"{', '.join(VENUES)}; or map its file to one with [[tapes]] in the job"
            )
