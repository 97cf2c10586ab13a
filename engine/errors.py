"""Errors that the engine would lose, or turn into a panic.

    next_batch, on_batch, write_batch, snapshot    captured and raised: Bytewax unwinds; of several
                                                   processes it drops the exception and panics
    close                                          captured only: Bytewax calls it while it drops
                                                   things, where a raised exception is a panic

So an error is found only where it was captured: in the process that raised it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

CAPTURED: list[Exception] = []  # raised inside the engine, in this process, oldest first
_COLLECTORS: list[None] = []  # one for each run that looks at CAPTURED when the engine returns


@contextmanager
def collected_errors() -> Iterator[list[Exception]]:
    """Collect the errors of one run of the engine, oldest first; look at them after it."""
    CAPTURED.clear()
    _COLLECTORS.append(None)
    try:
        yield CAPTURED
    finally:
        _COLLECTORS.pop()
        CAPTURED.clear()  # their tracebacks hold connections open


def capture_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that the engine calls: capture what it raises, and raise it again."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except StopIteration:
            raise  # the end of a source
        except Exception as error:
            CAPTURED.append(error)
            raise

    return call


def capture_close_errors(function: Callable[P, None]) -> Callable[P, None]:
    """Decorate a `close` that the engine calls: capture what it raises.

    The first one is raised again where nobody collects errors, as under `bytewax.run`: there a
    panic is better than silence.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            CAPTURED.append(error)
            if len(CAPTURED) == 1 and not _COLLECTORS:
                raise

    return call
