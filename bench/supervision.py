"""Measure what supervision costs a tick: without a position, with some, and close to a limit.

    python -m bench.supervision [--ticks N] [--rounds N]

One desk reads the same trades and quotes of 5 instruments, as random walks, with and without limits
on losses, drawdown and exposure and a trailing stop of each position. CPU time; medians of rounds
that go by turns. Exits with 1 where a tick costs more than 0.5 ns more without positions, or 5 ns
with.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal as D

import numpy as np
from msgspec.structs import replace

from tapeflow.flows.job import portfolio
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.batches import DeskBatch
from tapeflow.schemas.desk_market import DeskMarket, DeskMarkPrices, DeskQuotes, DeskTrades
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import MARKET
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.signals import Intent, Signal

S = 10**9
PARTITION, PAGE, STEP_NS = "binance-0", 10_000, 1_000_000
NAMES = tuple(f"{each}-USDT.BINANCE" for each in ("AAA", "BBB", "CCC", "DDD", "EEE"))
MOVE = 2e-5  # of a price from tick to tick: 1 % in 250,000
FLAT_NS, HELD_NS = 0.5, 5.0
JOB = Job.model_validate({
    "paper": {"model": "touch", "taker_bps": 0},
    "accounts": [{"name": "main", "position_max": 10**6, "gross_max": 10**9, "orders_max": 10**6,
                  "orders_window": "1s", "capital": 100_000}],
    "strategies": [{"name": "s", "kind": "ema_cross", "account": "main", "size": 1}],
    "instruments": {name: {"tick": "0.01", "lot": "0.1"} for name in NAMES},
})  # fmt: skip
TABLE = instrument_table(JOB)
LIMITS = {
    "portfolio": ScopeLimits("portfolio", daily_loss=D(20_000), drawdown=0.3),
    "account:main": ScopeLimits(
        "account:main", gross_max=D(90_000), leverage_max=2.0, on_exceed="reduce"
    ),
}
PROTECTION = Protection(
    frozenset("s"), frozenset(NAMES), stop_bps=2_000.0, trail_bps=2_500.0, trail_step_bps=50.0
)
EVERY_BEST = replace(PROTECTION, trail_step_bps=0.0)
CLOSE = {"portfolio": ScopeLimits("portfolio", daily_loss=D(400))}  # as much as this log moves


@dataclass(frozen=True)
class Case:
    """A desk, and whether it holds positions."""

    name: str
    settings: DeskSettings
    holds: bool


def cases() -> list[Case]:
    """Return what is compared: each with limits after the same without."""
    base = portfolio.desk_settings(JOB, TABLE, (PARTITION,))
    plain = replace(base, risk=RiskRules())
    limited = replace(base, risk=RiskRules(limits=LIMITS), protections=(PROTECTION,))
    every = replace(limited, protections=(EVERY_BEST,))
    near = replace(base, risk=RiskRules(limits=CLOSE))
    return [
        Case("flat, no limits", plain, holds=False),
        Case("flat, limits", limited, holds=False),
        Case("5 positions, no limits", plain, holds=True),
        Case("5 positions, limits", limited, holds=True),
        Case("5 positions, a trail at each new best", every, holds=True),
        Case("5 positions, close to a loss limit", near, holds=True),
    ]


def pages(ticks: int, *, holds: bool) -> Iterator[DeskBatch]:
    """Yield a log of trades and quotes by turns; at its begin each instrument is bought."""
    draw = np.random.default_rng(7)
    moves = draw.standard_normal((ticks // 5 + 1, 5)) * MOVE
    prices = np.round(100 * np.exp(np.cumsum(moves, axis=0)), 2).reshape(-1)[:ticks]
    for begin in range(0, ticks, PAGE):
        rows = np.arange(begin, min(begin + PAGE, ticks))
        yield page_of(rows, prices[rows], [*intents()] if holds and not begin else [])
    yield batch_of(DeskMarket(), [], ticks, ticks, end_of_log=True)


def intents() -> Iterator[Intent]:
    """Yield what buys 100 of each instrument."""
    for number, name in enumerate(NAMES):
        at_ns = number * STEP_NS
        signal = Signal(name, "s", name, at_ns, BUY, 1.0, "", at_ns, 100.0, PARTITION, number)
        yield Intent("main", signal, D(100), MARKET)


def page_of(rows: np.ndarray, price: np.ndarray, wanted: list[Intent]) -> DeskBatch:
    """Return some ticks: even rows are trades, odd ones quotes around the price."""
    is_trade = rows // 5 % 2 == 0

    def common(of: np.ndarray) -> dict[str, np.ndarray]:
        log_ns = rows[of] * STEP_NS
        where = {"offset": rows[of], "log_ns": log_ns, "instrument": rows[of] % 5}
        return {**where, "venue_ns": log_ns, "event_ns": log_ns}

    count, quoted = int(is_trade.sum()), ~is_trade
    trades = DeskTrades(
        **common(is_trade), price=price[is_trade], size=np.full(count, 1000.0),
        trade_id=rows[is_trade],
    )  # fmt: skip
    size = np.full(len(rows) - count, 1000.0)
    quotes = DeskQuotes(
        **common(quoted), bid=price[quoted] - 0.01, bid_size=size, ask=price[quoted] + 0.01,
        ask_size=size,
    )  # fmt: skip
    market = DeskMarket(trades, quotes, DeskMarkPrices.empty())
    return batch_of(market, wanted, int(rows[0]), int(rows[-1]) + 1)


def batch_of(
    market: DeskMarket, wanted: list[Intent], first: int, end: int, *, end_of_log: bool = False
) -> DeskBatch:
    """Return one batch of the desk."""
    return DeskBatch(
        partition=PARTITION,
        first_offset=first,
        next_offset=end,
        first_log_ns=first * STEP_NS,
        log_ns=(end - 1) * STEP_NS,
        end_of_log=end_of_log,
        instruments=np.arange(5),
        market=market,
        intents=tuple(wanted),
    )


def measure(case: Case, log: list[DeskBatch], ticks: int) -> tuple[float, int]:
    """Return CPU ns a tick of a desk over a log, and how often it evaluated."""
    desk = Desk(case.settings)
    state, begin = desk.initial(), time.process_time_ns()
    for each in log:
        state, _ = desk.step(state, each)
    spent_ns = time.process_time_ns() - begin
    return spent_ns / ticks, state.risk.supervision.evaluations


def main() -> int:
    """Measure all cases; return 1 where a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ticks", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    all_cases = cases()
    logs = {holds: [*pages(args.ticks, holds=holds)] for holds in (False, True)}
    for case in all_cases:  # a first run is slower
        measure(case, logs[case.holds][:3], 1)
    found: dict[str, list[float]] = {each.name: [] for each in all_cases}
    counts: dict[str, int] = {}
    for _ in range(args.rounds):
        for case in all_cases:
            spent, counts[case.name] = measure(case, logs[case.holds], args.ticks)
            found[case.name].append(spent)
    medians = {name: statistics.median(each) for name, each in found.items()}
    for name, median in medians.items():
        print(f"{name:40} {median:8.2f} ns a tick   {counts[name]:7} evaluations")
    flat = medians["flat, limits"] - medians["flat, no limits"]
    held = medians["5 positions, limits"] - medians["5 positions, no limits"]
    print(f"supervision: {flat:.2f} ns a tick flat, {held:.2f} ns with positions")
    return int(flat > FLAT_NS or held > HELD_NS)


if __name__ == "__main__":
    sys.exit(main())
