"""The files of an archive: the hours of each partition.

    ARCHIVE/binance-0/2026-11-26T13.parquet     closed: whole, and in its place by a rename
    ARCHIVE/binance-0/2026-11-26T14.parquet
    ARCHIVE/binance-0/.2026-11-26T15.open       open: records are appended, and cut off on resume
    ARCHIVE/.lock                               held while a run archives

The name is the hour of the log time, in UTC. Readers see only what does not begin with a dot.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

HOUR_NS = 3_600_000_000_000
HOUR_FILE_RE = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.parquet")


def hour_name(hour: int) -> str:
    """Return the name of an hour, given in hours since 1970.

    >>> hour_name(0)
    '1970-01-01T00'
    """
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H")


def closed_path(folder: Path, hour: int) -> Path:
    """Return the file of an hour that is closed; `folder` is the partition's."""
    return folder / f"{hour_name(hour)}.parquet"


def open_path(folder: Path, hour: int) -> Path:
    """Return the file of an hour while it is open."""
    return folder / f".{hour_name(hour)}.open"


def unfinished_path(closed: Path) -> Path:
    """Return where a closed file is written before it is renamed."""
    return closed.with_name(f".{closed.stem}.next")


def is_hour_file(path: Path) -> bool:
    """Return whether a file has the name of a closed hour."""
    return HOUR_FILE_RE.fullmatch(path.name) is not None


def closed_files(folder: Path) -> list[Path]:
    """Return the closed hours in a partition's folder, in the order of time."""
    return sorted(filter(is_hour_file, folder.glob("*.parquet")))
