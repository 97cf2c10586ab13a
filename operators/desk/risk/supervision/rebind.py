"""Let the memory of supervision go on under a job that has changed.

a row of [[protect]] more or less     each position gets the row that holds it now
a limit on losses that is new         its day and its peak begin here
an account that came or went          so do those of the portfolio: its profit is another
"""

from tapeflow.operators.desk.risk.profit import parts_of, profit_of
from tapeflow.operators.desk.risk.supervision.memory import ZERO, Guard, key_of
from tapeflow.operators.desk.risk.supervision.notes import new_guard
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.risk import PORTFOLIO


def rebind(state: State, settings: DeskSettings) -> None:
    """Bind what is remembered to the job as it is now; a job that is the same changes nothing."""
    bind_guards(state, settings)
    bind_profits(state, settings)


def bind_guards(state: State, settings: DeskSettings) -> None:
    """Give each position the protection that holds it now, where it has another or none."""
    guards = state.risk.supervision.memory.guards
    bound: dict[str, Guard] = {}
    for account, strategies in parts_of(state, settings, PORTFOLIO):
        for strategy in strategies:
            for instrument, position in account.money.books.sums[strategy].open.items():
                owner = (account.name, strategy, instrument)
                row, known = settings.instruments.get(instrument), guards.get(key_of(*owner))
                if row.floor_size(abs(position.quantity)):
                    found = new_guard(state, settings, owner, position, max(state.now[0], 0))
                    if found is not None and known is not None:
                        found.begin_ns, found.atr = known.begin_ns, known.atr
                        found.best, found.is_even = known.best, known.is_even
                    if found is not None:
                        bound[key_of(*owner)] = found
    state.risk.supervision.memory.guards = {
        **{key: bound[key] for key in guards if key in bound},
        **bound,
    }  # in the order in which they began


def bind_profits(state: State, settings: DeskSettings) -> None:
    """Begin day and peak of each scope here whose profit was not followed, or is another."""
    memory, limits = state.risk.supervision.memory, settings.risk.limits
    for scope in [name for name in limits if limits[name].asks_profit]:
        is_other = scope == PORTFOLIO and memory.accounts != [*settings.accounts]
        if scope not in memory.of_profit or is_other:
            profit = profit_of(state, settings, scope)
            memory.of(scope).day_profit = profit
            memory.of(scope).peak_profit = ZERO if profit is None else max(profit, ZERO)
    follow_profits(state, settings)


def follow_profits(state: State, settings: DeskSettings) -> None:
    """Remember of which scopes the profit is followed, and the accounts that it is of."""
    memory, limits = state.risk.supervision.memory, settings.risk.limits
    memory.of_profit = [name for name in limits if limits[name].asks_profit]
    memory.accounts = [*settings.accounts]
