"""Messages and progress on standard error, next to a command's output.

A line of progress stays until the next one, a message or the results take its place. Where standard
error is no terminal there is no progress, and no control characters.
"""

import os
import sys

from tapeflow.schemas.notify import CLEAR_LINE

WIDTH = 80  # columns of a terminal that does not say how wide it is


def notify(line: str) -> None:
    """Write a message over the line of progress, where there is one."""
    write_line(f"tapeflow: {line}")


def print_error(program: str, line: str) -> None:
    """Write an error over the line of progress, where there is one."""
    write_line(f"{program}: {line}")


def write_line(line: str) -> None:
    """Write a line to standard error at once: other threads write there too."""
    sys.stderr.write(f"{clear_line()}{line}\n")
    sys.stderr.flush()


def show_progress(text: str) -> None:
    """Write progress over the line before, cut to the width of the terminal; "" clears it."""
    if clear := clear_line():
        sys.stderr.write(clear + text[: terminal_width() - 1])
        sys.stderr.flush()


def clear_line() -> str:
    """Return what clears the line of progress; nothing where standard error is no terminal."""
    return CLEAR_LINE if sys.stderr.isatty() else ""


def terminal_width() -> int:
    """Return the columns of the terminal now: it may have been resized."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        return WIDTH
