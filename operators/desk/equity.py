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
from tapeflow.operators.desk.state import AccountContext, State
from tapeflow.operators.desk.worth import format_amounts, strategy_worth
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.decimals import to_decimal
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.time import LogPosition


def next_sample(state: State) -> LogPosition | None:
    """Return where the next sample of equity is due, or None where that is not certain yet."""
    position = (state.sample_ns, "", -1)  # before every record of that time
    if (
        not state.sample_ns
        or position >= state.merge.horizon
        or state.sample_ns > state.merge.log_ns
    ):
        return None
    return position


def sample_equity(state: State, context: AccountContext, position: LogPosition) -> Iterator[Equity]:
    """Sample equity at the marks of a position in the log, where one has changed since the last."""
    state.merge.release_before(position)
    if state.merge.marks_changed:
        state.merge.marks_changed = False
        yield from equity_rows(state, context, position[0])
        state.sample_ns += context.sample_ns
    else:
        state.sample_ns = (
            state.merge.next_mark_change_ns() // context.sample_ns + 1
        ) * context.sample_ns


def equity_rows(state: State, context: AccountContext, time_ns: int) -> Iterator[Equity]:
    """Yield the equity of each strategy that has ever traded, at the present marks."""
    mark_of = cache(partial(exact_mark, state.merge.marks))
    rates = marked_rates(context.instruments, context.at_par, state.merge.marks)
    for strategy, sums in sorted(state.books.sums.items()):
        worth = strategy_worth(sums, rates, mark_of, context.money_digits)
        oldest_ns = time_ns if worth.oldest_ns is None else worth.oldest_ns
        yield Equity(
            seq=state.next_seq(),
            account=context.account,
            strategy=strategy,
            time_ns=time_ns,
            realized=worth.realized,
            unrealized=worth.unrealized,
            fees=worth.fees,
            equity=worth.equity,
            gross=worth.gross,
            stale_mark_ns=oldest_ns if time_ns - oldest_ns > context.stale_mark_ns else None,
            funding=worth.funding,
            unvalued=format_amounts(worth.unvalued),
        )


def exact_mark(marks: Marks, instrument: int, *, long: bool) -> tuple[Decimal, int]:
    """Return the price that a position is valued at, as a decimal, and its log time."""
    price, log_ns = marks.closing_price(instrument, long=long)
    return to_decimal(price), log_ns


def notional_rate(
    state: State, context: AccountContext, instrument: Instrument, position: LogPosition
) -> Decimal | None:
    """Return what the currency of an instrument's notional is worth, None where it is not known."""
    if instrument.contract != "quanto":
        return ONE
    state.merge.release_before(position)
    rates = marked_rates(context.instruments, context.at_par, state.merge.marks)
    return rates.settlement_rate(instrument)
