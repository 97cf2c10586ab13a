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
from tapeflow.engine.rungs import are_compiled
from tapeflow.schemas.errors import TapeflowError

T = 1_700_000_000_000_000_000
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
    assert read_all(TapeReader("binance-0", (path,), records, None)) == log

    reader = TapeReader("binance-0", (path,), records, None)
    records_read = 0
    for _ in range(data.draw(st.integers(0, 5))):
        page = reader.read()
        records_read = page.next_offset if page else records_read
    again = TapeReader("binance-0", (path,), records, reader.position())
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
    assert read_all(TapeReader("binance-0", (path,), 10, None)) == log


def test_several_files_form_one_partition(tmp_path):
    log = to_records([(1, b"a"), (1, b"b"), (1, b"c")])
    (tmp_path / "1").write_bytes(lines(log[:2])[:-1])  # without the last newline
    (tmp_path / "2").write_bytes(b"")
    (tmp_path / "3").write_bytes(lines(log[2:]))
    files = tuple(tmp_path / name for name in "123")
    assert read_all(TapeReader("binance-0", files, 10, None)) == log


def test_a_heartbeat_may_lack_the_space(tmp_path):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(b"1700000000000000000\n1700000000000000001 \n1700000000000000002 x\n")
    assert [frame for _, frame in read_all(TapeReader("b", (path,), 10, None))] == [
        b"",
        b"",
        b"x",
    ]


UNITS = [(10, 10**9), (13, 10**6), (16, 10**3), (19, 1)]


@pytest.mark.parametrize(("digits", "unit_ns"), UNITS)
def test_the_digits_of_a_log_time_show_its_unit(tmp_path, digits, unit_ns):
    path = tmp_path / "binance-0.tape"
    begin = T // unit_ns
    assert len(str(begin)) == digits
    path.write_bytes(b"%d a\n%d\n%d b\n" % (begin, begin, begin + 7))
    assert read_all(TapeReader("b", (path,), 10, None)) == [
        (T, b"a"),
        (T, b""),
        (T + 7 * unit_ns, b"b"),
    ]


@pytest.mark.parametrize("digits", [1, 5, 9, 11, 12, 14, 15, 17, 18, 20, 5000])
def test_a_log_time_of_other_digits_is_refused_with_the_units_that_are_known(tmp_path, digits):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(b"1" * digits + b" a\n")
    wanted = rf"0\.tape: record 0 has a log time of {digits} digits: 10 are s, 13 are ms, 16 are us"
    with pytest.raises(TapeflowError, match=wanted) as raised:
        read_all(TapeReader("b", (path,), 10, None))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("digits", "unit_ns"), UNITS)
