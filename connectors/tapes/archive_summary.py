"""Summary of what a run has added to an archive: hours that are new, or longer than before."""

from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from tapeflow.connectors.tapes.archive_layout import closed_files
from tapeflow.connectors.tapes.hour_file import translate_errors

Hours = dict[Path, tuple[int, int]]  # closed hours: size in bytes, time of writing in ns


class Written(NamedTuple):
    """Counts of files, and of the records and bytes in them."""

    files: int
    records: int
    bytes: int


def list_hours(folder: Path) -> Hours:
    """Return the closed hours of all partitions of an archive; none where it does not exist."""
    files = [path for each in folder.glob("[!.]*") for path in closed_files(each)]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def summarise(folder: Path, before: Hours) -> Written:
    """Count the closed hours that were written since `list_hours` gave `before`."""
    written = {path: now for path, now in list_hours(folder).items() if before.get(path) != now}
    records = 0
    for path in written:
        with translate_errors(path, "read"):
            records += pq.read_metadata(path).num_rows
    return Written(len(written), records, sum(size for size, _ in written.values()))
