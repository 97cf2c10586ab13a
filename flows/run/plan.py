"""What to run: plain, so that the processes of a cluster can be told."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

from tapeflow.connectors.duckdb.file import ResultPaths, RunInfo
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log

SECRET = {"kafka": {"client"}}  # may hold a password


class Plan(Struct, frozen=True, kw_only=True):
    """One run of the trade flow."""

    command: str
    log: Log  # in the order of turns
    job: Job
    results: Path
    workers: int = 1  # threads of a process
    processes: int = 1
    supervised: bool = False  # restart what dies; several processes always are
    state: Path | None = None  # where to keep everything; None: a run that begins anew each time
    board: Path | None = None  # in a file, where processes share it
    publish: bool = False  # the facts to Kafka too
    heartbeats: bool = False  # write heartbeats into partitions that are quiet
    speed: float | None = None  # against log time; None: as fast as it goes

    @property
    def files(self) -> ResultPaths:
        """Where results are made and published."""
        if self.state is None:
            return ResultPaths.for_stateless_run(self.results)
        return ResultPaths(self.results, self.state / "work.duckdb")


def run_of(plan: Plan) -> RunInfo:
    """What the results say of the run itself."""
    return RunInfo(
        version=package_version(),
        command=plan.command,
        job=json.dumps(plan.job.model_dump(mode="json", exclude=SECRET), sort_keys=True),
        instruments=jobs.instruments(plan.job),
    )


def package_version() -> str:
    """Our version, where we are installed."""
    try:
        return version("tapeflow")
    except PackageNotFoundError:
        return "0 (not installed)"