@pytest.mark.parametrize("split", [False, True])
def test_units_that_contradict_each_other_are_refused(tmp_path, digits, unit_ns, split):
    other = next(each for each in UNITS if each[0] != digits)
    first, second = b"%d a\n" % (T // unit_ns), b"%d b\n" % (T // other[1])
    contents = [first * 3, second] if split else [first * 3 + second]
    files = tuple(tmp_path / f"{number}.tape" for number in range(len(contents)))
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    wanted = rf"record 3 has a log time of {other[0]} digits \(\w+\), those before it have {digits}"
    with pytest.raises(TapeflowError, match=wanted):
        read_all(TapeReader("b", files, 2, None))
    reader = TapeReader("b", files, 2, None)  # nor does a restart forget the unit
    reader.read()
    with pytest.raises(TapeflowError, match=wanted):
        list(iter(TapeReader("b", files, 2, reader.position()).read, None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1700000000 a\nnonsense b\n", "record 1 begins with b'nonsense'"),
        (b"-5 a\n", "record 0 begins with b'-5'"),
        (b"9223372036854775808 a\n", "record 0 has log time 9223372036854775808 ns, not from"),
        (b"9999999999 a\n", "record 0 has log time 9999999999000000000 ns, not from"),
        (b"0000000005 a\n", "record 0 has log time 1970-01-01 00:00:05, before 2000"),
        (b"1700000000 a\n\n", "record 1 begins with b''"),
        (b"1700000000 a\n17000000", "record 1 has a log time of 8 digits"),
        (b"1700000000 a\n\0\0\0\0", r"record 1 begins with b'\x00\x00\x00\x00'"),
    ],
)
def test_a_broken_tape_is_one_clear_line_naming_file_and_record(tmp_path, content, message):
    path = tmp_path / "binance-0.tape"
    path.write_bytes(content)
    with pytest.raises(TapeflowError, match=r"binance-0\.tape") as raised:
        read_all(TapeReader("b", (path,), 10, None))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cut_off_archive_is_an_error_not_an_end(tmp_path):
    path = tmp_path / "binance-0.tape.gz"
    path.write_bytes(gzip.compress(lines(to_records([(1, b"x" * 50)] * 1000)))[:-20])
    with pytest.raises(TapeflowError, match="damaged or cut off"):
        read_all(TapeReader("b", (path,), 10, None))


TIMES = st.one_of(
    st.sampled_from(UNITS).flatmap(
        lambda unit: st.integers(0, 5 * 10**18).map(lambda n: b"%d" % ((T + n) // unit[1]))
    ),
    st.integers(-5, 5).map(lambda n: b"%d" % (T + n)),
    st.sampled_from([b"7258118400000", b"7258118399999", b"0946684800000", b"0946684799999"]),
    st.integers(0, 2**63 + 10**9).map(lambda n: b"%d" % n),
    st.binary(max_size=21).filter(lambda text: b"\n" not in text),
    st.text("0123456789", min_size=14, max_size=21).map(str.encode),
    st.sampled_from([b"0" * 25 + b"7", b"9223372036854775807", b"9223372036854775", b"1" * 16]),
)


def read_or_error(path, is_compiled, monkeypatch):
    monkeypatch.setattr(text, "is_compiled", lambda kernel: is_compiled)
    got = []
    reader = TapeReader("b", (path,), 5, None)
    try:
        while (page := reader.read()) is not None:
            got += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    except TapeflowError as error:
        return got, str(error)
    return got, reader.position()


@pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None
)
@given(st.lists(st.tuples(TIMES, st.sampled_from([b"", b" ", b" {}", b"\t", b" 1 2"])), max_size=9))
def test_the_compiled_reader_agrees_with_the_strict_one(tmp_path, monkeypatch, drawn):
    path = tmp_path / "binance-0.tape"
    for tape_lines in (drawn, sorted(drawn, key=lambda line: (len(line[0]), line[0]))):
        path.write_bytes(b"".join(time + rest + b"\n" for time, rest in tape_lines))
        with monkeypatch.context() as patch:
            assert read_or_error(path, True, patch) == read_or_error(path, False, patch)


@given(logs, st.integers(1, 9))
def test_parquet_tapes_read_like_text_tapes(tmp_path_factory, log, records):
    path = tmp_path_factory.mktemp("tape") / "binance-0.parquet"
    log = to_records(log)
    columns = {"log_ns": pa.array([ns for ns, _ in log], pa.int64()), "frame": [f for _, f in log]}
    schema = pa.schema([("log_ns", pa.int64()), ("frame", pa.binary())])
    pq.write_table(pa.table(columns, schema=schema), path, row_group_size=7)
    assert read_all(ParquetReader("b", (path,), records, None)) == log
    reader = ParquetReader("b", (path,), records, None)
    page = reader.read()
    begin = page.next_offset if page else 0
    again = ParquetReader("b", (path,), records, reader.position())
    rest = []
    while (page := again.read()) is not None:
        rest += [(int(ns), page.frame(i)) for i, ns in enumerate(page.log_ns)]
    assert rest == log[begin:]
