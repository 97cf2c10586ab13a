"""What a run of the trade flow says of its job: before the first record, and after the last.

start   instruments that are listed and not traded; what a kept state holds and nobody trades
end     ticks and lots that do not fit the market
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tapeflow.connectors.duckdb.held import read_held
from tapeflow.connectors.duckdb.off_step import OffStep, find_off_steps
from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.results import result_paths

MOST_LINES = 5  # of one kind
SHOWN = {"tick": "price", "lot": "volume"}
CONSEQUENCE = {
    "tick": "fills have the printed price",
    "lot": "orders stay multiples of the lot",
}


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield lines about what the job lists or the state holds and nobody trades."""
    for row in instrument_table(plan.job).rows:
        if row.inverse:
            yield (
                f"{row.id} is coin-margined (inverse): profit is paid in {row.base}, which is not "
                "computed yet. Its bars are made; every order is denied with INVERSE_CONTRACT"
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


def end_notices(plan: Plan) -> Iterator[str]:
    """Yield lines about ticks and lots that do not fit what the market printed."""
    work = result_paths(plan).work
    found = find_off_steps(work) if work.exists() else []
    yield from map(off_step_line, found[:MOST_LINES])
    if len(found) > MOST_LINES:
        rest = len(found) - MOST_LINES
        yield f"{rest} more ticks and lots do not fit their market: SELECT * FROM off_step"


def off_step_line(found: OffStep) -> str:
    """Return the line about one tick or lot that does not fit."""
    fits = (
        "the tables hold no step as fine"
        if found.fits is None
        else f"the coarsest that fits is {format_decimal(found.fits)}"
    )
    return (
        f"{found.instrument}: the job's {found.step_of} {format_decimal(found.step)} does not fit "
        f"its market: {found.off:,} of {found.printed:,} {SHOWN[found.step_of]}s are no multiples "
        f"of it, such as {format_decimal(found.example)}; {fits} ({CONSEQUENCE[found.step_of]})"
    )


def format_decimal(value: Decimal) -> str:
    """Return a decimal without trailing zeros or exponent."""
    return f"{value.normalize():f}"
