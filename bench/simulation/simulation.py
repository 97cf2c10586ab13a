"""One seed: a case, its model, and the many ways to run it that must all answer the same."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.simulation.broker import fits, loaded_broker, with_broker
from bench.simulation.case import FORMS, Case, Job, to_toml, write_tapes
from bench.simulation.comparison import differences, tables_of_facts, tables_of_results
from bench.simulation.facts import Tables
from bench.simulation.gap_model import BeyondModelError
from bench.simulation.generator import make_case
from bench.simulation.histories import History, draw_shape
from bench.simulation.lives import Life, call
from bench.simulation.model import tables_of
from bench.simulation.stepwise import Scheduler
from tapeflow.connectors.duckdb.query import digests
from tapeflow.flows.job import settings

SHAPES, FAULTS_MAX = 2, 4


class Difference(NamedTuple):
    """Something that is not as it should be."""

    seed: int
    what: str
    detail: str


class Simulation:
    """All runs of one seed, in a folder of its own."""

    def __init__(self, seed: int, folder: Path, counts: Counter[str]) -> None:
        self.draw, self.counts = random.Random(f"simulation/{seed}"), counts
        self.case: Case = make_case(seed)
        self.folder = folder / str(seed)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "job.toml").write_text(to_toml(self.case.job))
        self.job = settings.load(self.folder / "job.toml", {})
        self.expected: Tables | None = None  # where the model does not know the answer
        with suppress(BeyondModelError):
            self.expected = tables_of(self.case)
        counts["seeds"] += 1
        counts["records"] += self.case.records
        counts["beyond the model"] += self.expected is None

    def difference(self, what: str, detail: str) -> Difference:
        """Return a difference of this seed."""
        return Difference(self.case.seed, what, detail)

    def steps(self) -> Iterator[Difference]:
        """Run the flow without an engine, in one random history."""
        scheduler = Scheduler(self.case, self.job, self.draw)
        found = tables_of_facts(scheduler.run(), scheduler.ids)
        self.counts["histories of steps"] += 1
        if wrong := self.model_differences(found):
            yield self.difference("steps", "\n".join(wrong))

    def model_differences(self, found: Tables) -> list[str]:
        """Return the first differences from the model."""
        return [] if self.expected is None else [*differences(found, self.expected)]

    def runs(self) -> Iterator[Difference]:
        """Run the command line: once plainly, then in other shapes and through other histories."""
        write_tapes(self.case, self.folder / "tapes", ("tape",), self.draw)
        write_tapes(self.case, self.folder / "other", FORMS, self.draw)
        base = self.folder / "base.duckdb"
        code = self.replay(["tapes"], self.folder / "job.toml", base, [])
        if code:
            yield self.difference("plain run", f"exit code {code}: {self.output()}")
            return
        self.counts["runs"] += 1
        if wrong := call(lambda: self.model_differences(tables_of_results(base))):
            yield self.difference("plain run", "\n".join(wrong))
        self.answer = call(lambda: digests(base))
        for number in range(SHAPES):
            yield from self.shape(number)
        yield from self.history("tapes", [str(self.folder / self.draw.choice(["tapes", "other"]))])
        if fits(self.case):
            yield from self.kafka()

    def replay(
        self,
        tapes: list[str],
        job: Path,
        results: Path,
        options: list[str],
        *,
        numba: bool = True,
    ) -> int:
        """Replay tapes to their end; return the exit code."""
        sources = [str(self.folder / name) for name in tapes]
        command = ["replay", *sources, "--config", str(job), "--results", str(results), *options]
        return Life(command, self.folder / "output", numba=numba).wait()

    def output(self) -> str:
        """Return the last lines that a run has printed."""
        return (self.folder / "output").read_text(errors="replace")[-1500:]

    def shape(self, number: int) -> Iterator[Difference]:
        """Run in another shape, to the end."""
        shape = draw_shape(self.draw, self.case.records, (1, 1, 1, 1, 1, 2))
        job, results = self.folder / f"{number}.toml", self.folder / f"{number}.duckdb"
        job.write_text(to_toml(shape.job(self.case.job)))
        form = self.draw.choice(["tapes", "other", "other"])
        code = self.replay([form], job, results, shape.options(), numba=shape.numba)
        self.counts["shapes"] += 1
        self.counts.update([*shape.names(), f"over {form}"])
        if code:
            yield self.difference(f"{form} as {shape}", f"exit code {code}: {self.output()}")
        else:
            yield from self.compare(f"{form} as {shape}", results)

    def history(
        self, where: str, source: list[str], job: Job | None = None
    ) -> Iterator[Difference]:
        """Run with kills, stops and changes of shape."""
        history = History(self.folder / f"history-{where}", source, job or self.case.job, self.draw)
        wrong = history.run(self.draw.randint(1, FAULTS_MAX), self.case.records)
        self.counts[f"histories over {where}"] += 1
        self.counts.update(history.counts)
        events = f"{where}: {', '.join(history.events)}"
        if wrong:
            yield self.difference(events, wrong)
        else:
            yield from self.compare(events, history.results)

    def kafka(self) -> Iterator[Difference]:
        """Run a history over the topics of a broker, plain or packed."""
        packed = tuple(
            self.draw.choice([True, False]) for _ in range(self.draw.choice([1, 1, 2, 3]))
        )
        self.counts.update("packed topics" if each else "plain topics" for each in packed)
        with loaded_broker(self.case, self.job, packed) as address:
            job = with_broker(self.case.job, address)
            yield from self.history("Kafka", ["--from-topics"], job)

    def compare(self, what: str, results: Path) -> Iterator[Difference]:
        """Compare the digest of every table with that of the plain run."""
        found = call(lambda: digests(results))
        if wrong := [name for name in self.answer if found.get(name) != self.answer[name]]:
            yield self.difference(what, f"other digests of {', '.join(wrong)}")

    def clean(self) -> None:
        """Delete all files of the seed."""
        shutil.rmtree(self.folder, ignore_errors=True)
