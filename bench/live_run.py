"""The live run that bench.latency measures: its broker, its job, its load.

load generator ──▶ <prefix>binance, <prefix>coinbase ──▶ tapeflow run ──▶ topics of facts
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct

from bench.brokers import Broker
from bench.load_generator import PARTITIONS
from bench.paths import JOB, ROOT
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.job import settings
from tapeflow.flows.run import topics
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.time import MIN_NS

Process: TypeAlias = "subprocess.Popen[bytes]"

RULES = """
[bars]
width = "100ms"
lateness = "20ms"

[[accounts]]
name = "main"
position_max = 1000000
gross_max = 1000000000000
orders_max = 1000000
orders_window = "1s"

[[strategies]]
name = "cross"
kind = "ema_cross"
fast = 1
slow = 2
account = "main"
size = 1

[[strategies]]
name = "back"
kind = "reversion"
entry = 0.8
account = "main"
size = 1
"""


class LiveRun(Struct, frozen=True):
    """A broker, a folder for all files, and settings of Kafka's client."""

    broker: Broker
    folder: Path
    client: dict[str, Any]
    entry: tuple[str, ...] = ("tapeflow", "run")  # what runs the flow: a module, and its arguments
    epoch: str = "1s"
    store: str = "disk"  # [recovery] store

    def start_load(self, prefix: str, rate: float, seconds: float) -> Process:
        """Start the load generator: `rate` ticks/s into the raw topics of a prefix."""
        options = (self.broker.bootstrap, prefix, rate, seconds, self.times_path(prefix))
        command = [sys.executable, "-m", "bench.load_generator", *map(str, options)]
        return subprocess.Popen(command, cwd=ROOT)

    def times_path(self, prefix: str) -> Path:
        """Return where the load generator leaves the log times of its records."""
        return self.folder / f"{prefix}times.npz"

    def log_ns(self, prefix: str) -> dict[str, Ints]:
        """Return the log times of each partition's records, by offset, once the load has ended."""
        with np.load(self.times_path(prefix)) as times:
            return {name: times[name] for name in PARTITIONS}

    @contextmanager
    def running(self) -> Iterator[Process]:
        """Start the run, as a user does with `tapeflow run`, and stop it when the block ends."""
        path = self.folder / "job.toml"
        path.write_text(self.job_text())
        job = settings.load(path, {})
        needed = {**topics.partition_counts(PARTITIONS, job), **topics.fact_topics(job)}
        for topic, count in needed.items():
            self.broker.create_topic(topic, count)
        command = [sys.executable, "-m", *self.entry, "--config", path]
        command += ["--results", self.folder / "results.duckdb", "--state", self.folder / "state"]
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def job_text(self) -> str:
        """Return the job as TOML: this broker, RULES, the instruments of the reference job."""
        reference = JOB.read_text()
        kafka = {"bootstrap": self.broker.bootstrap, "client": self.client}
        lines = "\n".join(f"{key} = {to_toml(value)}" for key, value in kafka.items())
        recovery = f'[recovery]\nepoch = "{self.epoch}"\nstore = "{self.store}"\n'
        return (
            f"[kafka]\n{lines}\n{recovery}{RULES}\n{reference[reference.index('[instruments]') :]}"
        )

    def is_reading(self) -> bool:
        """Say whether the run has opened all its partitions."""
        progress = read_progress(self.folder / "state", PARTITIONS)
        return progress is not None and all(
            progress.is_idle(name) or progress.log_ns_of(name) != MIN_NS for name in PARTITIONS
        )


def read_progress(state: Path, partitions: Sequence[str]) -> Progress | None:
    """Return the read progress of a run with this state folder; None before there is any."""
    path = state / "progress"
    if not path.exists() or not path.stat().st_size:
        return None
    return Progress(tuple(partitions), 1, path)


def to_toml(value: object) -> str:
    """Return a value as TOML writes it: as JSON does, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {to_toml(each)}' for key, each in value.items()) + "}"
    return json.dumps(value)
