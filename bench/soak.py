"""Ten minutes at 20,000 ticks a second on two processes, through a real Kafka: does anything grow?

    python -m bench.soak [--seconds 600] [--rate 20000] [--embedded]

Samples the memory of the processes, the sizes of recovery state and results, and how many records
the run is behind the producer; prints the means of the first and the last third of the run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import TypeAlias

from bench import brokers, report
from bench.live_run import read_progress
from bench.paths import ROOT
from bench.processes import children_of
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.synthetic.market import START_NS, Market, partitions_of, tapes
from tapeflow.flows.job import settings
from tapeflow.flows.run import topics
from tapeflow.schemas.batches import Page

JOB = ROOT / "jobs" / "demo.toml"
SAMPLE_S = 5.0
WARM_UP_S = 30.0
PAGE_RECORDS = 200  # at this rate a few milliseconds of a partition

Process: TypeAlias = "subprocess.Popen[bytes]"
Sample: TypeAlias = dict[str, float]


class Producer:
    """Writes a synthetic market into raw topics, each record when it is due."""

    def __init__(self, market: Market, job: settings.Job) -> None:
        self.pages = {name: iter(pages) for name, pages in tapes(market, PAGE_RECORDS).items()}
        self.next: dict[str, Page] = {name: next(pages) for name, pages in self.pages.items()}
        self.loader = Loader(job.kafka.bootstrap, topics.kafka_partitions(self.pages, job), print)

    def write_until(self, log_ns: int) -> int:
        """Write all pages that end before a log time; return the records written in all."""
        for name, pages in self.pages.items():
            while len(self.next[name].log_ns) and int(self.next[name].log_ns[-1]) < log_ns:
                self.loader.write(self.next[name])
                self.next[name] = next(pages)
        return sum(self.loader.records.values())


def start_run(folder: Path, bootstrap: str) -> Process:
    """Start `tapeflow run` on two processes."""
    command = [
        *(sys.executable, "-m", "tapeflow", "run", "--processes", "2", "--config", str(JOB)),
        *("--bootstrap", bootstrap, "--results", str(folder / "results.duckdb")),
        *("--state", str(folder / "state")),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def sample(folder: Path, run: Process, progress: Progress, records: int) -> Sample:
    """Take one sample: memory, sizes, and how far the run is behind `records` produced."""
    recovery = (folder / "state" / "recovery").glob("*")
    results = folder / "results.duckdb"
    return {
        "memory_mib": sum(map(resident_mib, children_of(run.pid))),
        "recovery_mib": sum(file.stat().st_size for file in recovery) / 2**20,
        "results_mib": results.stat().st_size / 2**20 if results.exists() else 0.0,
        "behind": records - progress.records(),
    }


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def soak(market: Market, folder: Path, broker: brokers.Broker) -> list[Sample]:
    """Produce a market, run the flow on it, and sample until the market ends."""
    job = settings.load(JOB, {"TAPEFLOW_KAFKA_BOOTSTRAP": broker.bootstrap})
    needed = {**topics.partition_counts(partitions_of(market), job), **topics.fact_topics(job)}
    for topic, count in needed.items():
        broker.create_topic(topic, count)
    producer = Producer(market, job)
    run = start_run(folder, broker.bootstrap)
    while (progress := read_progress(folder / "state", partitions_of(market))) is None:
        assert run.poll() is None, "the run did not start"
        time.sleep(0.1)
    samples: list[Sample] = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < market.seconds - 1:
        records = producer.write_until(START_NS + int(passed * 1e9))
        if passed > len(samples) * SAMPLE_S:
            samples.append({"seconds": passed, **sample(folder, run, progress, records)})
        time.sleep(0.005)
        assert run.poll() is None, "the run ended before the market did"
    producer.loader.finish()
    time.sleep(2)
    samples.append({"seconds": passed, **sample(folder, run, progress, records)})
    run.terminate()
    assert run.wait(30) == 0
    samples[-1]["records"] = records
    return samples


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Run for long and see whether anything grows.")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=float, default=20_000.0)
    parser.add_argument("--embedded", action="store_true", help="not on a real Kafka")
    args = parser.parse_args()
    market = Market(seconds=args.seconds + 2, rate=args.rate, partitions_per_venue=2)
    kind = "embedded" if args.embedded else "real"
    with tempfile.TemporaryDirectory() as folder, brokers.running(kind) as broker:
        samples = soak(market, Path(folder), broker)
    print_table(samples)
    report.save("soak", {"rate": args.rate, "samples": samples})


def print_table(samples: list[Sample]) -> None:
    """Print the means of the first and the last third, and the most, of each figure."""
    last = samples[-1]
    warm = [taken for taken in samples if taken["seconds"] > WARM_UP_S] or samples
    third = max(len(warm) // 3, 1)
    print(f"soak: {last['records']:,.0f} records in {last['seconds']:,.0f} s, two processes")
    print(f"{'':<24}{'first third':>14}{'last third':>14}{'most':>14}")
    for name in ("memory_mib", "recovery_mib", "results_mib", "behind"):
        values = [taken[name] for taken in warm]
        first, end = mean(values[:third]), mean(values[-third:])
        print(f"{name:<24}{first:>14,.1f}{end:>14,.1f}{max(values):>14,.1f}")


if __name__ == "__main__":
    main()
