"""Act on a breach: each act once, until it has come to its end.

reduce           reducing.py           reducing, halt, kill     the state of the scope
close_and_lock   the position is closed, and its strategy may not open there for a while
"""

from collections.abc import Iterator

from tapeflow.operators.desk.hear import Fact
from tapeflow.operators.desk.risk.closing import begin_closing, change_fact, of_scope
from tapeflow.operators.desk.risk.held import positions_in
from tapeflow.operators.desk.risk.reducing import find_excess
from tapeflow.operators.desk.risk.states import change_state, flatten
from tapeflow.operators.desk.risk.supervision.bands import STATE_AFTER, is_acted_on
from tapeflow.operators.desk.risk.supervision.breaches import Breach
from tapeflow.operators.desk.risk.supervision.memory import Lock, key_of
from tapeflow.operators.desk.risk.trading_states import Closing
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.sides import side_name
from tapeflow.schemas.states import Cause
from tapeflow.schemas.time import format_time


def act(state: State, settings: DeskSettings, breach: Breach) -> Iterator[Fact]:
    """Act on a breach; yield the facts. What is under way is not begun again."""
    cause = Cause("rule", breach.rule, observed=breach.observed, limit=breach.limit)
    trading = state.risk.trading
    if breach.act == "reduce":
        if breach.scope not in trading.closings and can_reduce(state, settings, breach, cause):
            before = trading.of(breach.scope)
            fact = change_fact(state, breach.scope, cause, before=before, event="REDUCING")
            yield fact
            yield from begin_closing(state, settings, breach.scope, fact.seq, cause, to_limit=True)
    elif breach.act == "close_and_lock":
        yield from lock(state, settings, breach, cause)
        yield from flatten(state, settings, breach.scope, cause)
    elif is_acted_on(trading.of(breach.scope), breach.act):
        if breach.closes and any(positions_in(state, settings, breach.scope)):
            yield from flatten(state, settings, breach.scope, cause)
    else:
        yield from change_state(state, settings, breach.scope, STATE_AFTER[breach.act], cause)
        if breach.closes:
            yield from flatten(state, settings, breach.scope, cause)


def can_reduce(state: State, settings: DeskSettings, breach: Breach, cause: Cause) -> bool:
    """Return whether there is anything to cancel or to sell: what is below a lot is neither."""
    closing = Closing(breach.scope, 0, cause, to_limit=True)
    return any(of_scope(state, settings, closing)) or bool(find_excess(state, settings, closing))


def lock(state: State, settings: DeskSettings, breach: Breach, cause: Cause) -> Iterator[Fact]:
    """Lock a strategy out of an instrument; yield the fact of it."""
    assert breach.owner is not None, "a lock of no position"
    _, strategy, instrument = breach.owner
    memory = state.risk.supervision.memory
    guard = memory.guards[key_of(*breach.owner)]
    cooldown_ns = settings.protections[guard.protection].cooldown_ns
    if cooldown_ns == 0:
        return
    until_ns = None if cooldown_ns is None else state.now[0] + cooldown_ns
    memory.locks[key_of(strategy, instrument)] = Lock(until_ns, guard.side)
    other = side_name(-guard.side)
    end = f"until it wants to {other}" if until_ns is None else f"until {format_time(until_ns)}"
    before, detail = state.risk.trading.of(breach.scope), f"{strategy} in {instrument} {end}"
    yield change_fact(state, breach.scope, cause, before=before, event="LOCKED", detail=detail)
