"""Notices of the trade flow before its first record."""

from collections.abc import Iterator

from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.plan import Plan


def start_notices(plan: Plan) -> Iterator[str]:
    """Yield lines about what the job lists."""
    for row in instrument_table(plan.job).rows:
        if row.inverse:
            yield (
                f"{row.id} is coin-margined (inverse): a unit of size is {row.multiplier} "
                f"{row.quote}, and profit is paid in {row.base}"
            )
    for strategy in plan.job.strategies:
        if strategy.grid is not None:
            yield (
                f"strategies.{strategy.name}.grid is of `tapeflow sweep`: this run trades the "
                "settings of the row alone"
            )
