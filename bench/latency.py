"""Latency of a live run on the paper venue: from a tick to its order on the topic `orders`.

    python -m bench.latency [--broker embedded|real] [--rate 10000] [--seconds 20]

    bench.load_generator ──▶ raw topics ──▶ tapeflow run ──▶ orders ──▶ here
    log time t                                                          wall time w: latency = w - t

t is that of the record that decided the order. Before it the same kind of records are read here
without a flow between: once to warm the broker, and again after it to measure what producer, broker
and consumer take alone.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from bench import brokers, report
from bench.live_run import LiveRun
from bench.load_generator import PARTITIONS
from bench.machine import machine_cpu_s, own_cpu_s
from bench.processes import children_of, cpu_s
from tapeflow.connectors.kafka.facts import tail
from tapeflow.schemas.columns import Floats, Ints
from tapeflow.schemas.orders import Order
from tapeflow.schemas.registry import BY_TYPE, decode

WARM_UP_S, ROUNDTRIP_S, START_S = 5.0, 3.0, 60.0
BROKER_WARM_UP_S = {"embedded": 1.0, "real": 12.0}  # Java compiles
TARGETS_MS = {"p50": 2.0, "p99": 5.0}
CLIENT: dict[str, dict[str, Any]] = {  # settings of Kafka's client, by broker
    "embedded": {"fetch.wait.max.ms": 1},  # only after this wait it answers that there is nothing
    "real": {},
}


class Arrival(Struct, frozen=True):
    """An order, when it was handed to the producer (to the millisecond), and when it arrived."""

    order: Order
    sent_ms: int
    arrived_ns: int


def kafka_roundtrip(live: LiveRun, prefix: str, rate: float, seconds: float) -> Floats:
    """Measure the milliseconds from the producer to here without a flow, of each record.

    The first third of the records is not counted.
    """
    topics = [prefix + name.partition("-")[0] for name in PARTITIONS]
    for topic in topics:
        live.broker.create_topic(topic, 1)
    latencies_ms = []
    load = live.start_load(prefix, rate, seconds)
    for message in tail(live.broker.bootstrap, topics, print, live.client):
        now_ns = time.time_ns()
        if message is not None:
            below_ms = int(dict(message.headers() or ())["ns"] or 0)
            sent_ns = message.timestamp()[1] * 1_000_000 + below_ms
            latencies_ms.append((now_ns - sent_ns) / 1e6)
        elif load.poll() is not None:
            break
    return np.array(latencies_ms[len(latencies_ms) // 3 :])


def orders_of_a_run(live: LiveRun, rate: float, seconds: float) -> tuple[list[Arrival], float]:
    """Run the flow under load; return the orders that arrived, and the cores that the flow took."""
    records: list[tuple[bytes, int, int]] = []
    with live.running() as flow:
        load, cores = None, 0.0
        deadline = time.monotonic() + START_S
        for message in tail(live.broker.bootstrap, ["orders"], print, live.client):
            now_ns = time.time_ns()
            if message is not None:
                records.append((message.value() or b"", message.timestamp()[1], now_ns))
                continue
            assert flow.poll() is None, "the run ended before its load did"
            if load is None:
                assert time.monotonic() < deadline, f"the run did not start within {START_S:g} s"
                if live.is_reading():
                    load = live.start_load("raw.", rate, WARM_UP_S + seconds)
                    cpu_began, began = workers_cpu_s(flow.pid), time.monotonic()
            elif load.poll() is not None:
                cores = (workers_cpu_s(flow.pid) - cpu_began) / (time.monotonic() - began)
                break
    fact_type = BY_TYPE[Order]
    return [Arrival(decode(fact_type, value), *times) for value, *times in records], cores


def workers_cpu_s(supervisor: int) -> float:
    """Return the CPU seconds of the processes that a supervisor has started."""
    return sum(map(cpu_s, children_of(supervisor)))


def waits_ms(arrivals: list[Arrival], log_ns: dict[str, Ints]) -> Floats:
    """Return how long each order had to wait for the log itself, in milliseconds.

    It can be made only when every other partition has a record later than the one that decided it.
    """
    waits = []
    for arrival in arrivals:
        order = arrival.order
        decided_ns = int(log_ns[order.partition][order.offset])
        assert decided_ns == order.time_ns, "an order names another record than decided it"
        later = [times[np.searchsorted(times, decided_ns, "right") :] for times in log_ns.values()]
        waits.append(max((int(times[0]) - decided_ns for times in later if len(times)), default=0))
    return np.array(waits) / 1e6


def percentiles(values: Floats) -> dict[str, float]:
    """Return the percentiles of the report, and the largest value."""
    p50, p90, p99, p999 = np.percentile(values, [50, 90, 99, 99.9]).tolist()
    return {"p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": float(values.max())}


def measure(live: LiveRun, rate: float, seconds: float, broker_warm_up_s: float) -> dict[str, Any]:
    """Measure the latency of orders, its parts, and the cores that were taken meanwhile."""
    kafka_roundtrip(live, "warm.", rate, broker_warm_up_s)
    others_began_s, began = machine_cpu_s() - own_cpu_s(), time.monotonic()
    arrivals, flow_cores = orders_of_a_run(live, rate, seconds)
    others_s = machine_cpu_s() - own_cpu_s() - others_began_s
    other_cores = others_s / (time.monotonic() - began)
    without_flow_ms = kafka_roundtrip(live, "loop.", rate, ROUNDTRIP_S)
    log_ns = live.log_ns("raw.")
    begin_ns = min(int(times[0]) for times in log_ns.values()) + int(WARM_UP_S * 1e9)
    end_ns = min(int(times[-1]) for times in log_ns.values())
    counted = [arrival for arrival in arrivals if arrival.order.time_ns >= begin_ns]
    decided_ns = np.array([arrival.order.time_ns for arrival in counted])
    arrived_ns = np.array([arrival.arrived_ns for arrival in counted])
    sent_ns = np.array([arrival.sent_ms for arrival in counted]) * 1e6 + 5e5  # mid-millisecond
    ticks = sum(int(((begin_ns <= t) & (t <= end_ns)).sum()) for t in log_ns.values())
    return {
        "orders": len(counted),
        "deciding_records": len(np.unique(decided_ns)),
        "ticks_per_s": ticks / ((end_ns - begin_ns) / 1e9),
        "cores_of_flow": flow_cores,
        "cores_of_others": other_cores,  # noise: processes that are not of this measurement
        "ms": {
            "tick to order": percentiles((arrived_ns - decided_ns) / 1e6),
            "of it: the log's own wait": percentiles(waits_ms(counted, log_ns)),
            "of it: tick to our producer": percentiles((sent_ns - decided_ns) / 1e6),
            "of it: from there to here": percentiles((arrived_ns - sent_ns) / 1e6),
            "without a flow: tick to here": percentiles(without_flow_ms),
        },
    }


@contextmanager
def live_run(broker: str) -> Iterator[LiveRun]:
    """Prepare a live run: a fresh broker of a kind, and a folder for its files."""
    with brokers.running(broker) as running, tempfile.TemporaryDirectory() as folder:
        yield LiveRun(running, Path(folder), CLIENT[broker])


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the latency of a live run.")
    parser.add_argument("--broker", choices=[*CLIENT], default="embedded")
    parser.add_argument("--rate", type=float, default=10_000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    with live_run(args.broker) as live:
        figures = measure(live, args.rate, args.seconds, BROKER_WARM_UP_S[args.broker])
    figures |= {"broker": args.broker, "rate": args.rate}
    report.save(f"latency-{args.broker}", figures)
    print("\n".join(format_table(figures)))
    print(report.machine_line())


def format_table(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield (
        f"{figures['orders']:,} orders of {figures['deciding_records']:,} ticks at "
        f"{figures['ticks_per_s']:,.0f} ticks/s, {figures['broker']} broker; "
        f"the flow took {figures['cores_of_flow']:.2f} cores, "
        f"other processes {figures['cores_of_others']:.2f}"
    )
    names = [*next(iter(figures["ms"].values()))]
    yield f"{'ms':<30}" + "".join(f"{name:>9}" for name in names)
    for what, values in figures["ms"].items():
        yield f"{what:<30}" + "".join(f"{values[name]:>9.2f}" for name in names)
    for name, target in TARGETS_MS.items():
        ms = figures["ms"]["tick to order"][name]
        yield f"{name} {ms:.2f} < {target:g} ms: {'passed' if ms < target else 'missed'}"


if __name__ == "__main__":
    main()
