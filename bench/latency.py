"""Latency of a live run on the paper venue: from a tick to its order on the topic `orders`.

    python -m bench.latency [--broker embedded|real] [--rate 10000] [--seconds 20]

    bench.paced ──▶ raw topics ──▶ tapeflow run ──▶ orders ──▶ here
    log time t                                                 wall time: latency = it - t

t is that of the record that decided the order. After it, what producer, broker and consumer cost
alone: the same records read here, without a flow between.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from bench.load_generator import PARTITIONS
from bench.machine import described, machine_s, ours_s
from bench.processes import children_of
from bench.real_kafka.broker import RealBroker
from bench.reference import JOB
from tapeflow.connectors.kafka.embedded import EmbeddedBroker
from tapeflow.connectors.kafka.facts import tail
from tapeflow.connectors.kafka.loader import create_topics
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.job import settings
from tapeflow.flows.run import topics as loading
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.orders import Order
from tapeflow.schemas.registry import BY_TYPE, decode
from tapeflow.schemas.time import MIN_NS

ROOT = Path(__file__).parents[1]
WARM_S, LOOP_S, START_S = 5.0, 3.0, 60.0
BROKER_S = {"embedded": 1.0, "real": 12.0}  # until a broker is warm: Java compiles
MARKS = {"p50": 2.0, "p99": 5.0}  # ms
CLIENT = {"embedded": {"fetch.wait.max.ms": 1}, "real": {}}  # the embedded one answers after it
RULES = """
[bars]
width = "100ms"
lateness = "20ms"

[[accounts]]
name = "main"
position_max = 1000000
gross_max = 1000000000000
orders_max = 1000000
orders_window = "1s"

[[strategies]]
name = "cross"
kind = "ema_cross"
fast = 1
slow = 2
account = "main"
size = 1

[[strategies]]
name = "back"
kind = "reversion"
entry = 0.8
account = "main"
size = 1
"""


class Arrival(Struct, frozen=True):
    """An order, when it was handed to the producer (to the millisecond), and when it came."""

    order: Order
    sent_ms: int
    came_ns: int


class Bench(Struct, frozen=True):
    """Where everything is."""

    bootstrap: str
    create: Callable[[str, int], object]
    folder: Path
    client: dict[str, Any]
    warm_s: float  # until the broker is warm

    def produce(self, prefix: str, rate: float, seconds: float) -> "subprocess.Popen[bytes]":
        """Start the market."""
        options = (self.bootstrap, prefix, rate, seconds, self.folder / f"{prefix}times.npz")
        command = [sys.executable, "-m", "bench.paced", *map(str, options)]
        return subprocess.Popen(command, cwd=ROOT)

    def times(self, prefix: str) -> dict[str, Ints]:
        """When each record of each partition was sent."""
        with np.load(self.folder / f"{prefix}times.npz") as kept:
            return {name: kept[name] for name in PARTITIONS}


def kafka_roundtrip(bench: Bench, prefix: str, rate: float, seconds: float) -> Floats:
    """Milliseconds from the producer to us, of each record, without a flow."""
    topics = [prefix + name.partition("-")[0] for name in PARTITIONS]
    for topic in topics:
        bench.create(topic, 1)
    found = []
    producing = bench.produce(prefix, rate, seconds)
    for message in tail(bench.bootstrap, topics, print, bench.client):
        now = time.time_ns()
        if message is not None:
            sent = message.timestamp()[1] * 1_000_000 + int(
                dict(message.headers() or ())["ns"] or 0
            )
            found.append((now - sent) / 1e6)
        elif producing.poll() is not None:
            break
    return np.array(found[len(found) // 3 :])


@contextmanager
def flow(bench: Bench) -> Iterator["subprocess.Popen[bytes]"]:
    """The run under test, started as a user does."""
    table = JOB.read_text()
    job = bench.folder / "job.toml"
    kafka = {"bootstrap": bench.bootstrap, "client": bench.client}
    told = "\n".join(f"{key} = {toml(value)}" for key, value in kafka.items())
    job.write_text(f"[kafka]\n{told}\n{RULES}\n{table[table.index('[instruments]') :]}")
    wanted = settings.load(job, {})
    for topic, count in {
        **loading.topics(PARTITIONS, wanted),
        **loading.fact_topics(wanted),
    }.items():
        bench.create(topic, count)
    command = [sys.executable, "-m", "tapeflow", "run", "--config", job]
    command += ["--results", bench.folder / "results.duckdb", "--state", bench.folder / "state"]
    running = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def toml(value: object) -> str:
    """A value as TOML writes it, where JSON does not."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(each)}' for key, each in value.items()) + "}"
    return json.dumps(value)


def measured(bench: Bench, rate: float, seconds: float) -> tuple[list[Arrival], float]:
    """The orders of a run, and the share of a core that its flow took."""
    found: list[tuple[bytes, int, int]] = []
    with flow(bench) as running:
        producing, share = None, 0.0
        deadline = time.monotonic() + START_S
        for message in tail(bench.bootstrap, ["orders"], print, bench.client):
            now = time.time_ns()
            if message is not None:
                found.append((message.value() or b"", message.timestamp()[1], now))
                continue
            assert running.poll() is None, "the run has ended"
            if producing is None:
                assert time.monotonic() < deadline, "the run did not start"
                if is_reading(bench.folder / "state" / "board"):
                    producing = bench.produce("raw.", rate, WARM_S + seconds)
                    cpu, began = cpu_of(running.pid), time.monotonic()
            elif producing.poll() is not None:
                share = (cpu_of(running.pid) - cpu) / (time.monotonic() - began)
                break
    topic = BY_TYPE[Order]
    return [Arrival(decode(topic, value), sent, came) for value, sent, came in found], share


