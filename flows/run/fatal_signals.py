"""A signal that ends the process at once, as of a bad index in a kernel: one line, exit code 1.

    SIGSEGV ──▶ faulthandler: Python's stacks, to a file ──▶ our handler: a line, _exit(1)

The handler is machine code (engine/fatal_handler.py). Where there is none nothing is installed.
"""

import ctypes
import faulthandler
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tapeflow.engine.fatal_handler import LINE_BYTES, addresses, handler_of
from tapeflow.flows.run.log_lines import format_fatal, is_json

FATAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
ADVICE = "a bad index in a kernel does this: --checked finds it"


@contextmanager
def reported_fatal_signals(terminal: int) -> Iterator[None]:
    """Report a fatal signal inside the `with` block as one line on a file descriptor."""
    if addresses() is None:
        yield
        return
    file, path = tempfile.mkstemp(prefix="tapeflow-crash-", suffix=".txt")
    before = install(terminal, path)
    faulthandler.enable(file)
    try:
        yield
    finally:
        faulthandler.disable()
        for number, handler in before.items():
            set_handler(number, handler)
        os.close(file)
        with suppress(OSError):
            os.unlink(path)


def install(terminal: int, path: str) -> dict[int, Any]:
    """Install the handler; return the handlers before it, by signal."""
    room = ctypes.create_string_buffer((max(FATAL) + 1) * LINE_BYTES)
    for number in FATAL:
        name = signal.Signals(number).name
        text = f"this process was killed by {name}: {ADVICE}; its stack is in {path}"
        text = fatal_json(text, name) if is_json() else f"tapeflow: {text}\n"
        line = text.encode(errors="replace")[: LINE_BYTES - 1]
        ctypes.memmove(ctypes.addressof(room) + number * LINE_BYTES, line, len(line))
    handler = handler_of(room, terminal)
    return {number: set_handler(number, handler) for number in FATAL}


def fatal_json(text: str, name: str) -> str:
    """Return the line as JSON; a shorter one where it has no room, as a part would be no JSON."""
    line = format_fatal(text)
    return line if len(line) < LINE_BYTES else format_fatal(f"killed by {name}")


def set_handler(number: int, handler: Any) -> Any:
    """Set the C handler of a signal; return the one before."""
    call = ctypes.CDLL(None).signal
    call.argtypes, call.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    return call(number, handler)
