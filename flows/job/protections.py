"""The protections of positions, built from the rows [[protect]] of a job."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from tapeflow.flows.job.declared import match_instruments
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.protections import Protection


def protections(job: Job, table: InstrumentTable) -> Iterator[Protection]:
    """Yield the protections of a job. Raises UsageError for a pattern that matches none."""
    names = [each.name for each in job.strategies]
    for number, row in enumerate(job.protect):
        place = f"protect.{number}"
        for pattern in row.strategies:
            if not any(fnmatchcase(name, pattern) for name in names):
                guess = suggestion(pattern, names)
                raise UsageError(f"{place}: no strategy of the job is {pattern}{guess}")
        yield Protection(
            strategies=frozenset(
                name for name in names for each in row.strategies if fnmatchcase(name, each)
            ),
            instruments=match_instruments(place, row.instruments, table),
            stop_bps=row.stop_bps,
            stop_atr=row.stop_atr,
            atr_window=row.atr_window,
            take_bps=row.take_bps,
            trail_bps=row.trail_bps,
            trail_after_bps=row.trail_after_bps,
            trail_step_bps=row.trail_step_bps,
            break_even_bps=row.break_even_bps,
            time_ns=row.time,
            cooldown_ns=row.cooldown,
        )
