"""Errors that the engine would lose.

Of several processes Bytewax drops the exception and panics: what is captured here, in the process
where it was raised, is all that is left of it.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

CAPTURED: list[Exception] = []  # raised inside the engine, in this process, oldest first


def capture_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Remember what goes wrong in a function that the engine calls.

    Of several processes the engine drops the exception and panics: this is all that is left of it.
    """

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
    """Remember what goes wrong in closing; raise it only where nothing went wrong before.

    The engine closes while it unwinds from a failure: a second one there aborts the process, and
    the first is never explained.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            CAPTURED.append(error)
            if len(CAPTURED) == 1:
                raise

    return call
