"""Synthetic markets of many instruments, and jobs of many strategies, for bench.scaling.

Trades of Binance in two partitions, BASE<n>USDT, 10,000 a second in log time; every instrument is
traded as often as any other, and none of the limits binds.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.paths import BUILD

START_NS = 1_700_000_000_000_000_000
PER_S = 10_000  # ticks
PARTITIONS = 2
DELAY_NS = 5_000_000
VOLATILITY = 0.0002  # of a price, from one trade to the next

JOB = """\
[dedupe]
window = 4096
[source]
page_records = {page}
[[accounts]]
name = "main"
position_max = 1000000
gross_max = 1000000000000
orders_max = 1000000
orders_window = "10s"
[channels]
binance = ["trade"]
"""
STRATEGY = """\
[[strategies]]
name = "cross{number:03d}"
kind = "ema_cross"
fast = {fast}
slow = {slow}
account = "main"
size = 1
"""


def write_job(instruments: int, strategies: int = 1, page: int = 20_000) -> Path:
    """Write a job to build/ and return its path; its first strategy is the reference job's.

    `page` is the most records of a page.
    """
    path = BUILD / f"scaling-{instruments}-{strategies}-{page}.toml"
    periods = [(12, 26), *((2 + n % 10, 12 + n % 15) for n in range(1, strategies))]
    lines = [JOB.format(page=page)]
    lines += [
        STRATEGY.format(number=number, fast=fast, slow=slow)
        for number, (fast, slow) in enumerate(periods)
    ]
    lines.append("[instruments]\n")
    lines += [
        f'"{name}-USDT.BINANCE" = {{ tick = "0.01", lot = "0.001" }}\n'
        for name in base_symbols(instruments)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(lines))
    return path


def workload_tapes(instruments: int, records: int, seed: int = 7) -> Path:
    """Return the folder of the tapes of so many instruments; write them the first time."""
    folder = BUILD / f"tapes-scaling-{instruments}-{records}-{seed}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            write_tapes(Path(unfinished) / "tapes", instruments, records, seed)
            os.rename(f"{unfinished}/tapes", folder)
    return folder


def write_tapes(folder: Path, instruments: int, records: int, seed: int) -> None:
    """Write one tape a partition into a new folder; each instrument is in one partition."""
    rng = np.random.default_rng(seed)
    instrument = rng.integers(0, instruments, records)
    event_ns = START_NS + np.arange(records) * (10**9 // PER_S)
    price, trade_id = random_walks(instrument, instruments, rng)
    size = rng.integers(1, 5000, records)
    maker = rng.random(records) < 0.5
    folder.mkdir()
    names = base_symbols(instruments)
    for partition in range(PARTITIONS):
        rows = np.flatnonzero(instrument % PARTITIONS == partition)
        columns = (event_ns, instrument, trade_id, price, size, maker)
        trades = zip(*(column[rows].tolist() for column in columns), strict=True)
        with (folder / f"binance-{partition}.tape").open("w", newline="\n") as file:
            file.writelines(tape_line(names[trade[1]], *trade) for trade in trades)


def random_walks(
    instrument: NDArray[np.int64], instruments: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a price and an id for each trade.

    `instrument` numbers the instrument of each trade. Prices are a random walk of each instrument,
    ids are running numbers of each. Both are of the shape of `instrument`.
    """
    price = np.empty(len(instrument))
    trade_id = np.empty(len(instrument), np.int64)
    for number in range(instruments):
        rows = np.flatnonzero(instrument == number)
        walk = np.exp(np.cumsum(rng.normal(0, VOLATILITY, len(rows))))
        price[rows] = (10 + number % 1000) * walk
        trade_id[rows] = 1_000_000 * (number + 1) + np.arange(len(rows))
    return price, trade_id


def tape_line(
    base: str, event_ns: int, number: int, trade_id: int, price: float, size: int, maker: bool
) -> str:
    """Return one trade as a line of a tape; `size` is in lots of 0.001."""
    at_ms = event_ns // 10**6
    return (
        f'{event_ns + DELAY_NS} {{"e":"trade","E":{at_ms + 3},"s":"{base}USDT","t":{trade_id},'
        f'"p":"{price:.2f}","q":"{size / 1000:.3f}","T":{at_ms},'
        f'"m":{"true" if maker else "false"},"M":true}}\n'
    )


def base_symbols(instruments: int) -> list[str]:
    """Return BASE0, BASE1, ..."""
    return [f"BASE{number}" for number in range(instruments)]
