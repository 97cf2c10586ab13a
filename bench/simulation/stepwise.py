"""The flow without an engine: a seeded scheduler decides what an engine decides by chance.

    partition   page | page  page |            cut anywhere, read in any order
    desks        batches arrive in any order between partitions
    commit             |          |            states, positions and facts together
    crash                     x                back to the last commit, or to one before it

Every state lives through its snapshot there: as after a kill, and as with other workers.
"""

import random
from collections import deque
from typing import Any

from msgspec import Struct

from bench.simulation.case import Case
from tapeflow.engine.fold import Step
from tapeflow.flows.job import bar_steps, declared, portfolio, wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators import batch_facts
from tapeflow.operators.decode import step as decode
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import PORTFOLIO, Desk
from tapeflow.operators.quality.step import CountQuality
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.operators.strategies.step import EvaluateStrategies, bind
from tapeflow.operators.unlisted import CountUnlisted
from tapeflow.schemas.batches import DeskBatch, Page

LARGEST_PAGES = (1, 3, 20, 400, 20_000)
COMMITS_STORED = 3


class Commit(Struct, frozen=True):
    """All that one epoch makes durable."""

    read: dict[str, int]  # records of each partition; one more where its end was read
    states: dict[tuple[str, str], Any]  # snapshots by step and key
    facts: int


class Scheduler:
    """One history of a case: reads, arrivals, commits and crashes in a random order."""

    def __init__(self, case: Case, job: Job, draw: random.Random) -> None:
        table = instrument_table(job)
        self.log, self.draw, self.ids = case.log, draw, table.ids
        self.settings = portfolio.desk_settings(job, table, sorted(case.log))
        self.decoders = wiring.decoders(job, table)
        self.steps: dict[str, Step[Any, Any, Any]] = {
            "dedupe": bar_steps.dedupe(job, table),
            "judge": bar_steps.judge_trades(job, table),
            "bars": bar_steps.time_bars(job, table),
            "settle": SettleGaps(job.bars.width),
            "normalise": bar_steps.score_bars(job, table),
            "signals": EvaluateStrategies(bind(declared.strategies(job, table), table)),
            "quality": CountQuality(table.ids, wiring.channels(job)),
            "unlisted": CountUnlisted(),
            "desk": Desk(self.settings),
        }
        self.largest_page = draw.choice(LARGEST_PAGES)
        self.crashes_left = draw.choice([0, 1, 3, 8])
        self.read = dict.fromkeys(case.log, 0)
        self.states: dict[tuple[str, str], Any] = {}
        self.waiting: dict[str, deque[DeskBatch]] = {name: deque() for name in case.log}
        self.facts: list[Any] = []
        self.commits = deque([Commit(dict(self.read), {}, 0)], COMMITS_STORED)

    def run(self) -> list[Any]:
        """Run to the end of every partition; return all facts."""
        while left := [name for name in self.log if self.read[name] <= len(self.log[name])]:
            chance = self.draw.random()
            if chance < 0.08:
                self.commit()
            elif chance < 0.12 and self.crashes_left:
                self.crash()
            elif chance < 0.5 and any(self.waiting.values()):
                self.deliver()
            else:
                self.read_page(self.draw.choice(left))
        self.commit()
        return self.facts

    def read_page(self, name: str) -> None:
        """Read the next records of a partition, or its end, through all steps of it."""
        records, begin = self.log[name], self.read[name]
        count = self.draw.randint(1, self.largest_page)
        several = records[begin : begin + count]
        frames, times = [each.frame for each in several], [each.log_ns for each in several]
        page = Page.from_frames(name, begin, times, frames, end_of_log=not several)
        self.read[name] += len(several) or 1
        batch = decode.step(page, decoder=self.decoders[name.rpartition("-")[0]])
        for step in ("dedupe", "judge", "bars", "settle", "normalise", "signals"):
            (batch,) = self.fold(step, name, batch)
        self.facts += batch_facts.step(batch, instruments=self.ids)
        for step in ("quality", "unlisted"):
            self.facts += self.fold(step, name, batch)
        self.waiting[name].append(desk_batch(batch, self.settings))

    def deliver(self) -> None:
        """Let the next batch of one partition arrive at its desk."""
        name = self.draw.choice([name for name, several in self.waiting.items() if several])
        batch = self.waiting[name].popleft()
        self.facts += self.fold("desk", PORTFOLIO, batch)

    def fold(self, step: str, key: str, value: Any) -> list[Any]:
        """Fold a value into the state of a key; return the outputs."""
        if (step, key) not in self.states:
            self.states[step, key] = self.steps[step].initial()
        state, outputs = self.steps[step].step(self.states[step, key], value)
        self.states[step, key] = state
        return list(outputs)

    def commit(self) -> None:
        """End an epoch: all that was read has arrived, and becomes durable."""
        while any(self.waiting.values()):
            self.deliver()
        states = {key: self.steps[key[0]].snapshot(state) for key, state in self.states.items()}
        self.commits.append(Commit(dict(self.read), states, len(self.facts)))

    def crash(self) -> None:
        """Go back to a commit: states, positions and facts."""
        self.crashes_left -= 1
        for _ in range(self.draw.choice([0, 0, 0, 1, 2])):  # later ones are gone
            if len(self.commits) > 1:
                self.commits.pop()
        commit = self.commits[-1]
        self.read = dict(commit.read)
        self.states = {
            key: self.steps[key[0]].restore(saved) for key, saved in commit.states.items()
        }
        self.waiting = {name: deque() for name in self.log}
        del self.facts[commit.facts :]
