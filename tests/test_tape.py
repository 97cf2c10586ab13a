"""Tapes are read as they were written, however the pages are cut."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeflow.connectors.tapes import text
from tapeflow.connectors.tapes.parquet import ParquetReader
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.schemas.errors import TapeflowError

FAR = 10**18
frames = st.binary(max_size=40).filter(lambda frame: b"\n" not in frame and frame[:1] != b" ")
logs = st.lists(st.tuples(st.integers(0, 10**6), frames), max_size=60)


def read_all(reader):
    got = []
    while (page := reader.read()) is not None:
        assert page.first_offset == len(got)
        got += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    assert reader.ended
    return got


def lines(records):
    return b"".join(b"%d %b\n" % record for record in records)


def to_records(log, base=1_700_000_000_000_000_000):
    times = np.cumsum([step for step, _ in log]) + base
    return [(int(ns), frame) for ns, (_, frame) in zip(times, log, strict=True)]


@settings(deadline=None)  # the first reading compiles
@given(logs, st.integers(1, 9), st.data())
def test_a_tape_reads_as_written_and_resumes_anywhere(tmp_path_factory, log, records, data):
    path = tmp_path_factory.mktemp("tape") / "binance-0.tape"
    log = to_records(log)
    path.write_bytes(lines(log))
    assert read_all(TapeReader("binance-0", (path,), records, FAR, None)) == log

    reader = TapeReader("binance-0", (path,), records, FAR, None)
    records_read = 0
    for _ in range(data.draw(st.integers(0, 5))):
        page = reader.read()
        records_read = page.next_offset if page else records_read
    again = TapeReader("binance-0", (path,), records, FAR, reader.position())
    rest = []
    while (page := again.read()) is not None:
        rest += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    assert rest == log[records_read:]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_compression_follows_from_the_name(tmp_path, ending):
    log = to_records([(5, b"{}"), (0, b""), (7, b'{"a": 1}')])
    path = tmp_path / f"binance-0.tape{ending}"
    if ending == ".gz":
        path.write_bytes(gzip.compress(lines(log)))
    elif ending == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(lines(log))
    else:
        path.write_bytes(lines(log))
    assert read_all(TapeReader("binance-0", (path,), 10, FAR, None)) == log


def test_several_files_form_one_partition(tmp_path):
    log = to_records([(1, b"a"), (1, b"b"), (1, b"c")])
    (tmp_path / "1").write_bytes(lines(log[:2])[:-1])  # without the last newline
    (tmp_path / "2").write_bytes(b"")
    (tmp_path / "3").write_bytes(lines(log[2:]))
    files = tuple(tmp_path / name for name in "123")
    assert read_all(TapeReader("binance-0", files, 10, FAR, None)) == log


def test_a_heartbeat_may_lack_the_space(tmp_path):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(b"1700000000000000000\n1700000000000000001 \n1700000000000000002 x\n")
    assert [frame for _, frame in read_all(TapeReader("b", (path,), 10, FAR, None))] == [
        b"",
        b"",
        b"x",
    ]


def test_sixteen_digits_are_microseconds(tmp_path):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(b"1700000000000000 a\n1700000000000001 b\n")
    assert read_all(TapeReader("b", (path,), 10, FAR, None)) == [
        (1_700_000_000_000_000_000, b"a"),
        (1_700_000_000_000_001_000, b"b"),
    ]


def test_log_times_of_a_tape_may_differ_in_width(tmp_path):
    log = [(8, b"x"), (9, b""), (10, b"y"), (123456789, b"z"), (2**63 - 1, b"last")]
    path = tmp_path / "binance-0.tape"
    path.write_bytes(lines(log))
    assert read_all(TapeReader("b", (path,), 2, 2**62, None)) == log


def test_a_page_spans_no_more_log_time_than_allowed(tmp_path):
    log = to_records([(10, b"x")] * 20)
    path = tmp_path / "binance-0.tape"
    path.write_bytes(lines(log))
    reader = TapeReader("b", (path,), 100, 30, None)
    pages = iter(reader.read, None)
    assert all(page.log_ns[-1] - page.log_ns[0] <= 30 for page in pages)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"17 a\n16 b\n", "before 17 of the one before it"),
        (b"17 a\nnonsense b\n", "record 1 begins with b'nonsense'"),
        (b"-5 a\n", "record 0 begins with b'-5'"),
        (b"9223372036854775808 a\n", "record 0 begins with"),
        (b"5 a\n\n", "record 1 begins with b''"),
    ],
)
def test_a_broken_tape_is_one_clear_line_naming_file_and_record(tmp_path, content, message):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(content)
    with pytest.raises(TapeflowError, match=r"binance-0\.tape") as raised:
        read_all(TapeReader("b", (path,), 10, FAR, None))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cut_off_archive_is_an_error_not_an_end(tmp_path):
    path = tmp_path / "binance-0.tape.gz"
    path.write_bytes(gzip.compress(lines(to_records([(1, b"x" * 50)] * 1000)))[:-20])
    with pytest.raises(TapeflowError, match="damaged or cut off"):
        read_all(TapeReader("b", (path,), 10, FAR, None))


TIMES = st.one_of(
    st.integers(0, 2**63 + 10**9).map(lambda n: b"%d" % n),
    st.binary(max_size=21).filter(lambda text: b"\n" not in text),
    st.text("0123456789", min_size=14, max_size=21).map(str.encode),
    st.sampled_from([b"0" * 25 + b"7", b"9223372036854775807", b"9223372036854775", b"1" * 16]),
)


def read_or_error(path, reader_kernel, monkeypatch):
    monkeypatch.setattr(text, "kernel", reader_kernel)
    got = []
    reader = TapeReader("b", (path,), 5, 10**17, None)
    try:
        while (page := reader.read()) is not None:
            got += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    except TapeflowError as error:
        return got, str(error)
    return got, reader.position()


@pytest.mark.skipif(text.kernel() is None, reason="numba is not installed")
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None
)
@given(st.lists(st.tuples(TIMES, st.sampled_from([b"", b" ", b" {}", b"\t", b" 1 2"])), max_size=9))
def test_the_compiled_reader_agrees_with_the_strict_one(tmp_path, monkeypatch, drawn):
    path = tmp_path / "binance-0.tape"
    for tape_lines in (drawn, sorted(drawn, key=lambda line: (len(line[0]), line[0]))):
        path.write_bytes(b"".join(time + rest + b"\n" for time, rest in tape_lines))
        with monkeypatch.context() as patch:
            compiled = read_or_error(path, text.kernel, patch)
            assert compiled == read_or_error(path, lambda: None, patch)


@given(logs, st.integers(1, 9))
def test_parquet_tapes_read_like_text_tapes(tmp_path_factory, log, records):
    path = tmp_path_factory.mktemp("tape") / "binance-0.parquet"
    log = to_records(log)
    columns = {"log_ns": pa.array([ns for ns, _ in log], pa.int64()), "frame": [f for _, f in log]}
    schema = pa.schema([("log_ns", pa.int64()), ("frame", pa.binary())])
    pq.write_table(pa.table(columns, schema=schema), path, row_group_size=7)
    assert read_all(ParquetReader("b", (path,), records, FAR, None)) == log
    reader = ParquetReader("b", (path,), records, FAR, None)
    page = reader.read()
    begin = page.next_offset if page else 0
    again = ParquetReader("b", (path,), records, FAR, reader.position())
    rest = []
    while (page := again.read()) is not None:
        rest += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    assert rest == log[begin:]
