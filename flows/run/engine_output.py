"""Holds back what the engine itself prints: a failure that can be explained is one line of ours.

    descriptor 2 ──▶ a file, while the engine runs       Rust panics and their stack traces
    sys.stderr   ──▶ the terminal, as before             progress, messages, the error line

A failure with a known cause drops what was held back, a bug takes it along to the file of its
trace. What a library wrote during a run that succeeds is printed.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.flows.run.fatal_signals import reported_fatal_signals
from tapeflow.flows.run.log_lines import format_json, is_json
from tapeflow.schemas.notify import INFO

STDERR = 2
PRINTED = "what was printed:\n"


@contextmanager
def hide_engine_output() -> Iterator[None]:
    """Send what is written to descriptor 2 to a file inside the `with` block.

    `sys.stderr` goes on to the terminal. Does nothing where it is not descriptor 2, or on another
    thread than the main one. A fatal signal is one line on the terminal.
    """
    if not is_stderr(sys.stderr) or threading.current_thread() is not threading.main_thread():
        yield
        return
    sys.stderr.flush()
    before, terminal = sys.stderr, os.dup(STDERR)
    errors = before.errors or "backslashreplace"
    with (
        tempfile.TemporaryFile() as hidden,
        os.fdopen(terminal, "w", buffering=1, errors=errors) as stream,
    ):
        os.dup2(hidden.fileno(), STDERR)
        sys.stderr = stream
        try:
            with reported_fatal_signals(terminal):
                yield
        except BaseException as error:
            hidden.seek(0)
            error.add_note(PRINTED + hidden.read().decode(errors="replace"))
            raise
        else:
            hidden.seek(0)
            os.write(terminal, as_lines(hidden.read()))
        finally:
            stream.flush()
            os.dup2(terminal, STDERR)
            sys.stderr = before


def as_lines(printed: bytes) -> bytes:
    """Return what a library printed, each line of it as JSON where lines are."""
    if not is_json():
        return printed
    lines = printed.decode(errors="replace").splitlines()
    return "".join(format_json(each, "printed", INFO) for each in lines if each.strip()).encode()


def is_stderr(stream: object) -> bool:
    """Return whether a stream writes to descriptor 2."""
    try:
        return bool(stream.fileno() == STDERR)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False  # closed, or held by a test
