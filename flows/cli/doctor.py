"""Is everything in place? What `tapeflow doctor` looks at."""

import platform
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from tapeflow.engine import compiled
from tapeflow.flows.cli import commands
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import TapeflowError

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "pyarrow", "numpy", "msgspec", "pydantic")
ANSWER_S = 2.0
PACKAGE = Path(compiled.__file__).parents[1]


class Check(NamedTuple):
    """One thing looked at."""

    what: str
    good: bool
    found: str


def run_checks(args: Namespace) -> list[Check]:
    """Look at everything, good or not."""
    return [python(), *libraries(), numba(), *kernels(), *job(args), results(args.results)]


def python() -> Check:
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check(
        "python",
        good,
        f"{platform.python_version()}{'' if good else ': Bytewax 0.21.1 needs 3.11 or 3.12'}",
    )


def libraries() -> Iterator[Check]:
    for name in LIBRARIES:
        try:
            yield Check(name, True, version(name))
        except PackageNotFoundError:
            yield Check(name, False, "missing: run `make setup`")


def numba() -> Check:
    try:
        return Check(
            "numba", True, f"{version('numba')}: ticks are read and folded by compiled code"
        )
    except PackageNotFoundError:
        return Check(
            "numba", True, "not installed: everything works, slower; pip install tapeflow[fast]"
        )


def kernels() -> Iterator[Check]:
    """Where compiled code is kept. Its absence is no failure: each process then compiles anew."""
    if not compiled.COMPILED:
        return
    folder = compiled.cache_folder()
    if folder is None:
        yield Check("kernels", True, compiled.NOT_CACHED)
    elif folder.is_relative_to(PACKAGE):
        yield Check("kernels", True, f"compiled code is cached beside the sources, in {PACKAGE}")
    else:
        yield Check("kernels", True, f"compiled code is cached in {folder.parent}")


def job(args: Namespace) -> Iterator[Check]:
    from tapeflow.flows.job import wiring as jobs  # noqa: PLC0415

    try:
        found = commands.job_of(args)
        table = jobs.check(found)
    except TapeflowError as error:
        yield Check("job", False, str(error))
        return
    yield Check("job", True, f"{len(table)} instruments, {len(found.strategies)} strategies")
    yield kafka(found)


def kafka(found: Job) -> Check:
    """A broker is needed by load, run and --from-topics only: its absence is no failure."""
    host, _, port = found.kafka.bootstrap.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, ValueError) as error:
        return Check(
            "kafka",
            True,
            f"nobody answers at {found.kafka.bootstrap} ({error}); tapes and the demo need none",
        )
    return Check("kafka", True, f"somebody answers at {found.kafka.bootstrap}")


def results(path: Path) -> Check:
    from tapeflow.connectors.duckdb.file import check_replaceable  # noqa: PLC0415

    try:
        check_replaceable(path)
    except TapeflowError as error:
        return Check("results", False, str(error))
    return Check(
        "results", True, f"{path} {'holds results' if path.exists() else 'can be written'}"
    )
