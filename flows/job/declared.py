"""The strategies that a job declares, with the instruments that they trade."""

from collections.abc import Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec.structs import replace

from tapeflow.flows.job.class_settings import make_strategy
from tapeflow.flows.job.kinds import find_kind
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.sizes import SizeSettings
from tapeflow.flows.job.strategies import ClassStrategy, StrategySettings
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy


def strategies(job: Job, table: InstrumentTable) -> tuple[DeclaredStrategy, ...]:
    """Return the strategies of a job, with the instruments that they trade.

    Raises UsageError for a pattern that matches none, for a class that is not found, whose settings
    are wrong, or whose file is not that of the last call.
    """
    declared = tuple(declare(each, job.folder, table) for each in job.strategies)
    for each in declared:
        job.remember_file(each.kind, each.source_sha256)
    return declared


def declare(row: StrategySettings, folder: Path, table: InstrumentTable) -> DeclaredStrategy:
    """Return the strategy of a row, of a job in a folder. Raises UsageError as `strategies`."""
    declared = DeclaredStrategy(
        name=row.name,
        kind=row.kind,
        params=row.own_settings(),
        account=row.account,
        size=Decimal(0) if isinstance(row.size, SizeSettings) else row.size,
        instruments=match_instruments(f"strategies.{row.name}", row.instruments, table),
        order=row.order.plan(),
        exits=tuple(exit_order.plan() for exit_order in row.exits),
        exit_rule=row.exit_rule or "OUO",
        slicing=None if row.slices is None else row.slices.slicing(),
        sizing=row.size.sizing() if isinstance(row.size, SizeSettings) else None,
        placement=row.runs_in,
    )
    if not isinstance(row, ClassStrategy):
        return declared
    place = f"strategies.{row.name}"
    try:
        kind = find_kind(row.kind, folder)
    except UsageError as error:
        raise UsageError(f"{place}.kind: {error}") from error.__cause__
    made = make_strategy(place, kind.type, declared.params)
    return replace(declared, strategy=made, source_sha256=kind.sha256)


def in_columns(declared: Iterable[DeclaredStrategy]) -> tuple[DeclaredStrategy, ...]:
    """Return the strategies that run over columns of bars, before the merge."""
    return tuple(each for each in declared if each.placement == "columns")


def in_merge(declared: Iterable[DeclaredStrategy]) -> tuple[DeclaredStrategy, ...]:
    """Return the strategies that are called at their place of the log, in the merge."""
    return tuple(each for each in declared if each.placement == "merge")


def match_instruments(
    place: str, patterns: Iterable[str], table: InstrumentTable
) -> frozenset[str]:
    """Return the ids that match any of the patterns; a pattern that matches none is refused."""
    matched: set[str] = set()
    for pattern in patterns:
        ids = {each for each in table.ids if fnmatchcase(each, pattern)}
        if not ids:
            raise UsageError(f"{place}: no instrument of the job is {pattern}")
        matched |= ids
    return frozenset(matched)
