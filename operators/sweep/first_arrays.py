"""The arrays of light portfolios before the first record; what they are is in layout.py."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from tapeflow.operators.desk.risk.rate import RESERVE
from tapeflow.operators.desk.settings import AccountSettings, DeskSettings
from tapeflow.operators.sweep import layout
from tapeflow.operators.sweep.layout import (
    ACCOUNT_WIDTH,
    FEE,
    FEE_BASE,
    GROSS_MAX,
    HEAD,
    HELD_WIDTH,
    IS_SPOT,
    LAST_NS,
    LAST_OFFSET,
    MARKET_WIDTH,
    NEVER,
    ORDERS_MAX,
    POSITION_MAX,
    PRICE_WIDTH,
    QUOTE_NS,
    QUOTE_OFFSET,
    SCALE,
    TAIL,
    TURNS,
    UNIT,
    WINDOW_NS,
    WORTH_MAX,
)
from tapeflow.operators.sweep.light import LightVariants
from tapeflow.operators.sweep.light_settings import FACTOR_MAX, WHOLE_MAX, scales_of, unit_of
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MIN_NS


def light_variants(strategies: Sequence[DeclaredStrategy], settings: DeskSettings) -> LightVariants:
    """Return the variants of these strategies, and the arrays that they begin with."""
    table = settings.instruments
    paper, ids = settings.paper, sorted(table.ids, key=str.encode)
    accounts, held = first_accounts(strategies, settings), first_held(strategies, settings)
    patience = NEVER if paper.patience_ns is None else paper.patience_ns
    rules = [paper.entry.constant_ns, patience, paper.quote_age_ns, paper.model == "sized"]
    rules.append(settings.risk.counting == "net")
    return LightVariants(
        names=tuple(each.name for each in strategies),
        settings=settings,
        ranks=tuple(ids.index(name) for name in table.ids),
        arrays=(
            np.zeros((0, layout.ORDER_WIDTH), np.int64),
            first_markets(settings),
            np.full((len(table), PRICE_WIDTH), np.nan),
            held,
            np.full(len(held), np.nan),
            accounts,
            np.zeros((len(strategies), max(1, int(accounts[:, ORDERS_MAX].max()))), np.int64),
            np.array(rules, np.int64),
            np.array([-1, NEVER, 0], np.int64),
            np.zeros((0, layout.FILL_WIDTH), np.int64),
            np.zeros(0),
        ),
    )


def first_markets(settings: DeskSettings) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the instruments before the first row."""
    rows = settings.instruments.rows
    markets = np.zeros((len(rows), MARKET_WIDTH), np.int64)
    markets[:, [HEAD, TAIL, LAST_OFFSET, QUOTE_OFFSET]] = -1
    markets[:, [LAST_NS, QUOTE_NS]] = MIN_NS
    markets[:, SCALE] = scales_of(settings)
    for number, row in enumerate(rows):
        fee = Fraction(settings.money.fees.of_venue(row.venue).tiers[0].taker)
        if max(abs(fee.numerator), fee.denominator) <= FACTOR_MAX:
            markets[number, [FEE, FEE_BASE]] = fee.numerator, fee.denominator
        markets[number, [IS_SPOT, TURNS]] = row.is_spot, settings.risk.flips
        markets[number, WORTH_MAX] = WHOLE_MAX // max(abs(fee.numerator), 2)
    return markets


def first_accounts(
    strategies: Sequence[DeclaredStrategy], settings: DeskSettings
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the variants before the first order."""
    accounts = np.zeros((len(strategies), ACCOUNT_WIDTH), np.int64)
    is_net = settings.risk.counting == "net"
    for number, each in enumerate(strategies):
        account: AccountSettings = settings.accounts[each.account]
        limits, scale = account.limits, Decimal(10) ** settings.money.digits
        columns = [POSITION_MAX, GROSS_MAX, ORDERS_MAX, WINDOW_NS]
        accounts[number, columns] = (
            min(int(limits.position_max // each.size), WHOLE_MAX),
            min(int(limits.gross_max * scale), 2 * WHOLE_MAX),
            limits.orders_max if is_net else limits.orders_max - limits.orders_max // RESERVE,
            limits.orders_window_ns,
        )
    return accounts


def first_held(
    strategies: Sequence[DeclaredStrategy], settings: DeskSettings
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return what the variants hold before their first fill."""
    rows = settings.instruments.rows
    held = np.zeros((len(strategies) * len(rows), HELD_WIDTH), np.int64)
    for number, each in enumerate(strategies):
        units = [unit_of(each.size, row, settings.money.digits) or 0 for row in rows]
        held[number * len(rows) : (number + 1) * len(rows), UNIT] = units
    return held
