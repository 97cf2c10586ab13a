"""Where a reader resumes: at the very record, in the midst of what it reads at a time."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.connectors.tapes.parquet import ParquetReader, from_row
from tests.frames import S


@pytest.mark.parametrize("row", range(11))
def test_batches_from_a_row_on_begin_with_that_row_also_in_the_midst_of_one(row):
    """Killed by: a resume at the beginning of the batch that the row is in."""
    batches = [pa.record_batch({"n": [*range(lo, hi)]}) for lo, hi in ((0, 4), (4, 8), (8, 10))]
    left = [value for each in from_row(iter(batches), row) for value in each["n"].to_pylist()]
    assert left == [*range(row, 10)]


@pytest.mark.parametrize("group", [1, 3, 4, 100])
@pytest.mark.parametrize("records", [1, 3, 100])
def test_a_parquet_tape_resumes_after_any_page_whatever_its_row_groups(tmp_path, group, records):
    """Killed by: a resume in the wrong row group, or at the beginning of a batch."""
    path = tmp_path / "binance-0.parquet"
    frames = [b"f%d" % number for number in range(10)]
    table = pa.table({"log_ns": [(1_700_000_000 + n) * S for n in range(10)], "frame": frames})
    pq.write_table(table, path, row_group_size=group)

    def read_from(position, size):
        reader = ParquetReader("binance-0", (path,), size, position)
        while (page := reader.read()) is not None:
            numbers = range(len(page.log_ns))
            yield page.first_offset, [page.frame(number) for number in numbers], reader.position()
        reader.close()

    for first, read, position in read_from(None, records):
        rest = [frame for _, some, _ in read_from(position, 4) for frame in some]
        assert rest == frames[first + len(read) :]
