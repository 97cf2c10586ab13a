"""The reference job from the topics of a real Kafka, plain and packed records, beside the marks.

    python -m bench.kafka [--records 5000000] [--runs 5]

Apache Kafka runs on one core, the flow on another. Both kinds of records are loaded once, into
topics of their own, and read in turns; a rate is that of the flow, from opening the topics to the
finished results. The broker is asked for frames that it has in memory: this is no test of disks.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from statistics import median
from typing import Any

from bench.machine import described
from bench.real_kafka.broker import RealBroker, missing
from bench.reference import JOB
from bench.replay import ROOT, Measurement, reference_tapes, run_pinned, timed
from tapeflow.flows.job import settings
from tapeflow.flows.run import log as logs
from tapeflow.flows.run import topics as loading

MARKS = {"plain": 600_000.0, "packed": 2_000_000.0}  # ticks/s at least
CAN_PACK = "pack" in signature(loading.load).parameters


def job_at(bootstrap: str, kind: str) -> settings.Job:
    """The reference job, its raw topics those of one kind of records."""
    job = settings.load(JOB)
    kafka = job.kafka.model_copy(update={"bootstrap": bootstrap, "raw_prefix": f"{kind}."})
    return job.model_copy(update={"kafka": kafka})


def load(bootstrap: str, kind: str, records: int) -> float:
    """Load the reference job's tapes as one kind of records; the seconds that takes."""
    job = job_at(bootstrap, kind)
    reader_factories = logs.reader_factories(
        logs.tapes([reference_tapes(records)], job), job, print
    )
    log = {name: loading.pages_of(opened) for name, opened in reader_factories.items()}
    loading.create(log, job, lambda _: None)
    options: dict[str, Any] = {"pack": True} if kind == "packed" else {}
    began = time.perf_counter()
    loading.load(log, job, lambda _: None, **options)
    return time.perf_counter() - began


def child(bootstrap: str, kind: str) -> Measurement:
    """One run over the topics, in this process."""
    job = job_at(bootstrap, kind)
    return timed(job, logs.topics(job, lambda _: None, tail=False))


def run(bootstrap: str, kind: str) -> Measurement:
    """One run in a fresh process, on the last core."""
    return run_pinned(["bench.kafka", "--child", kind, "--bootstrap", bootstrap], 1)


@contextmanager
def pinned_broker() -> Iterator[RealBroker]:
    """A broker on the first core, where there are two: the flow has the last one for itself."""
    ours = os.sched_getaffinity(0)
    broker = RealBroker()
    os.sched_setaffinity(0, {min(ours)})
    try:
        broker.start()
    finally:
        os.sched_setaffinity(0, ours)
    try:
        yield broker
    finally:
        broker.__exit__()


def measured(records: int, runs: int) -> dict[str, dict[str, Any]]:
    """What each kind of records costs to load and to read."""
    kinds = [kind for kind in MARKS if kind == "plain" or CAN_PACK]
    with pinned_broker() as broker:
        load_s = {kind: load(broker.bootstrap, kind, records) for kind in kinds}
        run(broker.bootstrap, "plain")  # fills the cache of compiled code
        told: dict[str, list[Measurement]] = {kind: [] for kind in kinds}
        for _ in range(runs):
            for kind in kinds:
                told[kind].append(run(broker.bootstrap, kind))
    return {
        kind: {
            "load_s": load_s[kind],
            **{name: median(one[name] for one in some) for name in some[0]},
            "mark": MARKS[kind],
            "runs": some,
        }
        for kind, some in told.items()
    }


def shown(kinds: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The report as a table."""
    yield (
        f"{'records':>10}{'ticks/s':>12}{'CPU us/tick':>13}{'peak MiB':>10}{'mark':>12}"
        f"{'':>9}{'load s':>9}"
    )
    for kind, row in kinds.items():
        verdict = "passed" if row["ticks_per_s"] >= row["mark"] else "missed"
        yield (
            f"{kind:>10}{row['ticks_per_s']:>12,.0f}{row['cpu_us_per_tick']:>13.3f}"
            f"{row['peak_mib']:>10,.0f}{row['mark']:>12,.0f}{verdict:>9}{row['load_s']:>9.1f}"
        )


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the reference job through a real Kafka.")
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=[*MARKS], help=argparse.SUPPRESS)
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.bootstrap, args.child)))
        return
    if absent := missing():
        sys.exit(f"bench.kafka: Apache Kafka needs {absent}")
    kinds = measured(args.records, args.runs)
    kept = ROOT / "build" / "bench-kafka.json"
    report = {"records": args.records, "kinds": kinds, "machine": described()}
    kept.write_text(json.dumps(report, indent=2) + "\n")
    print(f"reference job from topics, {args.records:,} records, 1 process on 1 core")
    print("\n".join(shown(kinds)))
    print(f"median of {args.runs}; all runs and the machine in {kept.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
