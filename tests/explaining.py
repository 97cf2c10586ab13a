"""Explaining in tests: a log that is traded, and what is explained of its facts."""

from pathlib import Path

import pytest

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.synthetic.market import Market, write_tapes
from tapeflow.flows.explain.explain import explain
from tapeflow.flows.explain.frames import Frames, walk
from tapeflow.flows.job import settings
from tapeflow.flows.run.tape_files import find_tapes
from tests.running import ROOT, replay, silent

JOBS = ROOT / "jobs"
DEMO = Market(seed=7, seconds=300, rate=1000.0)


class Explained:
    """A log, the results of its replay, and explanations of them."""

    def __init__(self, tapes: Path, results: Path, job) -> None:
        """Replay the tapes."""
        self.tapes, self.results, self.job = tapes, results, job
        self.digest = replay(tapes, results, job)
        self.reader = ResultsReader(results)
        self.frames = Frames(find_tapes([tapes], job), job, silent)
        self.lines = {
            path.name.partition(".")[0]: path.read_bytes().split(b"\n")
            for path in tapes.glob("*.tape")
        }

    def rows(self, sql):
        """Return rows of the results."""
        return self.reader.rows(sql)

    def ids(self, sql):
        """Return the first column of a query."""
        return [next(iter(row.values())) for row in self.rows(sql)]

    def explain(self, name, keep=None, frames=None):
        """Explain a fact with all of its frames, which must be there."""
        node = explain(self.reader, name)
        assert (frames or self.frames).fetch(node, keep), name
        return node

    def frame(self, partition, offset):
        """Return the bytes of a record of the tape, read without any of the product."""
        return self.lines[partition][offset].partition(b" ")[2]


def demo(folder: Path, job: str) -> Explained:
    """Trade the market of the demo by one of our jobs."""
    tapes = folder / "tapes"
    if not tapes.exists():
        write_tapes(DEMO, tapes)
    loaded = settings.load(JOBS / job, {})
    return Explained(tapes, folder / f"{job}.duckdb", loaded)


def kinds(node):
    """Return the kinds of a node and of all below it, each once."""
    return {each.kind for each in walk(node)}


def only(node, kind):
    """Return the nodes of a kind that have a row."""
    return [each for each in walk(node) if each.kind == kind and each.row]


def check_frames(explained, node):
    """Compare all frames of an explanation with the tape, and its bars with their trades."""
    for each in walk(node):
        for frame in each.frames:
            expected = explained.frame(each.row["partition"], frame.offset)
            assert frame.frame == expected, each.id
        if each.kind == "trades":
            assert each.row["exact"], each.row
            sizes = [trade["size"] for frame in each.frames for trade in frame.trades]
            assert sum(sizes) == pytest.approx(each.row["volume"], rel=1e-9)
