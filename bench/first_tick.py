"""Runs a command and prints when its first page of ticks left decode; bench.start starts it.

    python -m bench.first_tick replay TAPES --config jobs/reference.toml

It imports nothing that the command would not: that would be measured.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any


def stamp(step: Callable[..., Any], times_s: list[float]) -> Callable[..., Any]:
    """Return the step; it then appends the time of each batch of trades that it returns."""

    @wraps(step)
    def call(*arguments: Any, **options: Any) -> Any:
        batch = step(*arguments, **options)
        if len(batch.market.trades):
            times_s.append(time.monotonic())
        return batch

    return call


def first_tick(command: list[str]) -> float:
    """Run the command in this process; return when it had its first tick, by `time.monotonic`.

    Raises IndexError where the command decodes no trade.
    """
    from tapeflow.flows.cli import main as program  # noqa: PLC0415  # its import is measured

    decode = import_module("tapeflow.operators.decode.step")
    times_s: list[float] = []
    vars(decode)["step"] = stamp(decode.step, times_s)
    if code := program.main(command):
        sys.exit(code)
    return times_s[0]


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr  # stdout carries nothing but our JSON
    print(json.dumps({"first_tick": first_tick(sys.argv[1:])}), file=output)
