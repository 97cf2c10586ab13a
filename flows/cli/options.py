"""Options that several commands share, and how their values are read."""

import argparse
import re
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tapeflow.flows.cli.parser import Parser
from tapeflow.flows.cli.terminal import notify
from tapeflow.flows.run.limits import PROCESSES_MAX, WORKERS_MAX

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job
    from tapeflow.flows.run.raw_topics import Moment

DEFAULT_JOB = Path(__file__).parents[2] / "jobs" / "demo.toml"
RESULTS = Path("results.duckdb")


def add_config(parser: Parser) -> None:
    """Add the options that name the job."""
    parser.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="job file in TOML (default: $TAPEFLOW_CONFIG, else the demo's job)",
    )
    parser.add_argument(
        "--bootstrap", metavar="HOST:PORT", help="Kafka broker, instead of the job's"
    )


def read_job(args: argparse.Namespace) -> "Job":
    """Read the job that the options name."""
    from tapeflow.flows.job import settings

    job = settings.load(args.config or settings.config_path() or DEFAULT_JOB)
    if args.bootstrap:
        kafka = job.kafka.model_copy(update={"bootstrap": args.bootstrap})
        job = job.model_copy(update={"kafka": kafka})
    return job


def add_shape(parser: Parser, workers: int = 1) -> None:
    """Add the numbers of threads and processes."""
    parser.add_argument(
        "--workers",
        type=partial(at_most, WORKERS_MAX),
        default=workers,
        metavar="N",
        help="threads in each process (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=partial(at_most, PROCESSES_MAX),
        default=1,
        metavar="N",
        help="number of processes (default: %(default)s)",
    )
    parser.add_argument(
        "--checked",
        action="store_true",
        help="let kernels check every index: slower, and a bad one is an error with its line",
    )


def add_salvage(parser: Parser) -> None:
    """Add the choice to read damaged tapes as far as they can be read."""
    parser.add_argument(
        "--salvage",
        action="store_true",
        help="of tapes that a killed recorder left, take what can be read, and say up to where",
    )


def add_moments(parser: Parser) -> None:
    """Add from where to where topics are read."""
    parser.add_argument(
        "--from",
        dest="begin",
        type=moment,
        metavar="TIME",
        help="read topics from earliest, latest, or a time: 2026-01-05T09:00 (UTC), or -1h before "
        "now (default: earliest)",
    )
    parser.add_argument(
        "--to", dest="end", type=moment, metavar="TIME", help="stop at latest, or a time"
    )


def moments(args: argparse.Namespace, state: Path | None = None) -> dict[str, "Moment"]:
    """Return the given moments by name; a line says where a kept state makes `--from` idle."""
    if args.end == "earliest":
        args.parser.error("--to earliest reads nothing: name latest, or a time")
    if args.begin is not None and state is not None and (state / "manifest.json").exists():
        notify(f"{state} goes on where it stopped: --from is for a fresh --state")
    given = {"begin": args.begin, "end": args.end}
    return {name: value for name, value in given.items() if value is not None}


def moment(text: str) -> "Moment":
    """Read a moment of the log: earliest, latest, a time in ISO form, or a time before now."""
    if text in {"earliest", "latest"}:
        return text  # type: ignore[return-value]
    from tapeflow.flows.job.duration import parse_duration

    try:
        if text.startswith("-"):
            return time.time_ns() - parse_duration(text[1:])
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write earliest, latest, 2026-01-05T09:00 or -1h"
        ) from None
    read = read if read.tzinfo else read.replace(tzinfo=UTC)
    return (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def duration(text: str) -> int:
    """Read a duration, in ns."""
    from tapeflow.flows.job.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_state(parser: Parser, default: str) -> None:
    """Add the folder of a run's state."""
    parser.add_argument(
        "--state",
        type=path,
        metavar="DIR",
        help=f"folder of the state from which a stopped run continues (default: {default})",
    )


def add_results(parser: Parser) -> None:
    """Add the results file."""
    parser.add_argument(
        "--results",
        type=path,
        default=RESULTS,
        metavar="FILE",
        help="DuckDB file of the results (default: %(default)s)",
    )


def add_json(parser: Parser) -> None:
    """Add the choice of JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def at_most(most: int, text: str) -> int:
    """Read a whole number above zero, and at most `most`."""
    number = positive(text)
    if number > most:
        raise argparse.ArgumentTypeError(
            f"at most {most}: more than there are partitions or processors are of no use"
        )
    return number


def path(text: str) -> Path:
    """Read a path; one that is not UTF-8 is refused, as DuckDB and Arrow open no such file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8: rename it") from None
    return Path(text)


def natural(text: str) -> int:
    """Read a whole number, zero or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def speed(text: str) -> float | None:
    """Read a speed, in log time per wall time; None is as fast as possible."""
    if text == "max":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: write max, 1x or 60x")
    return float(match[1])
