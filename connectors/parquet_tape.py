"""Tapes as Parquet: columns `log_ns` (int64) and `frame` (binary or text; empty: a heartbeat)."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import MisuseError
from schemas.pages import PADDING, Page


class ParquetReader:
    """Reads the file of one partition, a page at a time."""

    def __init__(self, partition: str, path: Path, records: int, position: Any) -> None:
        """Open at `position`: the next record."""
        self.partition, self.path = partition, path
        self.offset = position or 0
        self.ended = False
        try:
            self.file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise MisuseError(f"{path}: cannot be read: {error}") from None
        if lacking := {"log_ns", "frame"} - set(self.file.schema_arrow.names):
            raise MisuseError(f"{path}: lacks the column {', '.join(sorted(lacking))}")
        self.batches = self.file.iter_batches(records, columns=["log_ns", "frame"])
        self.skip = self.offset

    def read(self) -> Page | None:
        """The next records, or None at the end."""
        for batch in self.batches:
            if self.skip >= len(batch):
                self.skip -= len(batch)
                continue
            page = self._page(batch.slice(self.skip))
            self.skip = 0
            self.offset = page.hi
            return page
        self.ended = True
        return None

    def position(self) -> Any:
        """The next record."""
        return self.offset

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _page(self, batch: Any) -> Page:
        frames = pc.fill_null(batch.column("frame").cast(pa.large_binary()), b"")
        offsets = np.frombuffer(frames.buffers()[1], np.int64)[frames.offset :][: len(frames) + 1]
        text = frames.buffers()[2]
        data = (b"" if text is None else text[offsets[0] : offsets[-1]].to_pybytes()) + bytes(
            PADDING
        )
        log_ns = batch.column("log_ns").cast(pa.int64()).to_numpy()
        if (np.diff(log_ns) < 0).any():
            raise MisuseError(
                f"{self.path}: log time goes back behind record {self.offset}: a tape never does"
            )
        starts = offsets - offsets[0]
        return Page(
            self.partition,
            self.offset,
            log_ns,
            starts[:-1],
            starts[1:],
            np.frombuffer(data, np.uint8),
        )
