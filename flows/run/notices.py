"""Notices of the trade flow before its first record.

Instruments that are listed and not traded; what a kept state holds and nobody trades.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tapeflow.connectors.duckdb.held import read_held
from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.results import result_paths


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield lines about what the job lists or the state holds and nobody trades."""
    for row in instrument_table(plan.job).rows:
        if row.inverse:
            yield (
                f"{row.id} is coin-margined (inverse): a unit of size is {row.multiplier} "
                f"{row.quote}, and profit is paid in {row.base}"
            )
    if plan.state is not None and (plan.state / "work.duckdb").exists():
        yield from held_notices(plan)


def held_notices(plan: Plan) -> Iterator[str]:
    """Yield a line for each strategy that holds what the job no longer has it trade."""
    positions, orders = read_held(result_paths(plan).work)
    traded = {
        (strategy.account, strategy.name, instrument)
        for strategy in wiring.strategies(plan.job, instrument_table(plan.job))
        for instrument in strategy.instruments
    }
    held: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for position in positions:
        if position[:3] not in traded:
            quantity = format_decimal(position.quantity)
            held[position[:2]].append(f"{quantity} {position.instrument}")
    for order in orders:
        if order[:3] not in traded:
            size = format_decimal(order.size)
            held[order[:2]].append(f"an order to {order.side} {size} {order.instrument}")
    for (account, strategy), parts in sorted(held.items()):
        yield (
            f"strategy {strategy} of account {account} holds {', '.join(parts)}, which the job no "
            "longer has it trade: positions are valued and count in the account's limits, orders "
            "still fill, but nothing closes them. Name it in the job again, or start with a fresh "
            "--state"
        )


def format_decimal(value: Decimal) -> str:
    """Return a decimal without trailing zeros or exponent."""
    return f"{value.normalize():f}"
