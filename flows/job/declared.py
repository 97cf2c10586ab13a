"""The strategies that a job declares, with the instruments that they trade."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.strategies import StrategySettings
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy


def strategies(job: Job, table: InstrumentTable) -> tuple[DeclaredStrategy, ...]:
    """Return the strategies of a job, with the instruments that they trade.

    Raises UsageError for a pattern that matches none.
    """
    return tuple(
        DeclaredStrategy(
            name=each.name,
            kind=each.kind,
            params=each.model_dump(
                include=set(type(each).model_fields) - {*StrategySettings.model_fields, "kind"}
            ),
            account=each.account,
            size=each.size,
            instruments=match_instruments(each.name, each.instruments, table),
            order=each.order.plan(),
            exits=tuple(exit_order.plan() for exit_order in each.exits),
            exit_rule=each.exit_rule or "OUO",
            slicing=None if each.slices is None else each.slices.slicing(),
        )
        for each in job.strategies
    )


def match_instruments(name: str, patterns: Iterable[str], table: InstrumentTable) -> frozenset[str]:
    """Return the ids that match any of the patterns; a pattern that matches none is refused."""
    matched: set[str] = set()
    for pattern in patterns:
        ids = {each for each in table.ids if fnmatchcase(each, pattern)}
        if not ids:
            raise UsageError(f"strategies.{name}: no instrument of the job is {pattern}")
        matched |= ids
    return frozenset(matched)
