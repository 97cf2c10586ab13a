"""An order as the checks see it: what its scopes hold, and would hold with it."""

import math
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeflow.operators.desk.risk.holdings import (
    NOTHING,
    Notionals,
    Values,
    holdings_of,
    notionals,
    unit_values,
)
from tapeflow.operators.desk.risk.locks import lock_of
from tapeflow.operators.desk.risk.overrides import limits_now
from tapeflow.operators.desk.risk.own_orders import best_own, count_open
from tapeflow.operators.desk.risk.profit import capital_of, profit_of
from tapeflow.operators.desk.risk.scopes import scopes_of
from tapeflow.operators.desk.risk.spread import correlated_notional, effective_number, share_of
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order
from tapeflow.schemas.risk import Proposal, ScopeView
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.time import MIN_NS

ZERO = Decimal(0)


def limits_of(state: State, settings: DeskSettings, order: Order) -> list[ScopeLimits]:
    """Return the limits of the scopes that an order is in, as they are now, from the widest."""
    scopes = scopes_of(settings, order.account, order.strategy, order.instrument)
    found = (
        limits_now(state.risk.overrides, each, settings.risk.limits.get(each)) for each in scopes
    )
    return [each for each in found if each is not None]


def make_proposal(
    state: State,
    settings: DeskSettings,
    order: Order,
    *,
    corrective: bool = False,
    approved_by: str = "",
) -> Proposal:
    """Return an order as the checks see it, at the present marks."""
    account, limits = state.accounts[order.account], limits_of(state, settings, order)
    sides = state.risk.open_sizes.of_strategy[order.account, order.strategy]
    buys, sells = sides.get(order.instrument, NOTHING.sides)
    values = unit_values(state, settings, order.account)
    flips = [each.flips for each in limits if each.flips is not None] or [settings.risk.flips]
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
        flips=flips[-1],
        corrective=corrective,
        approved_by=approved_by,
        last_equal_ns=state.risk.last_equal_ns(order),
        own_bid=best_own(state, order, BUY) if asks_own else None,
        own_ask=best_own(state, order, SELL) if asks_own else None,
        **trading_of(state, settings, order),
        **prices_of(state, settings, order, values),
    )


def trading_of(state: State, settings: DeskSettings, order: Order) -> dict[str, Any]:
    """Return what a proposal says of the trading states of its scopes, and of locks."""
    scopes = scopes_of(settings, order.account, order.strategy, order.instrument)
    trading = state.risk.trading
    now, in_state = trading.most_severe(scopes)
    closing = trading.closing_of(scopes, order)
    return {
        "state": now,
        "in_state": in_state,
        "closing": closing,
        "locked": lock_of(state, order),
    }


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
    holdings = holdings_of(state, settings, limits.scope)
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
            view = replace(view, **spread_of(state, settings, order, sums))
    if limits.order_to_trade_max is not None or limits.repeats_max is not None:
        memory = state.risk.supervision.memory.of(limits.scope)
        memory.begin_day(order.time_ns)
        orders = memory.day_orders + state.risk.count_deciding(limits.scope)
        counts = (orders, memory.day_fills, memory.executions)
        view = replace(view, day_orders=counts[0], day_fills=counts[1], repeats=counts[2])
    if limits.asks_equity or limits.losses_max is not None:
        view = replace(view, **worth_of(state, settings, limits))
    return view


def worth_of(state: State, settings: DeskSettings, limits: ScopeLimits) -> dict[str, Any]:
    """Return what a scope is worth, and was; a scope without capital begins at 0."""
    memory = state.risk.supervision.memory.of(limits.scope)
    capital = capital_of(settings, limits.scope) or ZERO
    profit = profit_of(state, settings, limits.scope)
    day = memory.day_profit
    return {
        "equity": None if profit is None else float(capital + profit),
        "peak": float(capital + memory.peak_profit),
        "day_equity": None if day is None else float(capital + day),
        "losses": memory.losses,
    }


def spread_of(
    state: State, settings: DeskSettings, order: Order, sums: Notionals
) -> dict[str, float]:
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
            name, order.side, sums.longest, sums.shortest, state.risk.correlations.of
        ),
    }
