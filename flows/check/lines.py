"""Lines of a user's file: where a class, a handler or a frame stands."""

import inspect
from types import FrameType


def line_of_frame(frame: FrameType | None) -> str | None:
    """Return file and line of a frame."""
    return None if frame is None else f"{frame.f_code.co_filename} line {frame.f_lineno}"


def begin_of(type_: type, name: str) -> str:
    """Return file and line at which a method of a class begins."""
    code = getattr(inspect.unwrap(getattr(type_, name)), "__code__", None)
    return (
        line_of_class(type_) if code is None else (f"{code.co_filename} line {code.co_firstlineno}")
    )


def line_of_class(type_: type) -> str:
    """Return file and line at which a class begins."""
    file = inspect.getsourcefile(type_) or type_.__module__
    try:
        return f"{file} line {inspect.getsourcelines(type_)[1]}"
    except (OSError, TypeError):
        return file
