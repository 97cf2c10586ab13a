"""A live run as `tapeflow run` makes it, in one process, with clocks around the hops of an order.

    read ──▶ desk.step ──▶ [wait for the other partition] ──▶ desk.step ──▶ sink ──▶ producer
      t          t in                                          t in  t out    t         t

    python -m bench.hop_clocks --config JOB --results FILE --state FOLDER    (bench.hops starts it)

The clocks are functions put around those of the product, here alone. When the run is stopped, what
they have read is written to hops.json beside the results: wall time, and CPU time of the engine's
thread, in ns. The second has no part in what else the machine does.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.sink import KafkaSinkPartition, ReliableProducer
from tapeflow.flows.job import settings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.orders import Order
from tapeflow.schemas.registry import BY_TYPE

READ, AT_DESK, DECIDED, SINK, HANDED = "read", "at desk", "decided", "sink", "handed"
Stamps = dict[str, list[Any]]


def now_ns() -> tuple[int, int]:
    """Return wall time and CPU time of this thread."""
    return time.time_ns(), time.thread_time_ns()


def install(stamps: Stamps, orders_topic: str) -> None:
    """Wrap the functions of all hops: each call adds a row to `stamps`."""

    def read(call: Callable[..., Any], *arguments: Any) -> Any:
        page = call(*arguments)
        if page is not None:
            stamps[READ].append((page.partition, page.first_offset, *now_ns()))
        return page

    def step(call: Callable[..., Any], desk: Any, state: Any, batch: Any) -> Any:
        began_ns = now_ns()
        stamps[AT_DESK].append((batch.partition, batch.first_offset, *began_ns))
        state, facts = call(desk, state, batch)
        decided_ns = now_ns()
        orders = [fact.id for fact in facts if type(fact) is Order]
        stamps[DECIDED] += [(order_id, *began_ns, *decided_ns) for order_id in orders]
        return state, facts

    def write(call: Callable[..., Any], *arguments: Any) -> Any:
        stamps[SINK].append(now_ns())
        return call(*arguments)

    def send(
        call: Callable[..., Any], producer: Any, topic: str, *arguments: Any, **more: Any
    ) -> Any:
        call(producer, topic, *arguments, **more)
        if topic == orders_topic:
            stamps[HANDED].append((more["headers"][0][1].decode(), *now_ns()))

    wrap(KafkaReader, "read", read)
    wrap(Desk, "step", step)
    wrap(KafkaSinkPartition, "write_batch", write)
    wrap(ReliableProducer, "send", send)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Put a function around a method; it gets the method first, then its arguments."""
    method = getattr(owner, name)
    setattr(owner, name, wraps(method)(lambda *args, **more: around(method, *args, **more)))


def main() -> None:
    """Run until stopped, then write what the clocks have read."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--config", "--results", "--state"):
        parser.add_argument(option, type=Path, required=True)
    args = parser.parse_args()
    job = settings.load(args.config, {})
    stamps: Stamps = {name: [] for name in (READ, AT_DESK, DECIDED, SINK, HANDED)}
    install(stamps, job.kafka.fact_prefix + BY_TYPE[Order].topic)
    log = find_topics(job, print, tail=True)
    plan = Plan(
        command="run", log=log, job=job, results=args.results, state=args.state, publish=True
    )
    run_plan(plan, lambda _: None, print)
    args.results.with_name("hops.json").write_text(json.dumps(stamps))


if __name__ == "__main__":
    main()
