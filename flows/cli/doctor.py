"""`tapeflow doctor`: is everything in place, and what to do where it is not."""

import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.schemas.errors import TapeflowError

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "pyarrow", "numpy", "msgspec", "pydantic")
BROKER_TIMEOUT_NS = 3_000_000_000
FREE_MIN = 256 << 20  # bytes


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
        check_kernels(),
        check_optional("numba", "compiles kernels of your own", "such kernels run as plain Python"),
        check_optional(
            "isal", "gzip tapes are read by ISA-L", "gzip tapes are read slower, by zlib"
        ),
        *check_job(args),
        check_results(args.results),
        check_temporary(),
    ]


def check_python() -> Check:
    """Check that Bytewax runs on this Python."""
    import platform

    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    advice = "" if ok else ": Bytewax 0.21.1 needs 3.11 or 3.12"
    return Check("python", ok, f"{platform.python_version()}{advice}")


def check_library(name: str) -> Check:
    """Check that a library is installed, and can be imported."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version

    try:
        import_module(name.replace("-", "_"))
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "missing: run `make setup`")
    except Exception as error:  # of its native code, say
        return Check(name, False, f"cannot be imported: {' '.join(str(error).split())}")


def check_kernels() -> Check:
    """Check how kernels run: compiled ahead of time, by numba, or as plain Python."""
    from tapeflow.engine.rungs import describe_kernels, stale_kernels
    from tapeflow.flows.cli.build_kernels import kernels_of_rooms

    kernels_of_rooms()
    return Check("kernels", True, stale_kernels() or describe_kernels())


def check_optional(name: str, with_it: str, without: str) -> Check:
    """Check whether a library of the extra `fast` is installed; all works without it, slower."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name, True, f"{version(name)}: {with_it}")
    except PackageNotFoundError:
        return Check(name, True, f"not installed: {without}; pip install tapeflow[fast]")


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
    yield check_reading(job)
    yield from check_broker(job)


def check_reading(job: "Job") -> Check:
    """Check how plain records of topics are read; both ways give the same, one is slower."""
    from tapeflow.connectors.kafka import consumers, librdkafka

    why = consumers.why_slow(job.kafka.client)
    how = f"through the C interface of librdkafka {librdkafka.version()}"
    slower = f"as objects of confluent-kafka, slower: {why}"
    return Check("plain records", True, slower if why else how)


def check_broker(job: "Job") -> Iterator[Check]:
    """Check that the broker answers and that topics of the job's venues can be read, as `run` does.

    Where the job names no broker, no answer is no failure: tapes and the demo need none.
    """
    from tapeflow.flows.run.raw_topics import find_topics

    quick = {"connect_timeout": min(job.kafka.connect_timeout, BROKER_TIMEOUT_NS)}
    kafka = job.kafka.model_copy(update=quick)
    try:
        log = find_topics(job.model_copy(update={"kafka": kafka}), lambda _: None, tail=True)
    except TapeflowError as error:
        named = "bootstrap" in job.kafka.model_fields_set
        absent = str(error).startswith("no answer") and not named
        advice = "; tapes and the demo need no broker" if absent else ""
        yield Check("kafka", absent, f"{error}{advice}")
        return
    yield Check("kafka", True, f"{kafka.bootstrap} answers; it holds {', '.join(log)}")


def check_results(path: Path) -> Check:
    """Check that the results file is ours, or free, and that there is room for it."""
    from tapeflow.connectors.duckdb.file import check_replaceable

    folder = next(each for each in path.absolute().parents if each.exists())
    try:
        check_replaceable(path)
        free = shutil.disk_usage(folder).free
    except (TapeflowError, OSError) as error:
        return Check("results", False, str(error))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Check("results", False, f"{folder} cannot be written: name another --results")
    state = "holds results" if path.exists() else "does not exist yet"
    room = f"{free / 2**30:,.1f} GiB are free"
    if free < FREE_MIN:
        return Check("results", False, f"only {room} in {folder}: a run may fill the disk")
    return Check("results", True, f"{path} {state}; {room}")


def check_temporary() -> Check:
    """Check that temporary files can be written: of the processes of a run, and of traces."""
    import tempfile

    try:
        with tempfile.TemporaryFile():
            return Check("temporary", True, tempfile.gettempdir())
    except OSError as error:
        return Check("temporary", False, f"{error.strerror}: set TMPDIR to a folder")
