"""Messages and progress on standard error, next to a command's output; streams nobody reads.

A line of progress stays until the next one, a message or the results take its place. Where standard
error is no terminal there is no progress, and no control characters. A closed stream is no reason
to stop: messages that nobody can read are dropped. Where lines are JSON (flows/run/log_lines.py)
there is no progress either.
"""

import io
import os
import select
import sys

from tapeflow.flows.run.log_lines import format_json, format_notice, is_json
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import CLEAR_LINE, ERROR

STDIN, STDOUT, STDERR = range(3)
WIDTH = 80  # columns of a terminal that does not say how wide it is


def notify(line: str) -> None:
    """Write a message over the line of progress, where there is one."""
    write(clear_line() + format_notice(line))


def print_error(program: str, line: str) -> None:
    """Write an error over the line of progress, where there is one."""
    line = " ".join(line.split())
    if is_json():
        write(format_json(line, "error", ERROR, program=program))
    else:
        write(f"{clear_line()}{program}: {line}\n")


def print_trace(text: str) -> None:
    """Write a trace."""
    write(format_json(text, "trace", ERROR) if is_json() else text)


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


def show_progress(text: str) -> None:
    """Write progress over the line before, cut to the width of the terminal; "" clears it."""
    if clear := clear_line():
        write(clear + text[: terminal_width() - 1])


def clear_line() -> str:
    """Return what clears the line of progress; nothing where standard error is no terminal."""
    return CLEAR_LINE if sys.stderr.isatty() and not is_json() else ""


def terminal_width() -> int:
    """Return the columns of the terminal now: it may have been resized."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        return WIDTH
