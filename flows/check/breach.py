"""A breach of a law: where, and what was done and is to be done."""

from typing import NamedTuple


class Breach(NamedTuple):
    """A breach of a law, which is one line."""

    place: str  # file and line
    text: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.place}: {self.text}"
