"""The archive sink and its files: each record once after a crash anywhere; reading them back."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tapeflow.connectors.tapes import archive, hour_file
from tapeflow.connectors.tapes.archive import ArchivePartition, exclusive_lock
from tapeflow.connectors.tapes.archive_layout import HOUR_NS, closed_files, closed_path
from tapeflow.connectors.tapes.parquet import ParquetReader
from tapeflow.flows.job.sections import Tape
from tapeflow.flows.run.tape_files import TapeFiles, find_tapes
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError, UsageError
from tests.running import job_of

T0 = 490_000 * HOUR_NS  # 2025-11-24T16
NAME = "binance-0"


class Crash(BaseException):
    """The end of the process."""


class Disk:
    """The system calls of the sink; one of them ends the process."""

    def __init__(self):
        self.left = 10**9  # calls until the crash

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, file, data):
        if self.left <= 1:  # torn
            os.write(file, data[: len(data) // 2])
        self._count()
        return os.write(file, data)

    def fsync(self, file):
        self._count()  # and no wait for a real disk

    def replace(self, before, after):
        self._count()
        os.replace(before, after)
        self._count()

    def unlink(self, path):
        self._count()
        os.unlink(path)
        self._count()

    def _count(self):
        self.left -= 1
        if self.left <= 0:
            raise Crash


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(archive, "os", disk)
    monkeypatch.setattr(hour_file, "os", disk)
    return disk


def page_of(log, begin, end):
    return Page.from_frames(
        NAME, begin, [ns for ns, _ in log[begin:end]], [frame for _, frame in log[begin:end]]
    )


def end_page(offset):
    return Page.from_frames(NAME, offset, [], [], end_of_log=True)


def archived(folder):
    """All records in the closed hours, as a reader sees them."""
    files = tuple(closed_files(folder))
    if not files:
        return []
    reader, got = ParquetReader(NAME, files, 7, None), []
    while (page := reader.read()) is not None:
        assert page.first_offset == len(got)
        got += [(int(ns), page.frame(row)) for row, ns in enumerate(page.log_ns)]
    reader.close()
    return got


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_unbroken(folder, log):
    partition = ArchivePartition(folder, None)
    if log:
        partition.write_batch([page_of(log, 0, len(log))])
    partition.write_batch([end_page(len(log))])
    partition.close()


LOGS = st.lists(
    st.tuples(st.integers(0, HOUR_NS // 3), st.binary(max_size=30)), min_size=1, max_size=40
)


def log_of(steps):
    log, now = [], T0
    for step, frame in steps:
        now += step
        log.append((now, frame))
    return log


def live(partition, log, ends, begin, draw):
    """Archive until the end of the log, as far as it goes in this life; yields each snapshot."""
    while begin < ends:
        end = min(begin + draw.randint(1, 9), ends)
        partition.write_batch([page_of(log, begin, end)])
        begin = end
        if draw.random() < 0.4:
            yield partition.snapshot()
    partition.write_batch([end_page(ends)])
    yield partition.snapshot()


OVER_A_DISK = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@hypothesis_settings(OVER_A_DISK, max_examples=300)
@given(LOGS, st.integers(0, 2**32))
def test_a_crash_at_any_system_call_changes_nothing(disk, tmp_path_factory, steps, seed):
    """The next life resumes from one of the last two snapshots, as the engine may."""
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("archive")
    log = log_of(steps)
    log_ends, states, crashes = 0, [None], 0
    while log_ends < len(log):
        log_ends = draw.randint(log_ends, len(log))
        finished = False
        while not finished:
            disk.left = draw.randint(1, 40) if crashes < 12 else 10**9
            states = [state := draw.choice(states[-2:])]
            begin = 0 if state is None or state[1] is None else state[1]
            partition = None
            try:
                partition = ArchivePartition(folder / NAME, state)
                for state in live(partition, log, log_ends, begin, draw):
                    states.append(state)
                finished = True
                states = [states[-1]]
            except Crash:
                crashes += 1
            disk.left = 10**9
            if partition is not None and partition.open is not None:
                partition.open.close()
            seen = archived(folder / NAME) if (folder / NAME).exists() else []
            assert seen == log[: len(seen)]
        assert seen == log[:log_ends]
    write_unbroken(folder / "unbroken", log)
    assert files_of(folder / NAME) == files_of(folder / "unbroken")
    shutil.rmtree(folder)


def test_an_hour_is_hidden_until_a_record_of_a_later_one(tmp_path):
    log = [(T0, b"a"), (T0 + HOUR_NS - 1, b""), (T0 + HOUR_NS, b"c")]
    partition = ArchivePartition(tmp_path, None)
    partition.write_batch([page_of(log, 0, 2)])
    partition.snapshot()
    assert archived(tmp_path) == []
    partition.write_batch([page_of(log, 2, 3)])
    assert archived(tmp_path) == log[:2]
    assert [path.name for path in closed_files(tmp_path)] == ["2025-11-24T16.parquet"]
    partition.close()


def test_a_reader_never_finds_a_part_of_an_hour(tmp_path, monkeypatch):
    log = [(T0 + number, b"%d" % number) for number in range(9)]
    cut = hour_file.row_groups

    def looking(batches):
        for group in cut(batches):
            yield group
            assert closed_files(tmp_path) == []
            seen.append(len(group))

    seen = []
    monkeypatch.setattr(hour_file, "GROUP_ROWS", 4)
    monkeypatch.setattr(hour_file, "row_groups", looking)
    write_unbroken(tmp_path, log)
    assert seen == [4, 4, 1]
    assert archived(tmp_path) == log


def test_a_file_has_the_documented_columns_and_heartbeats_are_rows(tmp_path):
    write_unbroken(tmp_path, [(T0, b'{"a":1}'), (T0 + 5, b""), (T0 + 5, b"\xff\n")])
    table = pq.read_table(closed_path(tmp_path, T0 // HOUR_NS))
    assert table.schema.equals(
        pa.schema([("log_ns", pa.int64()), ("offset", pa.int64()), ("frame", pa.binary())])
    )
    assert table.to_pydict() == {
        "log_ns": [T0, T0 + 5, T0 + 5],
        "offset": [0, 1, 2],
        "frame": [b'{"a":1}', b"", b"\xff\n"],
    }


@given(
    st.lists(st.integers(0, 60), max_size=60), st.lists(st.integers(1, 20), min_size=60), st.data()
)
def test_row_groups_are_bounded_and_depend_on_the_rows_alone(lengths, pages, data):
    rows, size = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 100))
    log = [(T0, bytes(length)) for length in lengths]

    def groups(steps):
        batches, begin = [], 0
        for step in steps:
            if begin < len(log):
                page = page_of(log, begin, min(begin + step, len(log)))
                batches.append(hour_file.page_rows(page, 0, len(page.log_ns)))
                begin += step
        return [group["offset"].to_pylist() for group in hour_file.row_groups(batches)]

    before = hour_file.GROUP_ROWS, hour_file.GROUP_BYTES
    hour_file.GROUP_ROWS, hour_file.GROUP_BYTES = rows, size
    try:
        found = groups(pages)
        assert found == groups([len(log) or 1])
    finally:
        hour_file.GROUP_ROWS, hour_file.GROUP_BYTES = before
    assert [offset for group in found for offset in group] == list(range(len(log)))
    for group in found:
        assert len(group) <= rows
        assert len(group) == 1 or sum(lengths[offset] for offset in group) <= size


def test_frames_of_a_page_need_not_be_adjacent():
    page = page_of([(T0, b"abc"), (T0, b""), (T0, b"defg")], 0, 3)
    starts, ends = page.starts + np.array([0, 1, 1]), page.ends + np.array([-1, 1, 1])
    apart = Page(NAME, 0, page.log_ns, starts, ends, page.data)
    rows = hour_file.page_rows(apart, 0, 3)
    assert rows.column("frame").to_pylist() == [b"ab", b"", b"efg\0"]
    rows.validate(full=True)


def test_records_are_refused_that_do_not_follow(tmp_path):
    log = [(T0 + number, b"%d" % number) for number in range(9)]
    partition = ArchivePartition(tmp_path, None)
    partition.write_batch([page_of(log, 0, 3)])
    with pytest.raises(TapeflowError, match="record 3 should come next, but 4 does"):
        partition.write_batch([page_of(log, 4, 5)])
    partition.close()


def test_an_archive_of_another_log_is_not_continued(tmp_path):
    log = [(T0 + number, b"%d" % number) for number in range(9)]
    write_unbroken(tmp_path, log)
    for other in ([*log[:8], (T0 + 8, b"x")], [*log[:8], (T0 + 9, b"8")]):
        partition = ArchivePartition(tmp_path, None)
        with pytest.raises(TapeflowError, match="record 8 is another one than in the log"):
            partition.write_batch([page_of(other, 0, 9)])
    partition = ArchivePartition(tmp_path, None)
    partition.write_batch([page_of(log, 0, 5)])
    with pytest.raises(TapeflowError, match="the log ends before record 5, the archive behind 8"):
        partition.write_batch([end_page(5)])
    assert archived(tmp_path) == log


def test_a_state_of_another_folder_is_refused(tmp_path):
    log = [(T0 + number, b"%d" % number) for number in range(9)]
    partition = ArchivePartition(tmp_path / "one", None)
    partition.write_batch([page_of(log, 0, 9)])
    state = partition.snapshot()
    partition.close()
    with pytest.raises(TapeflowError, match="archived the records before 9, but only those before"):
        ArchivePartition(tmp_path / "other", state)


def test_a_full_disk_is_one_line_and_the_next_start_continues(tmp_path, disk, monkeypatch):
    log = [(T0 + number * HOUR_NS // 5, b"%d" % number) for number in range(20)]
    partition = ArchivePartition(tmp_path / NAME, None)
    partition.write_batch([page_of(log, 0, 3)])
    state = partition.snapshot()

    def full(file, data):
        os.write(file, data[:9])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", full)
        with pytest.raises(TapeflowError, match="cannot be written: No space left on device"):
            partition.write_batch([page_of(log, 3, 20)])
    partition.close()
    again = ArchivePartition(tmp_path / NAME, state)
    again.write_batch([page_of(log, 3, 20), end_page(20)])
    again.close()
    write_unbroken(tmp_path / "unbroken", log)
    assert files_of(tmp_path / NAME) == files_of(tmp_path / "unbroken")


def test_one_run_at_a_time_archives_into_a_folder(tmp_path):
    with exclusive_lock(tmp_path):
        other = exclusive_lock(tmp_path)
        with pytest.raises(TapeflowError, match="is being written by another run"), other:
            pass
    with exclusive_lock(tmp_path):
        pass


# --- reading it back ----------------------------------------------------------------------


def hours(folder, sizes=(3, 2, 4)):
    """An archive of some hours, with so many records each."""
    log = [
        (T0 + hour * HOUR_NS + number, b"%d" % number)
        for hour, size in enumerate(sizes)
        for number in range(size)
    ]
    write_unbroken(folder, log)
    return log, closed_files(folder)


def rows(reader):
    got = []
    while (page := reader.read()) is not None:
        got += [
            (page.first_offset + row, int(ns), page.frame(row))
            for row, ns in enumerate(page.log_ns)
        ]
    return got


@OVER_A_DISK
@given(LOGS, st.integers(1, 9), st.data())
def test_reading_the_hours_of_a_partition_resumes_anywhere(
    disk, tmp_path_factory, steps, records, data
):
    folder = tmp_path_factory.mktemp("archive")
    log = log_of(steps)
    write_unbroken(folder, log)
    files = tuple(closed_files(folder))[data.draw(st.integers(0, 1)) :]  # older ones may be gone
    whole = rows(ParquetReader(NAME, files, records, None)) if files else []
    first = whole[0][0] if whole else len(log)
    assert whole == [(first + n, ns, frame) for n, (ns, frame) in enumerate(log[first:])]
    if not files:
        return
    reader, given_so_far = ParquetReader(NAME, files, records, None), 0
    for _ in range(data.draw(st.integers(0, 9))):
        page = reader.read()
        given_so_far += len(page.log_ns) if page else 0
    again = ParquetReader(NAME, files, records, reader.position())
    assert rows(again) == whole[given_so_far:]
    assert again.ended


def test_a_missing_hour_is_refused(tmp_path):
    _, (first, _second, third) = hours(tmp_path)
    with pytest.raises(TapeflowError, match="record 3 should come next, but 5 does") as raised:
        rows(ParquetReader(NAME, (first, third), 10, None))
    assert str(third) in str(raised.value)
    assert "records 3 to 4 are missing" in str(raised.value)


def test_two_files_of_the_same_records_are_refused(tmp_path):
    _, (first, second, _third) = hours(tmp_path)
    copy = shutil.copy(second, tmp_path / "copy.parquet")
    with pytest.raises(TapeflowError, match="do two files hold the same records"):
        rows(ParquetReader(NAME, (first, second, Path(copy)), 10, None))


def test_parquet_files_without_offsets_are_numbered_on(tmp_path):
    log, files = hours(tmp_path)
    for path in files:
        pq.write_table(pq.read_table(path).drop_columns(["offset"]), path)
    found = rows(ParquetReader(NAME, tuple(files), 2, None))
    assert found == [(offset, ns, frame) for offset, (ns, frame) in enumerate(log)]


def test_an_archive_a_partition_of_it_or_an_hour_can_be_replayed(tmp_path):
    _, files = hours(tmp_path / "archive" / "binance-0")
    (tmp_path / "archive" / ".state").mkdir()
    (tmp_path / "archive" / "binance-0" / ".2025-11-24T19.open").write_bytes(b"")
    for given_path, expected in [
        (tmp_path / "archive", files),
        (tmp_path / "archive" / "binance-0", files),
        (files[1], files[1:2]),
    ]:
        found = find_tapes([given_path], job_of())
        assert found == {"binance-0": TapeFiles(tuple(expected))}


def test_a_partition_in_parquet_and_in_text_is_refused(tmp_path):
    hours(tmp_path / "binance-0")
    (tmp_path / "x.tape").write_bytes(b"")
    tape = {"files": "x.tape", "partition": "binance-0"}
    job = job_of().model_copy(update={"tapes": (Tape.model_validate(tape),)})
    with pytest.raises(UsageError, match="binance-0 is in Parquet and in text"):
        find_tapes([tmp_path], job)
