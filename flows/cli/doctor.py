"""`tapeflow doctor`: is everything in place, and what to do where it is not."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tapeflow.engine import compiled
from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.schemas.errors import TapeflowError

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "pyarrow", "numpy", "msgspec", "pydantic")
BROKER_TIMEOUT_S = 2.0
PACKAGE = Path(compiled.__file__).parents[1]


class Check(NamedTuple):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "doctor",
        "Check the installation, the job, the broker and the results file.",
        "doctor --config jobs/demo.toml",
        run,
    )
    options.add_config(parser)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Print a line for each check; fail if one failed."""
    checks = run_checks(args)
    if args.json:
        print(json.dumps([check._asdict() for check in checks]))
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
    return 0 if all(check.ok for check in checks) else 1


def run_checks(args: Namespace) -> list[Check]:
    """Run every check."""
    return [
        check_python(),
        *map(check_library, LIBRARIES),
        check_numba(),
        *check_kernel_cache(),
        *check_job(args),
        check_results(args.results),
    ]


def check_python() -> Check:
    """Check that Bytewax runs on this Python."""
    import platform

    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    advice = "" if ok else ": Bytewax 0.21.1 needs 3.11 or 3.12"
    return Check("python", ok, f"{platform.python_version()}{advice}")


def check_library(name: str) -> Check:
    """Check that a library is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "missing: run `make setup`")


def check_numba() -> Check:
    """Check whether kernels are compiled; without numba everything works, slower."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check("numba", True, f"{version('numba')}: kernels are compiled")
    except PackageNotFoundError:
        return Check(
            "numba", True, "not installed: everything works, slower; pip install tapeflow[fast]"
        )


def check_kernel_cache() -> Iterator[Check]:
    """Check where compiled code is cached; without a cache each process compiles it again."""
    if not compiled.COMPILED:
        return
    folder = compiled.cache_folder()
    if folder is None:
        yield Check("kernels", True, compiled.NOT_CACHED)
    elif folder.is_relative_to(PACKAGE):
        yield Check("kernels", True, f"compiled code is cached beside the sources, in {PACKAGE}")
    else:
        yield Check("kernels", True, f"compiled code is cached in {folder.parent}")


def check_job(args: Namespace) -> Iterator[Check]:
    """Check the job, and whether its broker answers."""
    from tapeflow.flows.job import wiring

    try:
        job = options.read_job(args)
        instruments = wiring.validate(job)
    except TapeflowError as error:
        yield Check("job", False, str(error))
        return
    yield Check("job", True, f"{len(instruments)} instruments, {len(job.strategies)} strategies")
    yield check_broker(job)


def check_broker(job: "Job") -> Check:
    """Check whether a broker answers; no answer is no failure: tapes and the demo need none."""
    import socket

    host, _, port = job.kafka.bootstrap.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), BROKER_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        line = f"no answer at {job.kafka.bootstrap} ({error}); tapes and the demo need no broker"
        return Check("kafka", True, line)
    return Check("kafka", True, f"a broker answers at {job.kafka.bootstrap}")


def check_results(path: Path) -> Check:
    """Check that the results file is ours, or free."""
    from tapeflow.connectors.duckdb.file import check_replaceable

    try:
        check_replaceable(path)
    except TapeflowError as error:
        return Check("results", False, str(error))
    return Check(
        "results", True, f"{path} {'holds results' if path.exists() else 'does not exist yet'}"
    )
