"""A command, and when its first page of ticks left decode: a process that bench.start runs.

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


def stamped(step: Callable[..., Any], left: list[float]) -> Callable[..., Any]:
    """The step, which notes when it gave ticks."""

    @wraps(step)
    def call(*arguments: Any, **options: Any) -> Any:
        batch = step(*arguments, **options)
        if len(batch.market.trades):
            left.append(time.monotonic())
        return batch

    return call


def first_tick(command: list[str]) -> float:
    """Run the command in this process; when, on the clock of all processes?"""
    from tapeflow.flows.cli import main as program  # noqa: PLC0415  # its import is measured

    decode = import_module("tapeflow.operators.decode.step")
    left: list[float] = []
    vars(decode)["step"] = stamped(decode.step, left)
    if code := program.main(command):
        sys.exit(code)
    return left[0]


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr  # what the command prints is not for our parent
    print(json.dumps({"first_tick": first_tick(sys.argv[1:])}), file=output)
