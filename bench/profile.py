"""Where the CPU time of a replay goes: by stage, for each tick.

    python -m bench.profile [TAPES] [--records 1000000] [--workers 1] [--config JOB]

    on_batch of a Fold ─┐
    read of a reader   ─┼─ each wrapped in a clock of its thread's CPU time
    write of a sink    ─┘  what a stage spends in another one is the other's

A step of the flow is a stage as soon as it is a Step that `fold` makes an operator of; all other
stages are named in FUNCTIONS. `engine` is what is left: Bytewax, and Python between the stages.
What happens once is no tick's: imports and kernels are loaded before the clocks start, and ONCE,
the start and the end of a run, is a line of its own, in ms.
bench.compare_profiles runs this in two checkouts by turns.
"""

import argparse
import functools
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import report
from bench.clock import Clock
from bench.measurement import replay_log, warm_up
from bench.paths import JOB
from bench.replay import reference_tapes
from tapeflow.flows.cli import summary
from tapeflow.flows.job.settings import load
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError

FUNCTIONS = (  # stage, module, name in it
    ("read", "tapeflow.connectors.tapes.text", "TapeReader.read"),
    ("read", "tapeflow.connectors.kafka.reader", "KafkaReader.read"),
    ("scan", "tapeflow.operators.decode.scanner", "Scanner.scan"),
    ("decode", "tapeflow.operators.decode.step", "step"),
    ("batch_facts", "tapeflow.operators.batch_facts", "step"),
    ("desk", "tapeflow.operators.desk.selection", "select"),
    ("snapshots", "tapeflow.engine.fold", "Fold.snapshot"),
    ("results", "tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.write_batch"),
    ("results", "tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.snapshot"),
    ("results", "tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.close"),
)
ONCE = (
    ("build", "tapeflow.flows.trade", "dataflow"),
    ("prepare", "tapeflow.flows.run.engine", "prepare"),
    ("kernels", "tapeflow.engine.compiled", "make_kernel"),
    ("create", "tapeflow.connectors.duckdb.sink", "ResultsSink.build_part"),
    ("finish", "tapeflow.flows.trade", "finish"),
)
FOLD = ("tapeflow.engine.fold", "Fold.on_batch")
STEP_STAGES = {  # class of a step: its box in the picture of the flow, where that is another word
    "JudgeTrades": "judge",
    "TimeBars": "bars",
    "SettleGaps": "settle",
    "EvaluateStrategies": "signals",
    "CountQuality": "quality",
    "CountUnlisted": "unlisted",
}


def step_stage(fold: Any, *_values: Any) -> str:
    """Return the stage of a fold: the name of its step."""
    name = type(fold.step).__name__
    return STEP_STAGES.get(name, name.lower())


def find(module: str, name: str) -> tuple[Any, str]:
    """Return what holds a function, and the last part of its name.

    Raises AttributeError or ModuleNotFoundError where there is no such function any more.
    """
    *outer, last = name.split(".")
    owner = functools.reduce(getattr, outer, import_module(module))
    getattr(owner, last)
    return owner, last


def install(clock: Clock) -> None:
    """Wrap the functions of all stages where the flow will look them up."""

    def wrap(module: str, name: str, stage_of: Callable[..., str]) -> None:
        owner, last = find(module, name)
        setattr(owner, last, clock.time_calls(getattr(owner, last), stage_of))

    for stage, module, name in FUNCTIONS + ONCE:
        wrap(module, name, lambda *_, stage=stage: stage)
    wrap(*FOLD, step_stage)
    gc.callbacks.append(clock.on_collection)


def profile(tapes: Path, workers: int, config: Path = JOB) -> tuple[Clock, int, float, int]:
    """Replay once; return the clock, CPU time of the whole in ns, seconds it took, records.

    All that a process does at its first run is done before the clock starts, and is its stage
    `load`.
    """
    clock = Clock()
    job = load(config)
    load_began_ns = time.process_time_ns()
    warm_up()
    clock.spent_ns["load"] = load_ns = time.process_time_ns() - load_began_ns
    began, cpu_began_ns = time.perf_counter(), time.process_time_ns()
    install(clock)
    with tempfile.TemporaryDirectory() as out:
        results = replay_log(job, find_tapes([tapes], job), Path(out), workers)
        cpu_ns, seconds = time.process_time_ns() - cpu_began_ns, time.perf_counter() - began
        records: int = summary.summarise(results)["records"]
    return clock, cpu_ns + load_ns, seconds, records


def format_table(clock: Clock, cpu_ns: int, records: int) -> Iterator[str]:
    """Yield the lines of the report: each stage by tick, and in ms what happens once."""
    spent_ns = dict(clock.spent_ns)
    once_ns = {name: spent_ns.pop(name, 0) for name in ("load", *(each[0] for each in ONCE))}
    ticks_ns = cpu_ns - sum(once_ns.values())
    spent_ns["engine"] = ticks_ns - sum(spent_ns.values())
    yield f"{'stage':<14}{'ns/tick':>10}{'%':>8}{'calls':>12}"
    for name, ns in sorted(spent_ns.items(), key=lambda item: -item[1]):
        share = ns / ticks_ns * 100
        yield f"{name:<14}{ns / records:>10.1f}{share:>8.1f}{clock.calls[name]:>12,}"
    yield f"{'all':<14}{ticks_ns / records:>10.1f}{100:>8.1f}"
    yield "once, ms: " + ", ".join(f"{name} {ns / 1e6:.0f}" for name, ns in once_ns.items())


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
        clock, cpu_ns, seconds, records = profile(tapes, args.workers, args.config)
    except TapeflowError as error:
        sys.exit(f"bench.profile: {error}")
    print(f"{records:,} records in {seconds:.2f} s; CPU by stage, {args.workers} worker(s)")
    print("\n".join(format_table(clock, cpu_ns, records)))
    print(report.machine_line())


if __name__ == "__main__":
    main()
