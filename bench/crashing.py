"""Kills runs at random moments, one process or all, and continues in another shape.

start --kill-- start in another shape --kill-- ... --end: the digest of an unbroken run
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from bench.paths import ROOT
from bench.processes import children_of
from tapeflow.connectors.duckdb import query

FAULTS = ROOT / "tests" / "faults"
SHAPES = ((1, 1), (1, 2), (2, 1), (3, 1), (2, 2))  # processes, workers
PATIENCE_S = 120


class Crashing:
    """A log, replayed with kills until it comes to its end."""

    def __init__(self, folder: Path, source: list[str], job: Path, seed: int) -> None:
        self.folder, self.source, self.job = folder, source, job
        self.random = random.Random(seed)
        self.results = folder / "results.duckdb"
        self.kills = 0
        self.only_between_commits = False
        self.armed = ""

    def start(self, armed: str = "") -> "subprocess.Popen[bytes]":
        """Start a run in a random shape, on the state of the runs before it."""
        processes, workers = self.random.choice(SHAPES)
        (self.folder / "armed").write_text(armed)
        command = [
            "env", f"PYTHONPATH={FAULTS}{os.pathsep}{ROOT}", f"ARMED={self.folder / 'armed'}",
            sys.executable, "-m", "tapeflow", "replay", *self.source, "--config", self.job,
            "--results", self.results, "--state", self.folder / "state",
            "--processes", processes, "--workers", workers,
        ]  # fmt: skip
        with (self.folder / "stderr").open("ab") as errors:
            return subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def run(self, kills: int, longest_s: float) -> str:
        """Kill it `kills` times while it runs, then let it end; return the digest."""
        while True:
            running = self.start(self.fault() if self.kills < kills else "")
            while self.kills < kills and running.poll() is None:
                time.sleep(self.random.uniform(0.2, longest_s))
                self.count_fault()
                if not self.only_between_commits:
                    self.kill(running)
            try:
                code = running.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                raise AssertionError(f"hangs: {self.last_output()}") from None
            self.count_fault()
            if code == 0:
                return digest_of(self.results)
            assert code == -signal.SIGKILL, f"{code}: {self.last_output()}"

    def fault(self) -> str:
        """Return the fault switch of the next run: mostly off."""
        self.armed = "commit" if self.only_between_commits else self.random.choice(["", "commit"])
        return self.armed

    def count_fault(self) -> None:
        """Count a kill by the fault switch, and set it again if no other kind is wanted."""
        if self.armed and not (self.folder / "armed").read_text():
            self.kills += 1
            self.armed = ""

    def kill(self, running: "subprocess.Popen[bytes]") -> None:
        """Kill one of its processes, or their supervisor."""
        victim = self.random.choice([running.pid, *children_of(running.pid)])
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.kills += 1

    def last_output(self) -> str:
        """Return the end of what its runs have printed."""
        return (self.folder / "stderr").read_text()[-2000:]


def digest_of(results: Path) -> str:
    """Return the digest of a results file."""
    return query.digest(query.digests(results))
