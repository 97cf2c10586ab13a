"""The steps from trades to bars and scores, built from a job."""

from collections.abc import Iterable

from tapeflow.flows.job.bar_kinds import bar_kinds
from tapeflow.flows.job.settings import Job
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.dedupe.step import Dedupe
from tapeflow.operators.features.normalise import Normalise
from tapeflow.operators.sequence.judge import JudgeTrades
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MAX_NS
from tapeflow.schemas.venues import VENUES


def dedupe(job: Job, table: InstrumentTable) -> Dedupe:
    """Return the step that marks duplicates."""
    return Dedupe(job.dedupe.window, len(table), job.bars.gaps)


def judge_trades(job: Job, table: InstrumentTable) -> JudgeTrades:
    """Return the step that judges trades by stamp and id."""
    ahead_ns, pause_ns = (
        MAX_NS if limit is None else limit for limit in (job.bars.ahead, job.bars.pause)
    )
    dialects = (VENUES[each.venue.lower()].dialect for each in table.rows)
    numbered = tuple(job.bars.gaps and each.numbered for each in dialects)
    return JudgeTrades(numbered, ahead_ns, pause_ns, job.bars.lateness, job.market.any_price)


def time_bars(job: Job, table: InstrumentTable) -> TimeBars:
    """Return the step that closes bars."""
    bars = job.bars
    return TimeBars(bars.width, bars.lateness, len(table), bars.ties == "id")


def other_bars(
    job: Job, table: InstrumentTable, strategies: Iterable[DeclaredStrategy]
) -> OtherBars | None:
    """Return the step that closes bars of other kinds; None where the job needs none."""
    kinds = bar_kinds(job.bars.width, job.bars.more, strategies)
    return OtherBars(kinds, job.bars.lateness, len(table)) if kinds else None


def score_bars(job: Job, table: InstrumentTable) -> Normalise:
    """Return the step that scores the returns of bars."""
    hole_ns = MAX_NS if job.normalise.hole is None else job.normalise.hole
    return Normalise(job.normalise.window, len(table), hole_ns)
