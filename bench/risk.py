"""Measure the risk checks of one order: every check with a finding, and the findings as JSON.

    python -m bench.risk [--scopes N] [--limit-us US]

The order opens and passes all, so none is left out; each scope has every limit. Medians of rounds.
Exits with 1 where 25 of the checks, in one scope, take more than `--limit-us`.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal as D
from functools import partial

from tapeflow.operators.desk.risk.findings import encode_findings
from tapeflow.operators.desk.risk.run import CHECKS
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.limits import Hours, ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.risk import Finding, Proposal, ScopeView
from tapeflow.schemas.sides import BUY

S = 10**9
ROUNDS, CALLS = 15, 2_000
LIMIT_US, MANY = 20.0, 25  # of so many checks
ROW = Instrument(
    "BTC-USDT-PERP.BINANCE-USDM", "BINANCE-USDM", "BTC", "USDT", "perp", "BTCUSDT", D("0.1"),
    D("0.001"), D(1), min_size=D("0.001"), max_size=D(1000), min_notional=D(5),
)  # fmt: skip
LIMITS = ScopeLimits(
    "account:main", position_max=D(10), gross_max=D(10**6), net_max=D(10**6), leverage_max=10.0,
    concentration_max=0.9, venue_share_max=0.9, group_share_max=0.9, effective_min=1.0,
    correlated_max=D(10**6), size_max=D(10), notional_max=D(10**6), collar_bps=500.0,
    touch_bps=50.0, approval_above=D(10**6), refuse_self_trade=True, trade_age_ns=S,
    quote_age_ns=S, refuse_crossed=True, clock_offset_ns=S, orders_max=100, open_orders_max=100,
    order_to_trade_max=100.0, repeats_max=1000, repeat_ns=S, daily_loss=D(1000), drawdown=0.2,
    losses_max=10, restricted="SELL", hours=(Hours(0, 10_080),),
)  # fmt: skip
VIEW = ScopeView(
    LIMITS, D("0.1"), D("0.2"), D(0), gross_after=51_000.12, net_after=20_100.5, share_after=0.5,
    venue_share_after=0.6, group_share_after=0.7, effective_after=2.5, correlated_after=40_000.0,
    equity=10_500.3, peak=10_800.0, day_equity=10_600.0, losses=1, day_orders=5, day_fills=3,
    repeats=7,
)  # fmt: skip


def make_order(scopes: int) -> Proposal:
    """Return an order that is in so many scopes and passes all checks."""
    return Proposal(
        ROW, "main", "trend", BUY, D("0.5"), Terms(type="limit", limit=D("61837.5")), 10**18,
        D("0.1"), D("0.2"), D(0), (VIEW,) * scopes, mark=61_837.6, notional=30_918.8, bid=61_837.4,
        ask=61_837.6, trade_ns=10**18 - 5, quote_ns=10**18 - 3, clock_offset_ns=1_000_000,
        own_ask=D(62_000), own_bid=D(61_000),
    )  # fmt: skip


def run(order: Proposal) -> list[Finding]:
    """Return what all checks find."""
    return [found for each in CHECKS if (found := each.check(order)) is not None]


def median_us(call: Callable[[], object]) -> float:
    """Return the median of the microseconds of a call, over rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began_ns = time.process_time_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time_ns() - began_ns) / CALLS / 1e3)
    return statistics.median(rounds)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scopes", type=int, nargs="+", default=[1, 3], help="default: 1 and 3")
    parser.add_argument("--limit-us", type=float, default=LIMIT_US, help="default: %(default)s")
    arguments = parser.parse_args()
    slow = False
    for scopes in arguments.scopes:
        order = make_order(scopes)
        findings = run(order)
        assert all(each.passed for each in findings), "an order that is refused is not measured"
        checks_us = median_us(partial(run, order))
        json_us = median_us(partial(encode_findings, findings))
        print(
            f"{len(findings)} checks, scopes {scopes}: {checks_us:.1f} us an order "
            f"({checks_us / len(findings) * MANY:.1f} of {MANY}), findings as JSON {json_us:.1f} us"
        )
        slow |= scopes == 1 and checks_us / len(findings) * MANY > arguments.limit_us
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
