"""Wait until what was written to a file or a folder is on the disk."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Write what the system still holds of a file, or of a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
