"""The scopes that an order is in, from the widest.

portfolio > venue:BINANCE > group:majors > instrument:BTC-USDT.BINANCE > account:main
> strategy:trend
"""

from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import PORTFOLIO


def scopes_of(
    settings: DeskSettings, account: str, strategy: str, instrument: str
) -> tuple[str, ...]:
    """Return the scopes of an order, from the widest."""
    groups = (f"group:{name}" for name, ids in settings.risk.groups.items() if instrument in ids)
    venue = settings.instruments.get(instrument).venue
    of_market = (PORTFOLIO, f"venue:{venue}", *groups, f"instrument:{instrument}")
    return (*of_market, f"account:{account}", f"strategy:{strategy}")


def holds(settings: DeskSettings, scope: str, order: Order) -> bool:
    """Return whether an order is in a scope."""
    return holds_owner(settings, scope, (order.account, order.strategy, order.instrument))


def holds_owner(settings: DeskSettings, scope: str, owner: tuple[str, str, str]) -> bool:
    """Return whether what an account's strategy has in an instrument is in a scope.

    `position:main/trend/BTC-USDT.BINANCE` is that alone.
    """
    kind, _, name = scope.partition(":")
    account, strategy, instrument = owner
    if kind == "account":
        return name == account
    if kind == "strategy":
        return name == strategy
    if kind == "position":
        return name == "/".join(owner)
    return holds_instrument(settings, scope, instrument)


def holds_instrument(settings: DeskSettings, scope: str, instrument: str) -> bool:
    """Return whether a scope can hold something in an instrument."""
    kind, _, name = scope.partition(":")
    if kind == "venue":
        return settings.instruments.get(instrument).venue == name
    if kind == "group":
        return instrument in settings.risk.groups.get(name, ())
    return kind != "instrument" or name == instrument


def is_known(settings: DeskSettings, scope: str) -> bool:
    """Return whether a scope is one of the job."""
    kind, _, name = scope.partition(":")
    return scope == PORTFOLIO or {
        "account": name in settings.accounts,
        "strategy": any(strategy == name for _, strategy in settings.traded or ()),
        "venue": any(each.venue == name for each in settings.instruments.rows),
        "instrument": name in settings.instruments.number,
        "group": name in settings.risk.groups,
    }.get(kind, False)
