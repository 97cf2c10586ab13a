"""Messages on standard error, next to a command's output."""

import sys


def notify(line: str) -> None:
    """Write a message."""
    print(f"tapeflow: {line}", file=sys.stderr, flush=True)


def print_error(program: str, line: str) -> None:
    """Write an error over the line of progress, where there is one."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}{program}: {line}", file=sys.stderr)
