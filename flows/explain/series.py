"""Features at each bar of a source, computed by the steps of the run.

bars of the results ─score_bars, ComputeFeatures─▶ score, rsi:14, .. of each bar, by need
"""

from typing import Any

import msgspec
import numpy as np

from tapeflow.flows.explain.node import Row
from tapeflow.flows.explain.stored_bars import StoredBars
from tapeflow.flows.job import bar_steps
from tapeflow.flows.job.features import needed_features
from tapeflow.flows.job.settings import Job
from tapeflow.operators.features.needed import Needed, NeededFold
from tapeflow.operators.features.step import ComputeFeatures
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Floats
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import Market
from tapeflow.schemas.needs import SCORE
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MAX_NS, format_time

NO_RECORDS = np.empty(0, np.int64)


class Series:
    """The bars of a source, and the features that a strategy reads of them."""

    def __init__(
        self, job: Job, table: InstrumentTable, declared: DeclaredStrategy, stored: StoredBars
    ) -> None:
        """Compute all of them. Raises StrategyError where a class of the user's fails."""
        self.job, self.stored, kind = job, stored, stored.source.kind
        self.hole_ns = MAX_NS if job.normalise.hole is None else job.normalise.hole
        needed = [each for each in needed_features(job, [declared]) if each.kind == kind]
        self.values: dict[str, Floats] = {}
        step = ComputeFeatures(tuple(needed), table.ids, self.hole_ns)
        if needed and len(stored.bars):
            with np.errstate(all="ignore"):  # without numba
                place = stored.source.partition
                step.compute(step.initial(), kind, needed, stored.bars, place, self.values)
        self.parameters = {text: parameters_of(each) for each in needed for text in each.outputs}
        self.scores = np.empty(0) if kind else self.score(table)

    def score(self, table: InstrumentTable) -> Floats:
        """Return the score of each bar, of the window of [normalise]."""
        step, bars = bar_steps.score_bars(self.job, table), self.stored.bars
        batch = Batch("", 0, NO_RECORDS, NO_RECORDS, NO_RECORDS, False, Market(), bars=bars)
        _, (scored,) = step.step(step.initial(), batch)
        return scored.scores

    def row(self, need: str, place: int) -> Row:
        """Return a feature at a bar, and at the one before."""
        parameters = self.parameters.get(need, {})
        values = self.values.get(need, np.empty(0))
        if need == SCORE:
            values, parameters = self.scores, {"window": self.job.normalise.window}
        found = {"value": value_at(values, place), "before": value_at(values, place - 1)}
        return self.of_bars(need, place) | {"parameters": parameters} | found

    def of_bars(self, name: str, place: int) -> Row:
        """Return of which bars a value is: how many, and the end of the last one."""
        stored = self.stored
        begin = stored.begin_of(place, self.hole_ns)
        end_ns = int(stored.bars.close_ns[place]) if place >= 0 else None
        return {
            "feature": name,
            "instrument": stored.source.instrument,
            "bars": place + 1 - begin,
            "incomplete": stored.incomplete[place + 1] - stored.incomplete[begin],
            "bar_end": None if end_ns is None else format_time(end_ns),
        }


def value_at(values: Floats, place: int) -> float | None:
    """Return a value; None where there is none."""
    value = float(values[place]) if 0 <= place < len(values) else float("nan")
    return None if np.isnan(value) else value


def parameters_of(needed: Needed) -> dict[str, Any]:
    """Return the parameters of a feature by name."""
    if isinstance(needed, NeededFold):
        return dict(needed.params)
    return msgspec.structs.asdict(needed.feature)
