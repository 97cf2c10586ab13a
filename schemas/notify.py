"""How lines of text are shown to the user; only flows/cli/ prints."""

from collections.abc import Callable
from typing import Self

Notify = Callable[[str], None]  # shows one line
CLEAR_LINE = "\r\x1b[K"  # of a terminal: what is on the line, such as progress, gives way
INFO, WARNING, ERROR = "info", "warning", "error"  # levels


class Notice(str):
    """A line for the user that a program may sort too: where lines are JSON it has more keys."""

    event: str
    level: str
    fields: dict[str, object]  # JSON values by name, such as the partition

    def __new__(cls, text: str, event: str, level: str = INFO, **fields: object) -> Self:
        """Make the line; `event` is one word."""
        notice = super().__new__(cls, text)
        notice.event, notice.level, notice.fields = event, level, fields
        return notice
