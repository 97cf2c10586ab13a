"""Stories of supervision at the real desk, and their facts as short lines."""

from decimal import Decimal as D
from typing import Any

from msgspec.structs import replace

from tapeflow.operators.desk.fees import FeeTable, FeeTier, VenueFees
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import AccountSettings, DeskSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.accounts import Decision, Position
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.states import StateChange
from tests.desk_stories import BTC, CASH, WIDE, batches_of, desk, only, seconds, short, trade
from tests.laws import plain
from tests.plain_flow import IDS

CAPITAL = D(1000)
NO_FEES = FeeTable(VenueFees((FeeTier(D(0), D(0), D(0)),)), {})


def limits(scope="portfolio", **fields: Any) -> ScopeLimits:
    """Return the limits of a scope; numbers as they are written."""
    decimal = ("position_max", "gross_max", "net_max", "daily_loss")
    return ScopeLimits(
        scope, **{name: D(str(v)) if name in decimal else v for name, v in fields.items()}
    )


def make_desk(*scopes: ScopeLimits, protect: Any = (), capital: Any = CAPITAL, **changes: Any):
    """Return the settings of a desk that supervises these limits."""
    settings = desk(
        risk=RiskRules(limits={each.scope: each for each in scopes}, groups=changes.pop("groups", {})),
        protections=tuple(protect),
        **changes,
    )  # fmt: skip
    names = [*settings.accounts]
    accounts = {name: AccountSettings(name, WIDE, CASH, capital) for name in names}
    return replace(settings, accounts=accounts, money=replace(settings.money, fees=NO_FEES))


def protection(strategies="a", instruments=(BTC,), **fields: Any) -> Protection:
    """Return a protection of strategies and instruments."""
    ids = frozenset(IDS[each] for each in instruments)
    return Protection(frozenset(strategies), ids, **fields)


def prices(*values, begin=1, i=BTC):
    """Return trades at these prices, one each second."""
    return [trade(begin + number, price, 99, i=i) for number, price in enumerate(values)]


def run_all(settings: DeskSettings, rows: Any, requests: Any = (), **more: Any) -> list[Any]:
    """Return the facts of a story: the same in one batch, one by one, and restored before each."""
    runs = []
    for one_by_one, restored in ((False, False), (True, False), (True, True)):
        step = Desk(settings)
        state, facts = step.initial(), []
        for each in batches_of(rows, requests, one_by_one=one_by_one, **more):
            if restored:
                state = step.restore(step.snapshot(state))
            state, out = step.step(state, desk_batch(each, settings))
            facts += out
        runs.append(facts)
    assert plain(runs[1]) == plain(runs[0]), "paging changes the facts"
    assert plain(runs[2]) == plain(runs[0]), "restarts change the facts"
    return runs[0]


def changes_of(facts: Any) -> list[str]:
    """Return the changes: log time, scope, event, state, rule, observed of limit."""
    return [
        f"{seconds(each.time_ns)} {each.scope} {each.event} {each.state} {each.rule} "
        f"{each.observed} of {each.limit}"
        for each in only(StateChange, facts)
    ]


def decision_lines(facts: Any) -> list[str]:
    """Return the decisions: log time, strategy, reason or APPROVED."""
    return [
        f"{seconds(each.time_ns)} {each.strategy} {each.reason or each.decision}"
        for each in only(Decision, facts)
    ]


def held_at_end(facts: Any) -> dict[tuple[str, str], D]:
    """Return what is held, by strategy and instrument."""
    last = {(each.strategy, each.instrument): each.quantity for each in only(Position, facts)}
    return {key: quantity for key, quantity in last.items() if quantity}


def closing(facts: Any) -> list[str]:
    """Return the orders that close for the sake of risk: log time, strategy, side, size."""
    return [
        f"{seconds(each.time_ns)} {each.strategy} {short(each.side * each.size)}"
        for each in only(Order, facts)
        if each.signal_id.startswith("states/")
    ]
