"""An order as the checks see it: what its scopes hold, and would hold with it."""

import math
from typing import Any

from msgspec.structs import replace

from tapeflow.operators.desk.risk.holdings import (
    NOTHING,
    Holdings,
    Notionals,
    Values,
    equity_of,
    holdings_of,
    notionals,
    unit_values,
)
from tapeflow.operators.desk.risk.scopes import holds, scopes_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Proposal, ScopeView
from tapeflow.schemas.time import MIN_NS


def limits_of(settings: DeskSettings, order: Order) -> list[ScopeLimits]:
    """Return the limits of the scopes that an order is in, from the widest."""
    scopes = scopes_of(settings, order.account, order.strategy, order.instrument)
    return [settings.risk.limits[scope] for scope in scopes if scope in settings.risk.limits]


def make_proposal(state: State, settings: DeskSettings, order: Order) -> Proposal:
    """Return an order as the checks see it, at the present marks."""
    account, limits = state.accounts[order.account], limits_of(settings, order)
    sides = state.risk.open_sizes.of_strategy[order.account, order.strategy]
    buys, sells = sides.get(order.instrument, NOTHING.sides)
    values = unit_values(state, settings, order.account)
    flips = [each.flips for each in limits if each.flips is not None]
    return Proposal(
        instrument=settings.instruments.get(order.instrument),
        account=order.account,
        strategy=order.strategy,
        side=order.side,
        size=order.size,
        terms=order.terms,
        time_ns=order.time_ns,
        position=account.money.books.get(order.strategy, order.instrument).quantity,
        buys=buys,
        sells=sells,
        scopes=tuple(view_of(state, settings, each, order, values) for each in limits),
        flips=flips[-1] if flips else settings.risk.flips,
        last_equal_ns=state.risk.last_equal_ns(order),
        **prices_of(state, settings, order, values),
    )


def prices_of(state: State, settings: DeskSettings, order: Order, values: Values) -> dict[str, Any]:
    """Return what a proposal says of the market of its instrument; None where it is not known."""
    marks, number = state.merge.marks, settings.instruments.number[order.instrument]
    mark = marks.closing_price(number, long=order.side < 0).price
    bid, ask = marks.quote[number].tolist()
    trade_ns, quote_ns = int(marks.last_at[number, 0]), int(marks.quote_at[number, 0])
    notional = float(order.size) * values(order.instrument, long=order.side < 0)
    limit = order.terms.limit
    if limit is not None and order.side > 0 and mark > 0:
        notional *= max(float(limit) / mark, 1.0)  # it may be bought at up to its limit
    return {
        "mark": mark if mark > 0 else None,
        "notional": None if math.isnan(notional) else notional,
        "bid": bid if bid > 0 else None,
        "ask": ask if ask > 0 else None,
        "trade_ns": trade_ns if trade_ns > MIN_NS else None,
        "quote_ns": quote_ns if quote_ns > MIN_NS else None,
    }


def view_of(
    state: State, settings: DeskSettings, limits: ScopeLimits, order: Order, values: Values
) -> ScopeView:
    """Return a scope as the order finds it; sums that no limit asks for are left out."""
    holdings = holdings_of(state, settings, limits.scope, order.account)
    before = holdings.get(order.instrument, NOTHING)
    view = ScopeView(
        limits,
        before.units,
        *before.sides,
        orders=state.risk.count_approvals(limits, order.time_ns),
    )
    if limits.open_orders_max is not None:
        view = replace(view, open_orders=count_open(state, settings, limits.scope))
    if limits.asks_notionals:
        if not order.reduce_only:
            holdings[order.instrument] = before.with_open(order.side, order.size)
        sums = notionals(holdings, values)
        view = replace(view, gross_after=sums.gross, net_after=sums.net)
        if limits.asks_shares:
            view = replace(view, **shares_of(settings, order, holdings, sums))
    if limits.leverage_max is not None:
        view = replace(view, equity=equity_of(state, settings, limits.scope, order.account))
    return view


def shares_of(
    settings: DeskSettings, order: Order, holdings: Holdings, sums: Notionals
) -> dict[str, float]:
    """Return the shares of the gross of a scope; 0 of an empty one."""
    gross = sums.gross or 1.0
    venue = settings.instruments.get(order.instrument).venue
    of_venue = [each for each in holdings if settings.instruments.get(each).venue == venue]
    groups = [ids for ids in settings.risk.groups.values() if order.instrument in ids]
    of_groups = [
        math.fsum(value for name, value in sums.by_instrument.items() if name in ids)
        for ids in groups
    ]
    squares = math.fsum((value / gross) ** 2 for value in sums.by_instrument.values())
    return {
        "share_after": sums.by_instrument.get(order.instrument, 0.0) / gross,
        "venue_share_after": math.fsum(sums.by_instrument[each] for each in of_venue) / gross,
        "group_share_after": max(of_groups, default=0.0) / gross,
        "effective_after": 1 / squares if squares else 0.0,
    }


def count_open(state: State, settings: DeskSettings, scope: str) -> int:
    """Return how many entries of a scope are at work."""
    return sum(
        working.order.role == "entry" and holds(settings, scope, working.order)
        for orders in state.orders.living.values()
        for working in orders.values()
    )
