"""Markets of many instruments and jobs of many strategies, made up for bench.scaling.

Trades of Binance in two partitions, BASE<n>USDT, 10,000 a second in log time; every instrument is
traded as often as any other, and none of the limits binds.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.replay import ROOT

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


def job_of(instruments: int, strategies: int = 1, page: int = 20_000) -> Path:
    """A job over so many instruments, kept in build/; one strategy is that of the reference job."""
    path = ROOT / "build" / f"wide-{instruments}-{strategies}-{page}.toml"
    periods = [(12, 26), *((2 + n % 10, 12 + n % 15) for n in range(1, strategies))]
    told = [JOB.format(page=page)]
    told += [
        STRATEGY.format(number=number, fast=fast, slow=slow)
        for number, (fast, slow) in enumerate(periods)
    ]
    told.append("[instruments]\n")
    told += [
        f'"{name}-USDT.BINANCE" = {{ tick = "0.01", lot = "0.001" }}\n'
        for name in bases(instruments)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(told))
    return path


def reference_tapes(instruments: int, records: int, seed: int = 7) -> Path:
    """Their tapes, made once and kept in build/."""
    folder = ROOT / "build" / f"tapes-wide-{instruments}-{records}-{seed}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            write(Path(made) / "tapes", instruments, records, seed)
            os.rename(f"{made}/tapes", folder)
    return folder


def write(folder: Path, instruments: int, records: int, seed: int) -> None:
    """Write a tape each partition; an instrument is in one of them."""
    rng = np.random.default_rng(seed)
    instrument = rng.integers(0, instruments, records)
    event_ns = START_NS + np.arange(records) * (10**9 // PER_S)
    price, trade_id = walks(instrument, instruments, rng)
    size = rng.integers(1, 5000, records)
    maker = rng.random(records) < 0.5
    folder.mkdir()
    names = bases(instruments)
    for partition in range(PARTITIONS):
        mine = np.flatnonzero(instrument % PARTITIONS == partition)
        columns = (event_ns, instrument, trade_id, price, size, maker)
        rows = zip(*(column[mine].tolist() for column in columns), strict=True)
        with (folder / f"binance-{partition}.tape").open("w", newline="\n") as file:
            file.writelines(line(names[row[1]], *row) for row in rows)


def walks(
    instrument: NDArray[np.int64], instruments: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A price and an id each trade: random walks, and running numbers, each instrument its own."""
    price = np.empty(len(instrument))
    trade_id = np.empty(len(instrument), np.int64)
    for number in range(instruments):
        mine = np.flatnonzero(instrument == number)
        walk = np.exp(np.cumsum(rng.normal(0, VOLATILITY, len(mine))))
        price[mine] = (10 + number % 1000) * walk
        trade_id[mine] = 1_000_000 * (number + 1) + np.arange(len(mine))
    return price, trade_id


def line(
    base: str, event_ns: int, number: int, trade_id: int, price: float, size: int, maker: bool
) -> str:
    """One record as the tape has it."""
    at_ms = event_ns // 10**6
    return (
        f'{event_ns + DELAY_NS} {{"e":"trade","E":{at_ms + 3},"s":"{base}USDT","t":{trade_id},'
        f'"p":"{price:.2f}","q":"{size / 1000:.3f}","T":{at_ms},'
        f'"m":{"true" if maker else "false"},"M":true}}\n'
    )


def bases(instruments: int) -> list[str]:
    """BASE0, BASE1, ..."""
    return [f"BASE{number}" for number in range(instruments)]
