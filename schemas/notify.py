"""How code below the command line writes to the user: through a function for one line of text."""

from collections.abc import Callable

Notify = Callable[[str], None]
