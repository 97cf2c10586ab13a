"""How lines of text are shown to the user; only flows/cli/ prints."""

from collections.abc import Callable

Notify = Callable[[str], None]  # shows one line
CLEAR_LINE = "\r\x1b[K"  # of a terminal: what is on the line, such as progress, gives way
