"""The bytes of a foreign file: plain, gzip, zstd, or the one member of a zip."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from tapeflow.schemas.errors import TapeflowError, UsageError

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


def open_stream(path: Path) -> Any:
    """Open a file as a stream of its unpacked bytes.

    Raises UsageError for a zip that does not hold one file.
    """
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        names = [each for each in archive.namelist() if not each.endswith("/")]
        if len(names) != 1:
            archive.close()
            raise UsageError(f"{path} holds {len(names)} files, not one: unpack it first")
        return pa.PythonFile(archive.open(names[0]), mode="r")
    file = pa.OSFile(os.fsencode(path))
    codec = PACKED.get(path.suffix)
    return pa.CompressedInputStream(file, codec) if codec else file


def plain_name(path: Path) -> str:
    """Return the name of a file without the endings that say how it is packed.

    >>> plain_name(Path("d/BTCUSDT-trades-2026-11-01.csv.gz"))
    'BTCUSDT-trades-2026-11-01.csv'
    """
    while path.suffix in PACKED or path.suffix == ".zip":
        path = path.with_suffix("")
    return path.name


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise what goes wrong while a file is read as TapeflowError: where, and why."""
    try:
        yield
    except (OSError, pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise TapeflowError(f"{path}: cannot be read: {why}") from None
