"""The life of one trade: which files of ours it passes, from its tape to the row of its fill.

    python -m bench.life [--calls]

Replays a made tape of 13 trades, of which two orders are filled, under a profiler: every first call
into a file of the product is printed in order, with the function that was called. Compiled code is
called once before, so that what numba itself does is not counted.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
JOB = """
[bars]
width = "1s"
lateness = "0s"
[paper]
latency = "10ms"
[[accounts]]
name = "main"
position_max = 10
gross_max = 10000
orders_max = 9
orders_window = "1s"
[[strategies]]
name = "trend"
kind = "ema_cross"
fast = 1
slow = 2
account = "main"
size = 1
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }
"""
BEGIN_NS = 1_700_000_000_000_000_000
PRICES = (100, 101, 99, 98, 97, 103, 104, 105, 99, 95, 94, 96, 97)


def write_log(folder: Path) -> tuple[Path, Path]:
    """Write the job and the tape; return both."""
    lines = []
    for number, price in enumerate(PRICES):
        log_ns = BEGIN_NS + number * 700_000_000
        lines.append(
            f'{log_ns} {{"e":"trade","E":1,"s":"BTCUSDT","t":{number},"p":"{price}","q":"1",'
            f'"T":{log_ns // 1_000_000},"m":false}}\n'
        )
    job, tape = folder / "job.toml", folder / "binance-0.tape"
    job.write_text(JOB)
    tape.write_text("".join(lines))
    return job, tape


class Calls:
    """The calls into our files, in order, inside a `with` block."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __enter__(self) -> "Calls":
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: Any, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and "/tapeflow/" in name and frame.f_code.co_name != "<module>":
            self.calls.append((name.rpartition("/tapeflow/")[2], frame.f_code.co_name))


def first_calls(calls: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the first call into each file."""
    seen = set()
    for file, function in calls:
        if file not in seen:
            seen.add(file)
            yield file, function


def life(calls: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cut out what happens from the first poll of the source to the end of the sink's writing."""
    first = next(at for at, call in enumerate(calls) if call[1] == "next_batch")
    last = max(at for at, (file, _) in enumerate(calls) if file.startswith("connectors/duckdb"))
    return calls[first : last + 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", action="store_true", help="print every call, not only the first")
    args = parser.parse_args()
    from tapeflow.flows.cli.main import main as command  # noqa: PLC0415  # after the arguments

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job, tape = write_log(folder)
        line = ["replay", str(tape), "--config", str(job), "--json"]
        command([*line, "--results", str(folder / "warm.duckdb")])
        with Calls() as traced:
            command([*line, "--results", str(folder / "results.duckdb")])
    calls = life(traced.calls)
    sink = next(at for at, (file, _) in enumerate(calls) if file.startswith("connectors/duckdb"))
    for number, (file, function) in enumerate(calls if args.calls else first_calls(calls), 1):
        print(f"{number:>4}  {file:<40} {function}")
    before = len(list(first_calls(calls[:sink])))
    switches = sum(one[0] != next_[0] for one, next_ in pairwise(calls[:sink]))
    print(f"{before} files before the first sink, {len(list(first_calls(calls)))} in all")
    print(f"{switches} switches from file to file before the first sink")


if __name__ == "__main__":
    main()