def is_reading(path: Path) -> bool:
    """Has the run opened its partitions?"""
    if not path.exists() or not path.stat().st_size:
        return False
    board = Progress(PARTITIONS, 1, path)
    return all(board.is_idle(name) or board.log_ns_of(name) != MIN_NS for name in PARTITIONS)


def cpu_of(pid: int) -> float:
    """CPU seconds of the processes that a process has started."""
    ticks = 0
    for child in children_of(pid):
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def waits(arrivals: list[Arrival], times: dict[str, Ints]) -> Floats:
    """Milliseconds until every other partition had logged something later than what decided."""
    found = []
    for arrival in arrivals:
        t = int(times[arrival.order.partition][arrival.order.offset])
        assert t == arrival.order.time_ns, "an order names another record than decided it"
        later = [each[np.searchsorted(each, t, "right") :] for each in times.values()]
        found.append(max((int(each[0]) - t for each in later if len(each)), default=0) / 1e6)
    return np.array(found)


def spread(values: Floats) -> dict[str, float]:
    """What is said of milliseconds."""
    p50, p90, p99, p999 = np.percentile(values, [50, 90, 99, 99.9]).tolist()
    return {"p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": float(values.max())}


def report(bench: Bench, rate: float, seconds: float) -> dict[str, Any]:
    """Measure everything."""
    kafka_roundtrip(bench, "warm.", rate, bench.warm_s)
    others, began = machine_s() - ours_s(), time.monotonic()
    arrivals, share = measured(bench, rate, seconds)
    others = (machine_s() - ours_s() - others) / (time.monotonic() - began)
    alone = kafka_roundtrip(bench, "loop.", rate, LOOP_S)
    times = bench.times("raw.")
    begin = min(int(each[0]) for each in times.values()) + int(WARM_S * 1e9)
    end = min(int(each[-1]) for each in times.values())
    late = [each for each in arrivals if each.order.time_ns >= begin]
    decided = np.array([each.order.time_ns for each in late])
    came = np.array([each.came_ns for each in late])
    sent = np.array([each.sent_ms for each in late]) * 1e6 + 5e5  # the middle of its millisecond
    sent_ticks = sum(int(((each >= begin) & (each <= end)).sum()) for each in times.values())
    return {
        "orders": len(late),
        "deciding_records": len(np.unique(decided)),
        "ticks_per_s": sent_ticks / ((end - begin) / 1e9),
        "cores_of_flow": share,
        "cores_of_others": others,  # noise: processes that are not of this measurement
        "ms": {
            "tick to order": spread((came - decided) / 1e6),
            "of it: the log's own wait": spread(waits(late, times)),
            "of it: tick to our producer": spread((sent - decided) / 1e6),
            "of it: from there to here": spread((came - sent) / 1e6),
            "without a flow: tick to here": spread(alone),
        },
    }


@contextmanager
def brokered(broker: str) -> Iterator[Bench]:
    """A broker, and a folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        how = CLIENT[broker], BROKER_S[broker]
        if broker == "embedded":
            embedded = stack.enter_context(EmbeddedBroker())
            yield Bench(embedded.bootstrap, embedded.create_topic, folder, *how)
        else:
            real = stack.enter_context(RealBroker())
            yield Bench(real.bootstrap, partial(created, real.bootstrap), folder, *how)


def created(bootstrap: str, topic: str, partitions: int) -> None:
    """Create a topic of a real broker."""
    create_topics(bootstrap, {topic: partitions})


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the latency of a live run.")
    parser.add_argument("--broker", choices=[*CLIENT], default="embedded")
    parser.add_argument("--rate", type=float, default=10_000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    with brokered(args.broker) as bench:
        told = report(bench, args.rate, args.seconds)
    told |= {"broker": args.broker, "rate": args.rate, "machine": described()}
    kept = ROOT / "build" / f"bench-latency-{args.broker}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(told, indent=2) + "\n")
    print("\n".join(shown(told)))


def shown(told: dict[str, Any]) -> Iterator[str]:
    """The report, for people."""
    yield (
        f"{told['orders']:,} orders of {told['deciding_records']:,} ticks at "
        f"{told['ticks_per_s']:,.0f} ticks/s, {told['broker']} broker; "
        f"the flow took {told['cores_of_flow']:.2f} cores, "
        f"strangers {told['cores_of_others']:.2f}"
    )
    names = [*next(iter(told["ms"].values()))]
    yield f"{'ms':<30}" + "".join(f"{name:>9}" for name in names)
    for what, values in told["ms"].items():
        yield f"{what:<30}" + "".join(f"{values[name]:>9.2f}" for name in names)
    for name, mark in MARKS.items():
        reached = told["ms"]["tick to order"][name]
        yield f"{name} {reached:.2f} < {mark:g} ms: {'passed' if reached < mark else 'missed'}"
    yield ", ".join(f"{name} {value}" for name, value in told["machine"].items())


if __name__ == "__main__":
    main()
