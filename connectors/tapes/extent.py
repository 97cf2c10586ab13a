"""How much of the files of a partition is read, in bytes as they are stored."""

from functools import cache
from itertools import accumulate
from pathlib import Path


def extent(files: tuple[Path, ...], number: int, done: int) -> tuple[int, int]:
    """Return the bytes read, `done` of them of file `number`, and the bytes of all files."""
    ends = file_ends(files)
    return ends[number] + done, ends[-1]


@cache
def file_ends(files: tuple[Path, ...]) -> tuple[int, ...]:
    """Return the bytes before each file, and those of all files; a missing one has none."""
    sizes = (path.stat().st_size if path.exists() else 0 for path in files)
    return tuple(accumulate(sizes, initial=0))
