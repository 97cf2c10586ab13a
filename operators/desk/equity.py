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
from tapeflow.operators.desk.positions import ZERO, market_value
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import AccountState, State
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.decimals import to_decimal


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
    for strategy, sums in sorted(account.books.sums.items()):
        open_profit = gross = ZERO
        oldest_ns = time_ns
        for instrument_id, position in sums.open.items():
            number = settings.instruments.number[instrument_id]
            mark, mark_ns = mark_of(number, long=position.quantity > 0)
            multiplier = settings.instruments.rows[number].multiplier
            value = market_value(position, mark, multiplier, settings.money_digits)
            open_profit, gross = open_profit + (value - position.cost), gross + abs(value)
            oldest_ns = min(oldest_ns, mark_ns)
        yield Equity(
            seq=account.next_seq(),
            account=account.name,
            strategy=strategy,
            time_ns=time_ns,
            realized=sums.realized,
            unrealized=open_profit,
            fees=sums.fees,
            equity=sums.realized + open_profit - sums.fees,
            gross=gross,
            stale_mark_ns=oldest_ns if time_ns - oldest_ns > settings.stale_mark_ns else None,
        )


def exact_mark(marks: Marks, instrument: int, *, long: bool) -> tuple[Decimal, int]:
    """Return the price that a position is valued at, as a decimal, and its log time."""
    price, log_ns = marks.closing_price(instrument, long=long)
    return to_decimal(price), log_ns
