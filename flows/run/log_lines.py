"""Lines on standard error, as text or as JSON: one object a line, for a collector of logs.

    TAPEFLOW_LOG_FORMAT=json

    {"time": "2026-11-27T19:20:07.123Z", "level": "warning", "run": "20261127T192007Z-3f9a1c2b",
     "command": "run", "event": "stalled", "message": "partition binance-0 ..", "partition": ..}

A variable and no key of the job: where lines go depends on the machine, not on what is traded, and
lines that come before the job is read, such as one about an error in it, are JSON too.
"""

import json
import os
import sys
import threading
import traceback
import warnings
from datetime import UTC, datetime
from typing import Any, TextIO

from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import ERROR, INFO, WARNING, Notice

VARIABLE = "TAPEFLOW_LOG_FORMAT"
FORMATS = ("", "text", "json")
CONTEXT: dict[str, object] = {}  # keys of every line of this process: run, command, run_number


def check_format() -> None:
    """Raise UsageError where the variable names no format."""
    if os.environ.get(VARIABLE, "") not in FORMATS:
        raise UsageError(f"{VARIABLE} is neither text nor json")


def is_json() -> bool:
    """Return whether lines are to be JSON."""
    return os.environ.get(VARIABLE) == "json"


def format_notice(line: str) -> str:
    """Return the line of a message: JSON, or text behind the name of the program."""
    if not is_json():
        return f"tapeflow: {line}\n"
    if isinstance(line, Notice):
        return format_json(line, line.event, line.level, **line.fields)
    return format_json(line, "notice", INFO)


def format_json(message: str, event: str, level: str, **fields: object) -> str:
    """Return one line of JSON with the keys of CONTEXT; `fields` are more of them."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    keys = {"time": time, "level": level, **CONTEXT, "event": event, "message": str(message)}
    return json.dumps({**keys, **fields}, default=str) + "\n"


def format_fatal(message: str) -> str:
    """Return the line of a crash, which is made before it: its time is null."""
    return format_json(message, "crash", ERROR, time=None)


def write_errors_as_json() -> None:
    """Write as JSON too what Python writes: warnings, and errors of threads that nobody awaits."""

    def report(kind: str, error: BaseException | None, trace: Any) -> None:
        text = "".join(traceback.format_exception(None, error, trace))
        sys.stderr.write(format_json(f"{kind}: {error!r}", "error", ERROR, trace=text))

    def show(  # its parameters are those of Python
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        where = f"{filename} line {lineno}"
        text = format_json(f"{category.__name__}: {message}", "warning", WARNING, where=where)
        sys.stderr.write(text)

    threading.excepthook = lambda args: report("thread", args.exc_value, args.exc_traceback)
    sys.excepthook = lambda _kind, error, trace: report("error", error, trace)
    warnings.showwarning = show
