"""Runs a command and prints when it had folded its first page; bench.start starts it.

    python -m bench.first_tick replay TAPES --config jobs/reference.toml

It imports nothing that the command would not: that would be measured.
"""

import atexit
import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

LAST_STEP = "EvaluateStrategies"  # when this one has folded a page, the page has become decisions

Moment = dict[str, float]  # "monotonic_s", "cpu_s" of this process


def stamp(on_batch: Callable[..., Any], moments: list[Moment]) -> Callable[..., Any]:
    """Return `Fold.on_batch`; it then appends the moment after each page of the last step."""

    @wraps(on_batch)
    def call(fold: Any, *arguments: Any) -> Any:
        result = on_batch(fold, *arguments)
        if not moments and type(fold.step).__name__ == LAST_STEP:
            moments.append({"cpu_s": time.process_time(), "monotonic_s": time.monotonic()})
        return result

    return call


def main() -> int:
    """Run the command in this process, and print the moment when it ends."""
    from tapeflow.__main__ import run  # noqa: PLC0415  # its import is measured

    output, sys.stdout = sys.stdout, sys.stderr  # stdout carries nothing but our JSON
    fold = import_module("tapeflow.engine.fold").Fold
    moments: list[Moment] = []
    fold.on_batch = stamp(fold.on_batch, moments)
    atexit.register(lambda: print(json.dumps(moments[0]), file=output, flush=True))
    return run()


if __name__ == "__main__":
    sys.exit(main())
