"""Generates load at an even pace: writes trades of two venues into their raw topics.

    python -m bench.load_generator BOOTSTRAP PREFIX RATE SECONDS TIMES

    step       |   |   |   |   |    a millisecond
    binance    | t | tt| t | tt|    each record's log time is the wall time when it is sent
    coinbase   | tt| t | tt| t |    a heartbeat, where a partition would be silent for 4 ms

At its end it writes the log times to TIMES (.npz): an array for each partition, by offset.
"""

import gc
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.paths import JOB
from tapeflow.connectors.kafka.frames import NS_HEADER
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.flows.job.settings import load
from tapeflow.schemas.time import NS_PER_MS

STEP_NS = 1_000_000
SILENCE_NS = 3_000_000  # then a heartbeat: one that is a step late is still within 4 ms
PARTITIONS = ("binance-0", "coinbase-0")
LOW_LATENCY = {  # as a recorder would send
    "linger.ms": 0.1,  # a step is one batch: the embedded broker gives one batch a fetch
    "compression.type": "none",
    "enable.idempotence": False,  # saves half a second at the start
}
SPOT = (
    b'{"stream":"%s@trade","data":{"e":"trade","E":%d,"s":"%s","t":%d,"p":"%.8f","q":"%.8f",'
    b'"T":%d,"m":true,"M":true}}'
)
MATCH = (
    b'{"type":"match","trade_id":%d,"maker_order_id":"f3a1b0c2-5d6e-4f70-8a91-b2c3d4e5f607",'
    b'"taker_order_id":"0a1b2c3d-4e5f-4071-92a3-b4c5d6e7f809","side":"sell","size":"%.8f",'
    b'"price":"%.5f","product_id":"%s","sequence":%d,"time":"%s.%06dZ"}'
)


class Market:
    """Trades of two partitions by turns, each price a random walk."""

    def __init__(self, seed: int = 7) -> None:
        """Start with the reference job's instruments: ten of each venue."""
        self.random = random.Random(seed)
        names = sorted(load(JOB).instruments)
        self.symbols = tuple(
            tuple(venue_symbol(name) for name in names if name.endswith(venue))
            for venue in (".BINANCE", ".COINBASE")
        )
        self.price = {name: 100.0 for symbols in self.symbols for name in symbols}
        self.count = 0
        self.second, self.second_text = 0, b""

    def frame(self, now_ns: int) -> tuple[int, bytes]:
        """Return the next trade: the index of its partition in PARTITIONS, and its frame."""
        self.count += 1
        number, round_ = self.count % 2, self.count // 2
        name = self.symbols[number][round_ % len(self.symbols[number])]
        price = self.price[name] = self.price[name] * (1 + self.random.uniform(-1e-4, 1e-4))
        us = now_ns // 1000
        if number == 0:
            ms = us // 1000
            return 0, SPOT % (name.lower(), ms, name, self.count, price, 0.5, ms)
        second, rest = divmod(us, 1_000_000)
        if second != self.second:
            moment = datetime.fromtimestamp(second, UTC)
            self.second, self.second_text = second, moment.strftime("%Y-%m-%dT%H:%M:%S").encode()
        return 1, MATCH % (self.count, 0.5, price, name, self.count * 3, self.second_text, rest)


def venue_symbol(instrument: str) -> bytes:
    """Return the symbol that the venue uses for an instrument."""
    pair, _, venue = instrument.partition(".")
    return (pair.replace("-", "") if venue == "BINANCE" else pair).encode()


class LoadGenerator:
    """Sends records when they are due, and keeps their log times."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.producer = ReliableProducer(bootstrap, LOW_LATENCY)
        self.topics = [prefix + name.partition("-")[0] for name in PARTITIONS]
        self.times: tuple[list[int], ...] = tuple([] for _ in PARTITIONS)
        self.ticks = 0

    def send(self, number: int, frame: bytes, now_ns: int) -> None:
        """Send a record of a partition, with its log time as a recorder writes it."""
        ms, rest = divmod(now_ns, NS_PER_MS)
        header = [(NS_HEADER, b"%d" % rest)]
        topic = self.topics[number]
        self.producer.send(topic, frame, None, 0, timestamp=ms, headers=header)
        self.times[number].append(now_ns)

    def run(self, market: Market, rate: float, seconds: float) -> None:
        """Send `rate` ticks a second for so many seconds, in even steps."""
        began = step = time.time_ns()
        until = began + int(seconds * 1e9)
        while (now_ns := time.time_ns()) < until:
            for _ in range(int((now_ns - began) * rate / 1e9) - self.ticks):
                sent_ns = time.time_ns()
                self.send(*market.frame(sent_ns), sent_ns)
                self.ticks += 1
            for number, times in enumerate(self.times):
                if not times or now_ns - times[-1] >= SILENCE_NS:
                    self.send(number, b"", time.time_ns())
            self.producer.check()
            step = max(step + STEP_NS, now_ns)
            time.sleep(max(step - time.time_ns(), 0) / 1e9)
        self.producer.flush()


def main(bootstrap: str, prefix: str, rate: float, seconds: float, times: Path) -> None:
    """Send for so many seconds, then write the log times."""
    market, generator = Market(), LoadGenerator(bootstrap, prefix)
    gc.disable()  # a collection would hold up a step
    generator.run(market, rate, seconds)
    unfinished = times.with_name("next-" + times.name)
    np.savez(unfinished, **dict(zip(PARTITIONS, generator.times, strict=True)))  # type: ignore[arg-type]
    os.replace(unfinished, times)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
