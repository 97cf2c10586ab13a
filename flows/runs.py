"""One run of the trade flow: what it reads, what it leaves."""

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

from connectors.board import Board
from connectors.duckdb_results import Run, check_replaceable, finish
from connectors.log_source import STOP, Open
from connectors.pace import Pace
from flows import engine, trade
from flows import job as jobs
from flows.settings import Job
from operators.compiled import COMPILED

Say = Callable[[str], None]


class Plan(Struct, frozen=True, kw_only=True):
    """What to run."""

    command: str
    log: dict[str, Open]  # by partition
    job: Job
    results: Path
    workers: int = 1
    publish: bool = False  # the facts to Kafka too
    speed: float | None = None  # against log time; None: as fast as it goes


def run(plan: Plan, show: Say, say: Say) -> Board:
    """Run to the end of the log, or until stopped; the board says how much was read."""
    check_replaceable(plan.results)
    if not COMPILED:
        say("numba is not installed: everything works, slower; pip install tapeflow[fast]")
    board = Board(tuple(plan.log), plan.job.source.lead)
    doors = trade.Doors(
        log=plan.log,
        board=board,
        pace=None if plan.speed is None else Pace(plan.speed),
        results=plan.results,
        run=run_of(plan),
        publish=plan.publish,
    )
    flow = trade.build(plan.job, doors)
    with engine.progress(board, show):
        engine.run(flow, plan.workers)
    if STOP.is_set():
        say(f"stopped by a signal after {board.records():,} records")
    finish(plan.results)
    return board


def run_of(plan: Plan) -> Run:
    """What the results say of the run itself."""
    return Run(
        version=package_version(),
        command=plan.command,
        job=json.dumps(plan.job.model_dump(mode="json"), sort_keys=True),
        instruments=jobs.instruments(plan.job),
    )


def package_version() -> str:
    """Our version, where we are installed."""
    try:
        return version("tapeflow")
    except PackageNotFoundError:
        return "0 (not installed)"
