"""A signal that ends the process at once, as of a bad index in a kernel: one line, exit code 1.

    SIGSEGV ──▶ faulthandler: Python's stacks, to a file ──▶ our handler: a line, _exit(1)

The handler is compiled: after such a signal no Python may run. Without numba nothing is installed.
"""

import ctypes
import faulthandler
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tapeflow.engine.compiled import COMPILED

FATAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
LINE_BYTES = 512  # room for the line of each signal
ADVICE = "a bad index in a kernel does this: --checked finds it"
_retained: list[Any] = []  # the handler and its lines: the process refers to them until it ends


@contextmanager
def reported_fatal_signals(terminal: int) -> Iterator[None]:
    """Report a fatal signal inside the `with` block as one line on a file descriptor."""
    if not COMPILED:
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
    """Install the compiled handler; return the handlers before it, by signal."""
    from numba import cfunc, types  # noqa: PLC0415  # slow to import

    room = ctypes.create_string_buffer((max(FATAL) + 1) * LINE_BYTES)
    for number in FATAL:
        name = signal.Signals(number).name
        text = f"tapeflow: this process was killed by {name}: {ADVICE}; its stack is in {path}\n"
        line = text.encode(errors="replace")[: LINE_BYTES - 1]
        ctypes.memmove(ctypes.addressof(room) + number * LINE_BYTES, line, len(line))
    library = ctypes.CDLL(None)
    write, leave, length = library.write, library._exit, library.strlen
    write.argtypes, write.restype = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t), ctypes.c_int
    leave.argtypes, leave.restype = (ctypes.c_int,), None
    length.argtypes, length.restype = (ctypes.c_void_p,), ctypes.c_size_t
    lines = ctypes.addressof(room)

    @cfunc(types.void(types.int32))
    def end(number: int) -> None:
        line = lines + number * LINE_BYTES
        write(terminal, line, length(line))
        leave(1)

    _retained[:] = [room, end, write, leave, length]
    return {number: set_handler(number, end.address) for number in FATAL}


def set_handler(number: int, handler: Any) -> Any:
    """Set the C handler of a signal; return the one before."""
    call = ctypes.CDLL(None).signal
    call.argtypes, call.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    return call(number, handler)
