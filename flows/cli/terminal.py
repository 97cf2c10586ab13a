"""Messages on standard error, next to a command's output; and streams that nobody reads.

A closed stream is no reason to stop: messages that nobody can read are dropped.
"""

import io
import os
import select
import sys

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


def discard_output() -> bool:
    """Discard the rest of our output where it cannot be written; return whether that is so."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    gone = any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    if not gone:
        try:
            sys.stdout.flush()
            return False
        except OSError:
            pass
    discard(output)
    return True


def discard(descriptor: int) -> None:
    """Let what is written to a descriptor vanish."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
