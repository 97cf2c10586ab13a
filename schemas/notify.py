"""The type of a function that shows one line of text to the user; only flows/cli/ prints."""

from collections.abc import Callable

Notify = Callable[[str], None]
