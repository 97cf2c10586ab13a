"""Replay a log to its end: tapes, or topics up to where they end now."""

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from connectors.board import Board
from connectors.duckdb_results import Run, check_replaceable, finish
from connectors.log_source import Open
from flows import engine, trade
from flows import job as jobs
from flows.settings import Job

Say = Callable[[str], None]


def replay(log: dict[str, Open], job: Job, results: Path, *, workers: int, publish: bool, say: Say) -> Board:
    """Run the trade flow over a log, and leave its results; the board says how much was read."""
    check_replaceable(results)
    board = Board(tuple(log), job.source.lead)
    doors = trade.Doors(log, board, results, run_of(job, "replay"), publish)
    flow = trade.build(job, doors)
    with engine.progress(board, say):
        engine.run(flow, workers)
    finish(results)
    return board


def run_of(job: Job, command: str) -> Run:
    """What the results say of the run itself."""
    return Run(
        version=package_version(),
        command=command,
        job=json.dumps(job.model_dump(mode="json"), sort_keys=True),
        instruments=jobs.instruments(job),
    )


def package_version() -> str:
    """Our version, where we are installed."""
    try:
        return version("tapeflow")
    except PackageNotFoundError:
        return "0 (not installed)"
