"""The variants that light portfolios can run, and the arrays that these begin with.

What they know: one kernel, market orders of one size, filled whole by the model `trade` or `sized`
without slip, contracts and fees in currencies at par. Of anything else `why_not` says the reason.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from tapeflow.operators.desk.fees import QUOTE
from tapeflow.operators.desk.reach import HIGHEST_PRICE, REACH_MAX
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.sweep.forecasts import EvaluateVariants, Group
from tapeflow.operators.sweep.grid_kernels import GRID_KINDS
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, count_decimals
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.order_plans import AT_MARKET
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MIN_NS

APPROVALS_MAX = 10_000  # of the window of an account: so many times are remembered
FACTOR_MAX = 2**20  # of a fee
WHOLE_MAX = 2**60


def why_not(strategy: DeclaredStrategy, settings: DeskSettings) -> str:
    """Return why light portfolios cannot run a strategy of these settings; "" where they can."""
    return next(reasons(strategy, settings), "")


def reasons(strategy: DeclaredStrategy, settings: DeskSettings) -> Iterator[str]:
    """Yield what of a strategy and its settings light portfolios do not know."""
    if strategy.strategy is not None or strategy.kind not in GRID_KINDS:
        yield f"{strategy.kind} is a class"
    if strategy.placement != "columns":
        yield "it runs in the merge"
    if strategy.sizing is not None:
        yield "its size is no number of units"
    if strategy.order != AT_MARKET or strategy.exits or strategy.slicing is not None:
        yield "its orders are more than market orders"
    paper = settings.paper
    if paper.model == "touch" or (paper.model == "sized" and paper.slip != 0):
        yield "[paper] fills its orders in parts"
    if paper.entry.spread_ns or paper.answer.spread_ns or paper.answer.constant_ns:
        yield "[paper] latency differs by order, or answers take time"
    if paper.patience_ns is not None and paper.entry.constant_ns + paper.patience_ns <= 0:
        yield "[paper] patience ends orders at once"
    if settings.pays_funding:
        yield "funding is paid"
    if settings.warm_up_ns or settings.warm_until_ns > MIN_NS:
        yield "nothing is traded in the [warmup]"
    limits = settings.accounts[strategy.account].limits
    if limits.orders_max > APPROVALS_MAX:
        yield f"orders_max is above {APPROVALS_MAX:,}"
    yield from reasons_of_limits(settings)
    yield from reasons_of_instruments(strategy, settings)


def reasons_of_limits(settings: DeskSettings) -> Iterator[str]:
    """Yield what of the limits light portfolios do not know: all but those of [[accounts]]."""
    if settings.protections:
        yield "[[protect]] closes positions"
    if settings.risk.counting == "net":
        return
    if settings.risk.on_breach == "resize":
        yield "[risk] cuts orders"
    for scope, limits in settings.risk.limits.items():
        plain = ScopeLimits(
            scope,
            position_max=limits.position_max,
            gross_max=limits.gross_max,
            orders_max=limits.orders_max,
            orders_window_ns=limits.orders_window_ns,
        )
        if limits != plain or scope.partition(":")[0] != "account":
            yield f"{scope} has [limits]"


def reasons_of_instruments(strategy: DeclaredStrategy, settings: DeskSettings) -> Iterator[str]:
    """Yield what of the instruments of a strategy light portfolios do not know."""
    account = settings.accounts[strategy.account]
    reach = account.limits.position_max * len(strategy.instruments) * HIGHEST_PRICE
    for name in sorted(strategy.instruments):
        row, fees = settings.instruments.get(name), settings.money.fees
        venue = fees.of_venue(row.venue)
        if row.contract != "linear" or row.settlement not in account.at_par:
            yield f"{name} pays in another currency than those at par"
        if row.quote not in account.at_par:
            yield f"{name} is quoted in a currency that is not at par"
        if venue.currency != QUOTE or len(venue.tiers) > 1:
            yield f"fees of {row.venue} have tiers or a currency of their own"
        fee = Fraction(venue.tiers[0].taker)
        if max(abs(fee.numerator), fee.denominator) > FACTOR_MAX:
            yield f"the fee of {row.venue} has many digits"
        too_small = row.min_size is not None and strategy.size < row.min_size
        too_large = row.max_size is not None and strategy.size > row.max_size
        if row.min_notional is not None or too_small or too_large:
            yield f"{name} has a least notional, or refuses the size"
        if unit_of(strategy.size, row, settings.money.digits) is None:
            yield f"money of {name} is rounded to fewer decimals than a tick of an order has"
        if reach * row.multiplier * 1000 >= REACH_MAX:
            yield "position_max may come near what tables hold"


def unit_of(size: Decimal, row: Instrument, digits: int) -> int | None:
    """Return the worth of an order at one step, in units of money; None where it is not whole."""
    step = DECIMAL_CONTEXT.multiply(size, row.multiplier)
    units = DECIMAL_CONTEXT.scaleb(step, digits - decimals_of(row))
    whole = int(units)
    return whole if whole == units and 0 < whole < WHOLE_MAX else None


def decimals_of(row: Instrument) -> int:
    """Return the decimals of the prices of an instrument."""
    return count_decimals(row.tick.normalize())


def scales_of(settings: DeskSettings) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the steps of a price in one unit of it, by instrument."""
    return np.array([10 ** decimals_of(row) for row in settings.instruments.rows], np.int64)


def evaluation(strategies: Sequence[DeclaredStrategy], settings: DeskSettings) -> EvaluateVariants:
    """Return the step that evaluates these strategies; neighbours of one kind go together."""
    groups: list[Group] = []
    for number, each in enumerate(strategies):
        mask = np.array([name in each.instruments for name in settings.instruments.ids])
        last = groups[-1] if groups else None
        if last is not None and last.kind == each.kind and (last.mask == mask).all():
            groups[-1] = Group(last.kind, last.first, (*last.parameters, each.params), mask)
        else:
            groups.append(Group(each.kind, number, (each.params,), mask))
    return EvaluateVariants(tuple(groups), settings, scales_of(settings))
