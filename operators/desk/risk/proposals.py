"""An order as the checks see it: what its scopes hold, and would hold with it."""

import math
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeflow.operators.desk.risk.holdings import (
    NOTHING,
    Notionals,
    Values,
    equity_of,
    holdings_of,
    notionals,
    unit_values,
)
from tapeflow.operators.desk.risk.overrides import limits_now
from tapeflow.operators.desk.risk.scopes import holds, scopes_of
from tapeflow.operators.desk.risk.spread import correlated_notional, effective_number, share_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.desk.working import HELD
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Proposal, ScopeView
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import MIN_NS


def limits_of(state: State, settings: DeskSettings, order: Order) -> list[ScopeLimits]:
    """Return the limits of the scopes that an order is in, as they are now, from the widest."""
    scopes = scopes_of(settings, order.account, order.strategy, order.instrument)
    found = (
        limits_now(state.risk.overrides, each, settings.risk.limits.get(each)) for each in scopes
    )
    return [each for each in found if each is not None]


def make_proposal(
    state: State, settings: DeskSettings, order: Order, *, corrective: bool = False
) -> Proposal:
    """Return an order as the checks see it, at the present marks."""
    account, limits = state.accounts[order.account], limits_of(state, settings, order)
    sides = state.risk.open_sizes.of_strategy[order.account, order.strategy]
    buys, sells = sides.get(order.instrument, NOTHING.sides)
    values = unit_values(state, settings, order.account)
    flips = [each.flips for each in limits if each.flips is not None]
    scopes = scopes_of(settings, order.account, order.strategy, order.instrument)
    trading_state, in_state = state.risk.trading.most_severe(scopes)
    asks_own = not corrective and any(each.refuse_self_trade for each in limits)
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
        state=trading_state,
        in_state=in_state,
        corrective=corrective,
        last_equal_ns=state.risk.last_equal_ns(order),
        own_bid=best_own(state, order, BUY) if asks_own else None,
        own_ask=best_own(state, order, SELL) if asks_own else None,
        **prices_of(state, settings, order, values),
    )


def prices_of(state: State, settings: DeskSettings, order: Order, values: Values) -> dict[str, Any]:
    """Return what a proposal says of the market of its instrument; None where it is not known."""
    marks, number = state.merge.marks, settings.instruments.number[order.instrument]
    mark = marks.closing_price(number, long=order.side < 0).price
    bid, ask = marks.quote[number].tolist()
    trade_ns, quote_ns = int(marks.last_at[number, 0]), int(marks.quote_at[number, 0])
    notional = float(order.size) * values(order.instrument, long=order.side < 0)
    has_clock = settings.venue_clock and max(trade_ns, quote_ns) > MIN_NS
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
        "clock_offset_ns": marks.delay_ns(number) if has_clock else None,
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
            view = replace(view, **spread_of(settings, order, sums))
    if limits.asks_equity:
        view = replace(view, equity=equity_of(state, settings, limits.scope, order.account))
    return view


def spread_of(settings: DeskSettings, order: Order, sums: Notionals) -> dict[str, float]:
    """Return how the notionals of a scope are spread; shares are 0 of an empty one."""
    name, notionals = order.instrument, sums.by_instrument
    venue = settings.instruments.get(name).venue
    of_venue = [each for each in notionals if settings.instruments.get(each).venue == venue]
    groups = [ids for ids in settings.risk.groups.values() if name in ids]
    return {
        "share_after": share_of(notionals, (name,)),
        "venue_share_after": share_of(notionals, of_venue),
        "group_share_after": max((share_of(notionals, ids) for ids in groups), default=0.0),
        "effective_after": effective_number(notionals),
        "correlated_after": correlated_notional(
            name, order.side, sums.longest, sums.shortest, move_together
        ),
    }


def move_together(one: str, other: str) -> float:
    """Return the correlation of two instruments of which nothing is known."""
    return 1.0


def best_own(state: State, order: Order, side: int) -> Decimal | None:
    """Return the best price of the portfolio's orders that rest on a side of an instrument."""
    best: Decimal | None = None
    for orders in state.orders.living.values():
        for working in orders.values():
            each, limit = working.order, working.terms.limit
            if limit is None or each.side != side or each.instrument != order.instrument:
                continue
            if working.phase == HELD or (working.terms.is_conditional and not working.triggered):
                continue
            best = limit if best is None else max(best * side, limit * side) * side
    return best


def count_open(state: State, settings: DeskSettings, scope: str) -> int:
    """Return how many entries of a scope are at work, with those of the intent that have passed."""
    return state.risk.count_deciding(scope) + sum(
        working.order.role == "entry" and holds(settings, scope, working.order)
        for orders in state.orders.living.values()
        for working in orders.values()
    )
