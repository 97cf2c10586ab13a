"""Print the time of an order in a live run, hop by hop; our own part is held to a target.

    python -m bench.hops [--broker embedded|real] [--rate 10000] [--seconds 20]
                         [--epoch 1s] [--store disk|memory] [--folder FOLDER]

    tick ─▶ read ─▶ desk ─▶ the other partition has come ─▶ decided ─▶ sink ─▶ handed over ─▶ here
    broker  └───────────── from a frame received to its order handed over ─────────────┘  broker

The run is that of bench.latency, with the clocks of bench.hop_clocks. The way through the broker is
shown beside that of a record with no flow between.
"""

import argparse
import json
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from bench import brokers, report
from bench.hop_clocks import AT_DESK, DECIDED, HANDED, READ, SINK, Stamps
from bench.latency import (
    BROKER_WARM_UP_S,
    CLIENT,
    ROUNDTRIP_S,
    WARM_UP_S,
    Arrival,
    kafka_roundtrip,
    orders_of_a_run,
    percentiles,
)
from bench.live_run import LiveRun
from tapeflow.schemas.columns import Floats

WAIT = "wait for the other partition"
HOPS = (
    "tick -> page read",
    "page read -> desk",
    WAIT,
    "desk",
    "desk -> sink",
    "sink -> handed over",
    "handed over -> here",
)
OWN = slice(1, 6)  # of HOPS: from a frame received to its order handed over
WHOLE, OURS = "tick to order", "frame received -> order handed over"
BARE, GAPS = "without a flow: tick to here", "between two page reads"
CPU = "of it CPU, without the wait"
Times = Mapping[str, tuple[list[int], list[Any]]]  # by partition: first offsets, wall and CPU times
TARGETS_MS = {"p50": 1.2, "p99": 3.0}  # of our own part


def hops_ms(stamps: Stamps, arrivals: Sequence[Arrival]) -> Floats:
    """Return (orders, HOPS, 2) milliseconds, wall and CPU, of each order whose way was seen."""
    read, at_desk = (times_by_partition(stamps[name]) for name in (READ, AT_DESK))
    decided = {order_id: np.reshape(times, (2, 2)) for order_id, *times in stamps[DECIDED]}
    handed = {order_id: times for order_id, *times in reversed(stamps[HANDED])}  # the first of each
    sinks = [wall for wall, _ in stamps[SINK]]
    rows = []
    for arrival in arrivals:
        order = arrival.order
        if order.id not in decided or order.id not in handed:
            continue
        sent = handed[order.id]
        times = (
            (order.time_ns, 0),
            *(at(each, order.partition, order.offset) for each in (read, at_desk)),
            *decided[order.id],
            stamps[SINK][bisect_right(sinks, sent[0]) - 1],
            sent,
            (arrival.arrived_ns, 0),
        )
        rows.append(np.diff(np.array(times), axis=0))
    return np.array(rows) / 1e6


def times_by_partition(rows: Sequence[Sequence[Any]]) -> Times:
    """Return the first offsets of each partition's batches, and when they came."""
    found: defaultdict[str, tuple[list[int], list[Any]]] = defaultdict(lambda: ([], []))
    for partition, first_offset, *times in rows:
        found[partition][0].append(first_offset)
        found[partition][1].append(times)
    return found


def at(times: Times, partition: str, offset: int) -> Any:
    """Return when the batch came that holds this record."""
    offsets, came = times[partition]
    return came[bisect_right(offsets, offset) - 1]


def measure(live: LiveRun, rate: float, seconds: float, broker_warm_up_s: float) -> dict[str, Any]:
    """Measure the hops of the orders of a run, and a record's way through the broker alone."""
    kafka_roundtrip(live, "warm.", rate, broker_warm_up_s)
    arrivals, _ = orders_of_a_run(live, rate, seconds)
    bare_ms = kafka_roundtrip(live, "loop.", rate, ROUNDTRIP_S)
    stamps = json.loads((live.folder / "hops.json").read_text())
    begin_ns = min(int(times[0]) for times in live.log_ns("raw.").values()) + int(WARM_UP_S * 1e9)
    counted = [each for each in arrivals if each.order.time_ns >= begin_ns]
    ms = hops_ms(stamps, counted)
    reads = np.array(sorted(at_ns for *_, at_ns, _ in stamps[READ] if at_ns >= begin_ns))
    table = {name: percentiles(ms[:, number, 0]) for number, name in enumerate(HOPS)}
    table[OURS] = percentiles(ms[:, OWN, 0].sum(axis=1))
    table[CPU] = percentiles(ms[:, OWN, 1].sum(axis=1) - ms[:, HOPS.index(WAIT), 1])
    table |= {
        f"  {name}": percentiles(ms[:, HOPS.index(name), 1]) for name in HOPS[OWN] if name != WAIT
    }
    table[WHOLE] = percentiles(ms[..., 0].sum(axis=1))
    table[BARE] = percentiles(bare_ms)
    table[GAPS] = percentiles(np.diff(reads) / 1e6)
    return {"orders": len(ms), "pages": len(reads), "ms": table}


def format_table(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report."""
    orders, rate, broker = (figures[name] for name in ("orders", "rate", "broker"))
    where = f"{broker} broker, epoch {figures['epoch']}, state in {figures['store']}"
    yield f"{orders:,} orders at {rate:,.0f} ticks/s, {where}"
    names = [*next(iter(figures["ms"].values()))]
    yield f"{'ms':<38}" + "".join(f"{name:>9}" for name in names)
    for what, values in figures["ms"].items():
        yield f"{what:<38}" + "".join(f"{values[name]:>9.2f}" for name in names)
    for name, target in TARGETS_MS.items():
        ms = figures["ms"][OURS][name]
        yield f"{OURS}: {name} {ms:.2f} < {target:g} ms: {'passed' if ms < target else 'missed'}"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the hops of orders in a live run.")
    parser.add_argument("--broker", choices=[*CLIENT], default="embedded")
    parser.add_argument("--rate", type=float, default=10_000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--epoch", default="1s", help="[recovery] epoch of the run")
    parser.add_argument("--store", default="disk", help="[recovery] store of the run")
    parser.add_argument(
        "--folder", type=Path, help="of state and results; default: a temporary one"
    )
    args = parser.parse_args()
    with ExitStack() as stack:
        running = stack.enter_context(brokers.running(args.broker))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        live = LiveRun(running, folder, CLIENT[args.broker])
        live = replace(live, entry=("bench.hop_clocks",), epoch=args.epoch, store=args.store)
        figures = measure(live, args.rate, args.seconds, BROKER_WARM_UP_S[args.broker])
    figures |= {"broker": args.broker, "rate": args.rate, "epoch": args.epoch, "store": args.store}
    report.save(f"hops-{args.broker}", figures)
    print("\n".join(format_table(figures)))
    print(report.machine_line())


if __name__ == "__main__":
    main()
