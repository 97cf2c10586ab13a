"""Is everything in place? What `tapeflow doctor` looks at."""

import platform
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from flows import commands
from flows.settings import Job
from schemas.errors import MisuseError

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "pyarrow", "numpy", "msgspec", "pydantic")
ANSWER_S = 2.0


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    good: bool
    found: str


def look(args: Namespace) -> list[Finding]:
    """Look at everything, good or not."""
    return [python(), *libraries(), numba(), *job(args), results(args.results)]


def python() -> Finding:
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Finding(
        "python",
        good,
        f"{platform.python_version()}{'' if good else ': Bytewax 0.21.1 needs 3.11 or 3.12'}",
    )


def libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "missing: run `make setup`")


def numba() -> Finding:
    try:
        return Finding(
            "numba", True, f"{version('numba')}: ticks are read and folded by compiled code"
        )
    except PackageNotFoundError:
        return Finding(
            "numba", True, "not installed: everything works, slower; pip install tapeflow[fast]"
        )


def job(args: Namespace) -> Iterator[Finding]:
    from flows import job as jobs  # noqa: PLC0415

    try:
        found = commands.job_of(args)
        table = jobs.check(found)
    except MisuseError as error:
        yield Finding("job", False, str(error))
        return
    yield Finding("job", True, f"{len(table)} instruments, {len(found.strategies)} strategies")
    yield kafka(found)


def kafka(found: Job) -> Finding:
    """A broker is needed by load, run and --from-topics only: its absence is no failure."""
    host, _, port = found.kafka.bootstrap.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, ValueError) as error:
        return Finding(
            "kafka",
            True,
            f"nobody answers at {found.kafka.bootstrap} ({error}); tapes and the demo need none",
        )
    return Finding("kafka", True, f"somebody answers at {found.kafka.bootstrap}")


def results(path: Path) -> Finding:
    from connectors.duckdb_file import check_replaceable  # noqa: PLC0415

    try:
        check_replaceable(path)
    except MisuseError as error:
        return Finding("results", False, str(error))
    return Finding(
        "results", True, f"{path} {'holds results' if path.exists() else 'can be written'}"
    )
