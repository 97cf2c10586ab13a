"""Equity: what each strategy of an account is worth at the marks, sampled in log time.

    fill      sample      sample                      end of the log
     |  ticks   |  ticks    |  no tick: no sample       |
     -----------+-----------+---------------------------+----▶

A sample is taken before the first record at or after its time, if a mark has changed since the
previous one. A mark older than `stale_mark_ns` is named by its time.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tapeflow.operators.desk.positions import ZERO, PositionState, unrealized_profit
from tapeflow.operators.desk.state import AccountContext, State
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.decimals import round_to_digits, to_decimal
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
    by_strategy: defaultdict[str, list[tuple[str, PositionState]]] = defaultdict(list)
    for (strategy, instrument_id), position in state.positions.items():
        by_strategy[strategy].append((instrument_id, position))
    for strategy, positions in sorted(by_strategy.items()):
        realized = open_profit = fees = gross = ZERO
        oldest_ns = time_ns
        for instrument_id, position in positions:
            realized, fees = realized + position.realized, fees + position.fees
            if position.quantity:
                profit, notional, mark_ns = value_position(state, context, instrument_id, position)
                open_profit, gross = open_profit + profit, gross + notional
                oldest_ns = min(oldest_ns, mark_ns)
        yield Equity(
            seq=state.next_seq(),
            account=context.account,
            strategy=strategy,
            time_ns=time_ns,
            realized=realized,
            unrealized=open_profit,
            fees=fees,
            equity=realized + open_profit - fees,
            gross=gross,
            stale_mark_ns=oldest_ns if time_ns - oldest_ns > context.stale_mark_ns else None,
        )


def value_position(
    state: State, context: AccountContext, instrument_id: str, position: PositionState
) -> tuple[Decimal, Decimal, int]:
    """Return the profit that closing at the mark would add, the notional, and the mark's time."""
    instrument = context.instruments.get(instrument_id)
    number = context.instruments.number[instrument_id]
    price, mark_ns = state.merge.marks.closing_price(number, long=position.quantity > 0)
    mark, digits = to_decimal(price), context.money_digits
    notional = round_to_digits(abs(position.quantity) * mark * instrument.multiplier, digits)
    profit = unrealized_profit(position, mark, instrument.multiplier, digits)
    return profit, notional, mark_ns
