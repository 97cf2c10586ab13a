"""Messages on standard error, next to a command's output; and streams that nobody reads.

A closed stream is no reason to stop: messages that nobody can read are dropped.
"""

import io
import os
import select
import sys

from tapeflow.schemas.errors import TapeflowError

STDIN, STDOUT, STDERR = range(3)


def notify(line: str) -> None:
    """Write a message."""
    write(f"tapeflow: {line}\n")


def print_error(program: str, line: str) -> None:
    """Write an error over the line of progress, where there is one."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    write(f"{clear}{program}: {' '.join(line.split())}\n")


def write(text: str) -> None:
    """Write to standard error; drop it, and what follows, where nobody reads it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr.fileno())


def prepare_streams() -> None:
    """Open streams that were closed, or files would get their numbers; let output hold any text."""
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", closefd=False)  # noqa: SIM115  # until the process ends
    if sys.stderr is None:
        sys.stderr = open(STDERR, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Write out what standard output still holds.

    Raises BrokenPipeError where its reader has gone, TapeflowError where it cannot be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refuse_output(error) from None


def refuse_output(error: OSError) -> TapeflowError:
    """Discard the rest of our output; return the error that it cannot be written."""
    discard(sys.stdout.fileno())
    return TapeflowError(f"standard output cannot be written: {error.strerror}")


def is_gone() -> bool:
    """Return whether the reader of our output has gone; if so, discard the rest of the output."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    discard(output)
    return True


def discard(descriptor: int) -> None:
    """Let what is written to a descriptor vanish."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
