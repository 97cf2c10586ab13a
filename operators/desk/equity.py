"""Equity: what each strategy of an account is worth at the marks, sampled in log time.

    fill      sample      sample                      end of the log
     |  ticks   |  ticks    |  no tick: no sample       |
     -----------+-----------+---------------------------+----▶

A sample is taken before the first record at or after its time, if a mark has changed since the
previous one. A mark older than `stale_mark_ns` is named by its time.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache, partial

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.rates import ONE, marked_rates
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.operators.desk.worth import format_amounts
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.instruments import Instrument


def sample_account(
    state: State, settings: DeskSettings, account: AccountState, now_ns: int
) -> Iterator[Equity]:
    """Sample the equity of an account where a mark has changed since its last sample.

    Sets the time of the next sample. Every tick before `now_ns` is released by now.
    """
    if state.merge.releases != account.sampled_releases:
        account.sampled_releases = state.merge.releases
        yield from equity_rows(state, settings, account, now_ns)
        account.sample_ns += settings.sample_ns
    else:
        change_ns = state.merge.next_mark_change_ns()
        account.sample_ns = (change_ns // settings.sample_ns + 1) * settings.sample_ns


def last_samples(state: State, settings: DeskSettings) -> Iterator[Equity]:
    """Sample the equity of every account that has traded, at the end of the log."""
    for account in state.accounts.values():
        if account.sample_ns:
            yield from equity_rows(state, settings, account, state.merge.log_ns)
            account.sample_ns = 0
    state.samples.clear()


def equity_rows(
    state: State, settings: DeskSettings, account: AccountState, time_ns: int
) -> Iterator[Equity]:
    """Yield the equity of each strategy that has ever traded, at the present marks."""
    mark_of = cache(partial(exact_mark, state.merge.marks))
    at_par = settings.accounts[account.name].at_par
    rates = marked_rates(settings.instruments, at_par, state.merge.marks)
    for strategy in sorted(account.money.books.sums):
        worth = account.money.worth(strategy, rates, mark_of, settings.money.digits)
        oldest_ns = time_ns if worth.oldest_ns is None else worth.oldest_ns
        yield Equity(
            seq=account.next_seq(),
            account=account.name,
            strategy=strategy,
            time_ns=time_ns,
            realized=worth.realized,
            unrealized=worth.unrealized,
            fees=worth.fees,
            equity=worth.equity,
            gross=worth.gross,
            stale_mark_ns=oldest_ns if time_ns - oldest_ns > settings.stale_mark_ns else None,
            funding=worth.funding,
            unvalued=format_amounts(worth.unvalued),
        )


def exact_mark(marks: Marks, instrument: int, *, long: bool) -> tuple[Decimal, int]:
    """Return the price that a position is valued at, as a decimal, and its log time."""
    price, log_ns = marks.closing_price(instrument, long=long)
    return to_decimal(price), log_ns


def notional_rate(
    state: State, settings: DeskSettings, account: str, instrument: Instrument
) -> Decimal | None:
    """Return what the currency of an instrument's notional is worth, None where it is not known."""
    if instrument.contract != "quanto":
        return ONE
    at_par = settings.accounts[account].at_par
    rates = marked_rates(settings.instruments, at_par, state.merge.marks)
    return rates.settlement_rate(instrument)
