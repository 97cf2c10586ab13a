"""Holds back what the engine itself prints: a failure that can be explained is one line of ours.

    descriptor 2 ──▶ a file, while the engine runs       Rust panics and their stack traces
    sys.stderr   ──▶ the terminal, as before             progress, messages, the error line

Only a failure with a known cause drops what was held back. A bug is printed with it, and so is what
a library wrote during a run that succeeds.
"""

import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tapeflow.schemas.errors import TapeflowError

STDERR = 2


@contextmanager
def hide_engine_output() -> Iterator[None]:
    """Send what is written to descriptor 2 to a file inside the `with` block.

    `sys.stderr` goes on to the terminal. Does nothing where it is not descriptor 2, or on another
    thread than the main one. A fatal signal prints the Python stack to the terminal.
    """
    if not is_stderr(sys.stderr) or threading.current_thread() is not threading.main_thread():
        yield
        return
    sys.stderr.flush()
    before, terminal = sys.stderr, os.dup(STDERR)
    with tempfile.TemporaryFile() as hidden, os.fdopen(terminal, "w", buffering=1) as stream:
        os.dup2(hidden.fileno(), STDERR)
        sys.stderr = stream
        faulthandler.enable(stream)
        explained = False
        try:
            yield
        except TapeflowError:
            explained = True
            raise
        finally:
            faulthandler.disable()
            stream.flush()
            if not explained:
                hidden.seek(0)
                os.write(terminal, hidden.read())
            os.dup2(terminal, STDERR)
            sys.stderr = before


def is_stderr(stream: object) -> bool:
    """Return whether a stream writes to descriptor 2."""
    try:
        return bool(stream.fileno() == STDERR)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False  # closed, or held by a test
