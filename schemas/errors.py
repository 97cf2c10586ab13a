"""Bad use: one clear line saying what, where and what to do. Bad data is never an exception."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

WITNESSED: list[Exception] = []  # what went wrong inside the engine, in this process


class MisuseError(Exception):
    """The user asked for something that can't be done; the message says what to do instead."""


class OutageError(MisuseError):
    """Something outside was away for too long; it may be back when we start again."""


class UsageError(MisuseError):
    """The command, its files or its job are not what they should be: nothing was tried."""


def witnessed(function: Callable[P, R]) -> Callable[P, R]:
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
            WITNESSED.append(error)
            raise

    return call


def closing(function: Callable[P, None]) -> Callable[P, None]:
    """Remember what goes wrong in closing; raise it only where nothing went wrong before.

    The engine closes while it unwinds from a failure: a second one there aborts the process, and
    the first is never explained.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            WITNESSED.append(error)
            if len(WITNESSED) == 1:
                raise

    return call
