"""Ten minutes at 20,000 ticks a second on two processes, through a real Kafka: does anything grow?

    python -m bench.soak [--seconds 600] [--rate 20000] [--embedded]

Samples memory of the processes, size of the recovery state and of the results, and how far the run
is behind what is produced; prints the first and the last third of the run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import Any

from bench.machine import described
from bench.processes import children_of
from bench.real_kafka.broker import RealBroker
from tapeflow.connectors.kafka.embedded import EmbeddedBroker
from tapeflow.connectors.kafka.loader import Loader, create_topics
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.synthetic.market import START_NS, Market, partitions_of, tapes
from tapeflow.flows.job import settings
from tapeflow.flows.run import topics as loading
from tapeflow.schemas.batches import Page

ROOT = Path(__file__).parents[1]
JOB = ROOT / "jobs" / "demo.toml"
SAMPLE_S = 5.0
PAGE = 200  # records; at this rate a few milliseconds of a partition


class Producer:
    """Writes a made-up market into raw topics, each record when it is due."""

    def __init__(self, market: Market, job: settings.Job) -> None:
        self.pages = {name: iter(pages) for name, pages in tapes(market, PAGE).items()}
        self.next: dict[str, Page] = {name: next(pages) for name, pages in self.pages.items()}
        self.loader = Loader(job.kafka.bootstrap, loading.places(self.pages, job), print)

    def write_until(self, log_ns: int) -> int:
        """Write all pages that end before a log time; records written in all."""
        for name, pages in self.pages.items():
            while len(self.next[name].log_ns) and int(self.next[name].log_ns[-1]) < log_ns:
                self.loader.write(self.next[name])
                self.next[name] = next(pages)
        return sum(self.loader.records.values())


def started(folder: Path, bootstrap: str) -> "subprocess.Popen[bytes]":
    """The run under test."""
    command = [
        *(sys.executable, "-m", "tapeflow", "run", "--processes", "2", "--config", str(JOB)),
        *("--bootstrap", bootstrap, "--results", str(folder / "results.duckdb")),
        *("--state", str(folder / "state")),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def sampled(
    folder: Path, running: "subprocess.Popen[bytes]", board: Progress, made: int
) -> dict[str, float]:
    """One look."""
    recovery = (folder / "state" / "recovery").glob("*")
    results = folder / "results.duckdb"
    return {
        "memory_mib": sum(map(resident_mib, children_of(running.pid))),
        "recovery_mib": sum(file.stat().st_size for file in recovery) / 2**20,
        "results_mib": results.stat().st_size / 2**20 if results.exists() else 0.0,
        "behind": made - board.records(),
    }


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def soak(market: Market, folder: Path, bootstrap: str, create: Any) -> list[dict[str, float]]:
    """Produce, run, sample."""
    job = settings.load(JOB, {"TAPEFLOW_KAFKA_BOOTSTRAP": bootstrap})
    for topic, count in {
        **loading.topics(partitions_of(market), job),
        **loading.fact_topics(job),
    }.items():
        create(topic, count)
    producer = Producer(market, job)
    running = started(folder, bootstrap)
    while not (folder / "state" / "board").exists():
        time.sleep(0.1)
    board = Progress(tuple(partitions_of(market)), 1, folder / "state" / "board")
    samples: list[dict[str, float]] = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < market.seconds - 1:
        made = producer.write_until(START_NS + int(passed * 1e9))
        if passed > len(samples) * SAMPLE_S:
            samples.append({"seconds": passed, **sampled(folder, running, board, made)})
        time.sleep(0.005)
        assert running.poll() is None, "the run has ended"
    producer.loader.finish()
    time.sleep(2)
    samples.append({"seconds": passed, **sampled(folder, running, board, made)})
    running.terminate()
    assert running.wait(30) == 0
    samples[-1]["records"] = made
    return samples


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Run for long and see whether anything grows.")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=float, default=20_000.0)
    parser.add_argument("--embedded", action="store_true", help="not on a real Kafka")
    args = parser.parse_args()
    market = Market(seconds=args.seconds + 2, rate=args.rate, partitions_per_venue=2)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if args.embedded:
            embedded = stack.enter_context(EmbeddedBroker())
            samples = soak(market, folder, embedded.bootstrap, embedded.create_topic)
        else:
            real = stack.enter_context(RealBroker())
            samples = soak(
                market,
                folder,
                real.bootstrap,
                lambda topic, count: create_topics(real.bootstrap, {topic: count}),
            )
    report(samples, args.rate)


def report(samples: list[dict[str, float]], rate: float) -> None:
    """Print the first and the last third, and keep everything."""
    last = samples[-1]
    warm = [sample for sample in samples if sample["seconds"] > 30] or samples
    third = max(len(warm) // 3, 1)
    print(f"soak: {last['records']:,.0f} records in {last['seconds']:,.0f} s, two processes")
    print(f"{'':<24}{'first third':>14}{'last third':>14}{'most':>14}")
    for name in ("memory_mib", "recovery_mib", "results_mib", "behind"):
        values = [sample[name] for sample in warm]
        first, end = mean(values[:third]), mean(values[-third:])
        print(f"{name:<24}{first:>14,.1f}{end:>14,.1f}{max(values):>14,.1f}")
    kept = ROOT / "build" / "bench-soak.json"
    kept.parent.mkdir(exist_ok=True)
    told = {"rate": rate, "samples": samples, "machine": described()}
    kept.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
