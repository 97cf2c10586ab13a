"""The reference job from the topics of a real Kafka, as plain and as packed records.

    python -m bench.kafka [--records 5000000] [--runs 5]

Apache Kafka runs on one core, the flow on another. Both kinds of records are loaded once, into
topics of their own, and read in turns; a rate is that of the flow, from opening the topics to the
finished results. The broker still has in memory what the flow reads: this is no test of disks.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import bench.one_arena  # noqa: F401  # before pyarrow
from bench import report
from bench.measurement import Measurement, measure_log, run_pinned
from bench.paths import JOB
from bench.real_kafka.broker import RealBroker, missing
from bench.replay import reference_tapes
from tapeflow.flows.job import settings
from tapeflow.flows.run import log, topics
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.tape_files import find_tapes

TARGETS = {"plain": 1_200_000.0, "packed": 2_200_000.0}  # ticks/s at least, by kind of records


def job_at(bootstrap: str, kind: str) -> settings.Job:
    """Return the reference job, its raw topics those of one kind of records."""
    job = settings.load(JOB)
    kafka = job.kafka.model_copy(update={"bootstrap": bootstrap, "raw_prefix": f"{kind}."})
    return job.model_copy(update={"kafka": kafka})


def load(bootstrap: str, kind: str, records: int) -> float:
    """Load the reference job's tapes as one kind of records; return the seconds it took."""
    job = job_at(bootstrap, kind)
    tapes = find_tapes([reference_tapes(records)], job)
    factories = log.reader_factories(tapes, job, print)
    pages = {name: topics.read_pages(factory) for name, factory in factories.items()}
    topics.create_raw_topics(pages, job, lambda _: None)
    began = time.perf_counter()
    topics.load_pages(pages, job, lambda _: None, pack=kind == "packed")
    return time.perf_counter() - began


def measure_topics(bootstrap: str, kind: str) -> Measurement:
    """Replay the topics of one kind once in this process and measure it."""
    job = job_at(bootstrap, kind)
    return measure_log(job, find_topics(job, lambda _: None, tail=False))


def measure_pinned(bootstrap: str, kind: str) -> Measurement:
    """Replay the topics of one kind once in a fresh process, on the last core."""
    return run_pinned(["bench.kafka", "--child", kind, "--bootstrap", bootstrap], 1)


@contextmanager
def pinned_broker() -> Iterator[RealBroker]:
    """Run a broker on the first core, where there are two: the flow has the last one for itself."""
    cores = os.sched_getaffinity(0)
    broker = RealBroker()
    os.sched_setaffinity(0, {min(cores)})
    try:
        broker.start()
    finally:
        os.sched_setaffinity(0, cores)
    try:
        yield broker
    finally:
        broker.__exit__()


def measure(records: int, runs: int) -> dict[str, dict[str, Any]]:
    """Measure loading and reading of each kind of records: medians, the target, all runs."""
    with pinned_broker() as broker:
        load_s = {kind: load(broker.bootstrap, kind, records) for kind in TARGETS}
        measure_pinned(broker.bootstrap, "plain")  # fills the cache of compiled code
        measurements: dict[str, list[Measurement]] = {kind: [] for kind in TARGETS}
        for _ in range(runs):
            for kind in TARGETS:
                measurements[kind].append(measure_pinned(broker.bootstrap, kind))
    return {
        kind: {
            "load_s": load_s[kind],
            **{name: median(run[name] for run in several) for name in several[0]},
            "target": TARGETS[kind],
            "runs": several,
        }
        for kind, several in measurements.items()
    }


def format_table(kinds: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield (
        f"{'records':>10}{'ticks/s':>12}{'CPU us/tick':>13}{'peak MiB':>10}{'target':>12}"
        f"{'':>9}{'load s':>9}"
    )
    for kind, row in kinds.items():
        outcome = "passed" if row["ticks_per_s"] >= row["target"] else "missed"
        yield (
            f"{kind:>10}{row['ticks_per_s']:>12,.0f}{row['cpu_us_per_tick']:>13.3f}"
            f"{row['peak_mib']:>10,.0f}{row['target']:>12,.0f}{outcome:>9}{row['load_s']:>9.1f}"
        )


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the reference job through a real Kafka.")
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=[*TARGETS], help=argparse.SUPPRESS)
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_topics(args.bootstrap, args.child)))
        return
    if absent := missing():
        sys.exit(f"bench.kafka: Apache Kafka needs {absent}; install it and start again")
    kinds = measure(args.records, args.runs)
    path = report.save("kafka", {"records": args.records, "kinds": kinds})
    print(f"reference job from topics, {args.records:,} records, 1 process on 1 core")
    print("\n".join(format_table(kinds)))
    print(f"median of {args.runs}; all runs and the machine in {path}")


if __name__ == "__main__":
    main()
