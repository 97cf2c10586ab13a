"""The shapes in which a log can be run, and what can happen to a run.

start ──▶ killed at a point, or at a moment ──▶ start in another shape ──▶ stopped ──▶ ... end
"""

import random
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench.simulation.case import Job, to_toml
from bench.simulation.lives import POINTS, KillPoint, Life

SIGKILL, SIGTERM = -9, -15
PAGES = (1, 7, 50, 1000, 20_000)
LEADS = ("1ms", "1s", "60s")
PLAIN_MAX = 2000  # records of a log that is run without numba
EPOCHS = ("5ms", "20ms", "100ms", "1s")


class Shape(NamedTuple):
    """How one run of a log is laid out. No result depends on it."""

    workers: int
    processes: int
    page_records: int
    max_lead: str
    epoch: str
    numba: bool

    def job(self, job: Job) -> Job:
        """Return a job in this shape."""
        source = {"page_records": self.page_records, "max_lead": self.max_lead}
        return {
            **job,
            "source": {**job["source"], **source},
            "recovery": {"epoch": self.epoch},
        }

    def names(self) -> list[str]:
        """Return what is counted of a shape."""
        return [
            f"{self.processes} processes of {self.workers} workers",
            f"pages of {self.page_records}",
            "with numba" if self.numba else "without numba",
        ]

    def options(self) -> list[str]:
        """Return the options of the shape on the command line."""
        return ["--workers", str(self.workers), "--processes", str(self.processes)]


def draw_shape(draw: random.Random, records: int, processes: tuple[int, ...] = (1,)) -> Shape:
    """Return a random shape; small pages only for small logs."""
    pages = PAGES if records < 2000 else PAGES[2:]
    return Shape(
        workers=draw.choice([1, 1, 2, 3]),
        processes=draw.choice(processes),
        page_records=draw.choice(pages),
        max_lead=draw.choice(LEADS if records < 3000 else LEADS[1:]),
        epoch=draw.choice(EPOCHS),
        numba=records > PLAIN_MAX or draw.random() < 0.8,
    )


class History:
    """The lives of one run on one state, up to its end."""

    def __init__(self, folder: Path, source: list[str], job: Job, draw: random.Random) -> None:
        self.folder, self.source, self.job, self.draw = folder, source, job, draw
        self.results, self.output = folder / "results.duckdb", folder / "output"
        self.events: list[str] = []  # what happened
        self.counts: Counter[str] = Counter()
        folder.mkdir()

    def start(self, shape: Shape, kill_point: KillPoint | None = None) -> Life:
        """Start a life in a shape."""
        path = self.folder / "job.toml"
        path.write_text(to_toml(shape.job(self.job)))
        state = ["--state", str(self.folder / "state")]
        files = ["--config", str(path), "--results", str(self.results)]
        self.events.append(f"{shape.processes}x{shape.workers}")
        self.counts["lives"] += 1
        self.counts.update(shape.names())
        return Life(
            ["replay", *self.source, *files, *state, *shape.options()],
            self.output,
            kill_point,
            numba=shape.numba,
        )

    def run(self, faults: int, records: int) -> str:
        """Live through some faults, then to the end; return what went wrong, or ""."""
        for _ in range(faults):
            shape = draw_shape(self.draw, records, (1, 1, 1, 1, 2))
            if wrong := self.live(shape):
                return wrong
        return self.judge(self.start(draw_shape(self.draw, records)).wait(), (0,))

    def live(self, shape: Shape) -> str:
        """Live one life with one fault in it."""
        in_fork = shape.processes == 1 and shape.numba
        kind = "point" if self.draw.random() < 0.5 and in_fork else "moment"
        if kind == "point":
            passes = self.draw.choice([1, 1, 2, 3, 10, 30])
            point = KillPoint(*self.draw.choice(POINTS), passes, self.draw.random() < 0.5)
            life = self.start(shape, point)
            self.events.append(f"killed at {point.name} #{passes}")
            code = life.wait()
            self.counts["kills at a point"] += code == SIGKILL
            return self.judge(code, (0, SIGKILL))
        life = self.start(shape)
        patience_s = self.draw.choice([0.4, 2.0]) * (1 if shape.numba else 3)
        time.sleep(self.draw.random() ** 2 * patience_s)
        if self.draw.random() < 0.7:
            self.events.append("killed")
            life.kill()
            code = life.wait()
            self.counts["kills at a moment"] += code == SIGKILL
            return self.judge(code, (0, SIGKILL))
        self.events.append("stopped")
        life.stop()
        self.counts["stops"] += 1
        return self.judge(life.wait(), (0, SIGTERM, 128 - SIGTERM))  # before it listens, behind it

    def judge(self, code: int, allowed: tuple[int, ...]) -> str:
        """Return "" for an exit code that is allowed here, else a line with the last output."""
        self.events[-1] += f" ({code})"
        if code in allowed:
            return ""
        return f"exit code {code}: {self.output.read_text(errors='replace')[-1500:]}"
