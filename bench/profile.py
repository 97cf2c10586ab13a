"""Where the CPU time of a replay goes: by stage, for each tick.

    python -m bench.profile [TAPES] [--records 1000000] [--workers 1] [--config JOB]

Each stage's function is wrapped in a clock of its thread's CPU time; what a stage spends in another
is the other's. `engine` is all that is left: Bytewax, and Python between the stages.
"""

import argparse
import functools
import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import described
from bench.reference import JOB
from bench.replay import reference_tapes, replayed
from tapeflow.schemas.errors import TapeflowError

STAGES = (  # stage, where its function is found
    ("read", "connectors.tape", "TapeReader.read"),
    ("read", "connectors.kafka_log", "KafkaReader.read"),
    ("scan", "operators.scanner", "Scanner.scan"),
    ("decode", "operators.decode", "step"),
    ("dedupe", "operators.dedupe", "step"),
    ("bars", "operators.bars", "step"),
    ("normalise", "operators.normalise", "step"),
    ("signals", "operators.signals", "step"),
    ("tally", "operators.tally", "step"),
    ("desk", "operators.desk", "told"),
    ("desk", "operators.desk", "step"),
    ("keep state", "operators.fold", "Fold.snapshot"),
    ("facts", "operators.facts", "step"),
    ("results", "connectors.duckdb_results", "ResultsPart.write_batch"),
    ("results", "connectors.duckdb_results", "ResultsPart.snapshot"),
    ("results", "connectors.duckdb_results", "ResultsPart.close"),
    ("results", "connectors.duckdb_results", "ResultsSink.build_part"),
    ("first scan", "operators.scanner", "kernel"),
    ("first fold", "operators.compiled", "_compile"),
)


class Clock:
    """CPU time of each stage, without that of the stages it calls."""

    def __init__(self) -> None:
        self.spent_ns: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.inner = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside."""
        outer, self.inner.ns = getattr(self.inner, "ns", 0), 0
        began = time.thread_time_ns()
        try:
            yield
        finally:
            passed = time.thread_time_ns() - began
            self.spent_ns[name] += passed - self.inner.ns
            self.calls[name] += 1
            self.inner.ns = outer + passed

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return call

    def on_collection(self, phase: str, _info: dict[str, int]) -> None:
        """Count the garbage collector, which runs inside of stages."""
        if phase == "start":
            self.inner.collecting = time.thread_time_ns()
            return
        passed = time.thread_time_ns() - self.inner.collecting
        self.spent_ns["collector"] += passed
        self.calls["collector"] += 1
        self.inner.ns = getattr(self.inner, "ns", 0) + passed


def install(clock: Clock) -> None:
    """Wrap the stages' functions where the flow will look them up."""
    for name, module_name, path in STAGES:
        owner: Any = __import__(module_name, fromlist=["_"])
        *outer, last = path.split(".")
        for each in outer:
            owner = getattr(owner, each)
        setattr(owner, last, clock.timed(name, getattr(owner, last)))
    gc.callbacks.append(clock.on_collection)


def profiled(tapes: Path, workers: int, config: Path = JOB) -> tuple[Clock, int, float, int]:
    """One run: the clock, CPU time of the whole in ns, seconds it took, records."""
    from tapeflow.flows.cli import summary  # noqa: PLC0415  # their import is a stage
    from tapeflow.flows.job.settings import load  # noqa: PLC0415
    from tapeflow.flows.run import log as logs  # noqa: PLC0415  # their import is a stage

    clock = Clock()
    began, cpu = time.perf_counter(), time.process_time_ns()
    install(clock)
    job = load(config)
    with tempfile.TemporaryDirectory() as out:
        results = replayed(job, logs.tapes([tapes], job), Path(out), workers)
        passed = time.process_time_ns() - cpu, time.perf_counter() - began
        records: int = summary.summarise(results)["records"]
    return clock, *passed, records


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Show where the CPU time of a replay goes.")
    parser.add_argument("tapes", type=Path, nargs="?", help="default: the reference job's")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--config", type=Path, default=JOB, help="default: the reference job")
    args = parser.parse_args()
    tapes = args.tapes or reference_tapes(args.records)
    try:
        clock, whole_ns, seconds, records = profiled(tapes, args.workers, args.config)
    except TapeflowError as error:
        sys.exit(f"bench.profile: {error}")
    spent = dict(clock.spent_ns)
    spent["engine"] = whole_ns - sum(spent.values())
    print(f"{records:,} records in {seconds:.2f} s; CPU by stage, {args.workers} worker(s)")
    print(f"{'stage':<12}{'ns/tick':>10}{'%':>8}{'calls':>12}")
    for name, ns in sorted(spent.items(), key=lambda item: -item[1]):
        share = ns / whole_ns * 100
        print(f"{name:<12}{ns / records:>10.1f}{share:>8.1f}{clock.calls[name]:>12,}")
    print(f"{'all':<12}{whole_ns / records:>10.1f}{100:>8.1f}")
    print(", ".join(f"{name} {value}" for name, value in described().items()))


if __name__ == "__main__":
    main()
