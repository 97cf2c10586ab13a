"""Find what is to be sold of a scope until it is back within a limit of its exposure.

gross 1,060, limit 1,000     down to 950: 110 of the largest position, and of the next if need be

Entries of the scope are canceled before, so only what is held counts here.
"""

import math
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal

from tapeflow.operators.desk.risk.check import is_within
from tapeflow.operators.desk.risk.held import Owner, positions_in
from tapeflow.operators.desk.risk.holdings import unit_values
from tapeflow.operators.desk.risk.overrides import limits_now
from tapeflow.operators.desk.risk.profit import equity_of
from tapeflow.operators.desk.risk.supervision.breaches import account_of
from tapeflow.operators.desk.risk.trading_states import Closing
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import ScopeLimits

TARGET = Decimal("0.95")  # of the limit
ZERO = Decimal(0)
Units = dict[str, Decimal]  # by instrument, signed


def find_excess(
    state: State, settings: DeskSettings, closing: Closing
) -> list[tuple[Owner, Decimal]]:
    """Return owners and the units of each that are to be closed; none where all is within."""
    scope, rule = closing.scope, closing.cause.rule
    limits = limits_now(state.risk.overrides, scope, settings.risk.limits.get(scope))
    if limits is None:
        return []
    owned = [*positions_in(state, settings, scope)]
    units: Units = {}
    for (_, _, instrument), quantity in owned:
        units[instrument] = units.get(instrument, ZERO) + quantity
    if rule == "POSITION_LIMIT":
        excess = over_position(units, limits)
    else:
        values = unit_values(state, settings, account_of(state, settings, scope))
        notionals = {
            name: float(quantity) * values(name, long=quantity > 0)
            for name, quantity in units.items()
            if quantity
        }
        equity = equity_of(state, settings, scope)
        excess = over_notional(units, notionals, rule, largest_notional(limits, rule, equity))
    rows = {name: settings.instruments.get(name) for name in excess}
    return [*distribute(owned, excess, rows)]


def over_position(units: Units, limits: ScopeLimits) -> Units:
    """Return what is too much in each instrument."""
    most = limits.position_max
    if most is None:
        return {}
    return {
        name: (abs(quantity) - most * TARGET).copy_sign(quantity)
        for name, quantity in units.items()
        if abs(quantity) > most
    }


def largest_notional(limits: ScopeLimits, rule: str, equity: Decimal | None) -> float:
    """Return the gross, or net, that a rule allows; infinity where it allows any."""
    if rule == "GROSS_LIMIT" and limits.gross_max is not None:
        return float(limits.gross_max)
    if rule == "NET_LIMIT" and limits.net_max is not None:
        return float(limits.net_max)
    if equity is None:
        return math.inf
    if rule == "LEVERAGE_LIMIT" and limits.leverage_max is not None:
        return max(limits.leverage_max * float(equity), 0.0)
    if rule == "MARGIN" and limits.margin_min:
        return max(float(equity) / limits.margin_min, 0.0)
    return math.inf


def over_notional(units: Units, notionals: Mapping[str, float], rule: str, largest: float) -> Units:
    """Return what is to be closed of the largest positions first, by instrument."""
    is_net = rule == "NET_LIMIT"
    total = math.fsum(notionals.values() if is_net else map(abs, notionals.values()))
    if math.isnan(total) or is_within(abs(total), largest):
        return {}
    left, excess = abs(total) - largest * float(TARGET), Units()
    by_size = sorted(notionals.items(), key=lambda each: (-abs(each[1]), each[0]))
    for name, notional in by_size:
        if left <= 0 or (is_net and notional * total < 0):
            continue
        share = min(left / abs(notional), 1.0) if notional else 0.0
        excess[name] = units[name] * Decimal(share)
        left -= abs(notional) * share
    return excess


def distribute(
    owned: list[tuple[Owner, Decimal]], excess: Units, rows: Mapping[str, Instrument]
) -> Iterator[tuple[Owner, Decimal]]:
    """Yield owners and units that close an excess, the largest position first, in whole lots."""
    for name, wanted in excess.items():
        left, row = abs(wanted), rows[name]
        of_side = [each for each in owned if each[0][2] == name and each[1] * wanted > 0]
        for owner, quantity in sorted(of_side, key=lambda each: (-abs(each[1]), each[0])):
            lots = (min(left, abs(quantity)) / row.lot).to_integral_value(ROUND_CEILING)
            closed = min(lots * row.lot, row.floor_size(abs(quantity)))
            if closed > 0:
                yield owner, closed.copy_sign(quantity)
                left -= closed
