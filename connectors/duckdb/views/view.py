"""The type of a view of the results file."""

from msgspec import Struct


class View(Struct, frozen=True):
    """A view of the results file, and what it means.

    Its query may read tables of facts, `instruments`, `runs`, and the views before it.
    """

    name: str
    title: str
    meanings: dict[str, str]  # of its columns
    sql: str
