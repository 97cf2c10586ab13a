"""What lies in a folder of tapes, and what a killed recorder leaves there."""

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.connectors.tapes.parquet import ParquetReader
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.flows.job.sections import Tape
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError, UsageError
from tests.running import job_of, silent

T = 1_700_000_000_000_000_000
S = 1_000_000_000
TYPES = {
    "int64 s": (pa.int64(), 10**9),
    "int32 s": (pa.int32(), 10**9),
    "uint64 ms": (pa.uint64(), 10**6),
    "int64 us": (pa.int64(), 10**3),
    "uint64 ns": (pa.uint64(), 1),
    "timestamp s": (pa.timestamp("s"), 10**9),
    "timestamp ms": (pa.timestamp("ms", "UTC"), 10**6),
    "timestamp us": (pa.timestamp("us", "Asia/Tokyo"), 10**3),
    "timestamp ns": (pa.timestamp("ns"), 1),
}


def parquet(path, numbers, kind=None, begin=None):
    """A Parquet tape of heartbeats at these numbers, with offsets from `begin` on."""
    kind = kind or pa.int64()
    columns = {"log_ns": pa.array(numbers, kind), "frame": pa.nulls(len(numbers), pa.binary())}
    if begin is not None:
        columns["offset"] = pa.array(range(begin, begin + len(numbers)))
    pq.write_table(pa.table(columns), path)
    return path


def read(reader):
    """Offset and log time of each record."""
    return [
        (page.first_offset + row, int(log_ns))
        for page in iter(reader.read, None)
        for row, log_ns in enumerate(page.log_ns)
    ]


def read_folder(folder, notify=silent, *, salvage=False, **sections):
    job = job_of(**sections)
    tapes = find_tapes([folder], job, notify, salvage=salvage, all_venues=True)
    return {
        name: read(opened(None)) for name, opened in reader_factories(tapes, job, notify).items()
    }


@pytest.mark.parametrize(("kind", "unit_ns"), TYPES.values(), ids=TYPES)
def test_a_column_of_log_times_shows_its_unit(tmp_path, kind, unit_ns):
    path = parquet(tmp_path / "a.parquet", [T // unit_ns, T // unit_ns + 3], kind)
    assert read(ParquetReader("b", (path,), 1, None)) == [(0, T), (1, T + 3 * unit_ns)]


@pytest.mark.parametrize(
    ("numbers", "kind", "why"),
    [
        ([1.7e18], pa.float64(), "its column log_ns is double: it must be a timestamp or an integ"),
        (["1700000000"], pa.string(), "its column log_ns is string"),
        ([T // 10**6, T], pa.int64(), r"record 1 has a log time of 19 digits \(ns\), those before"),
        ([T, T // 10**6], pa.int64(), r"record 1 has a log time of 13 digits \(ms\), those before"),
        ([T // 100], pa.int64(), "record 0 has a log time of 17 digits: 10 are s, 13 are ms"),
        ([5], pa.int64(), "record 0 has a log time of 1 digits"),
        ([2**63 + 5], pa.uint64(), "a log time behind record 0"),
        ([5], pa.timestamp("ns"), "record 0 has log time 1970-01-01 00:00:00.000000005, before 2000"),
        ([T, None], pa.int64(), "record 1 has no log time"),
        ([T // 10**6], pa.timestamp("s"), r"record 0 has log time \d+ ns, not from 2000"),
    ],
)  # fmt: skip
def test_a_column_that_shows_no_unit_is_refused_in_one_line(tmp_path, numbers, kind, why):
    path = parquet(tmp_path / "a.parquet", numbers, kind)
    with pytest.raises(TapeflowError, match=rf"a\.parquet: {why}") as raised:
        read(ParquetReader("b", (path,), 9, None))
    assert "\n" not in str(raised.value)


def lines(*seconds):
    return b"".join(b"%d\n" % (T + each * S) for each in seconds)


def test_parts_of_a_partition_are_read_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "binance-0.10.tape").write_bytes(lines(5, 6))
    (tmp_path / "binance-0.2.tape.gz").write_bytes(gzip.compress(lines(3, 4)))
    (tmp_path / "binance-0.tape").write_bytes(lines(1, 2))
    wanted = {"binance-0": [(number, T + (number + 1) * S) for number in range(6)]}
    assert read_folder(tmp_path) == wanted


@pytest.mark.parametrize("with_offsets", [False, True])
def test_parquet_parts_are_read_from_a_folder_of_the_partition(tmp_path, with_offsets):
    folder = tmp_path / "binance-usdm-0"
    folder.mkdir()
    for number, name in enumerate(("part-1", "part-2", "part-10")):
        begin = number * 2 if with_offsets else None
        parquet(folder / f"{name}.parquet", [T + number * S, T + number * S + 1], begin=begin)
    wanted = [(n, T + n // 2 * S + n % 2) for n in range(6)]
    assert read_folder(tmp_path) == {"binance-usdm-0": wanted}
    assert read_folder(folder) == {"binance-usdm-0": wanted}


@pytest.mark.parametrize("with_offsets", [False, True])
def test_mapped_parquet_files_are_read_in_natural_order(tmp_path, with_offsets):
    for number in (1, 2, 10):
        begin = number * 2 if with_offsets else None
        parquet(tmp_path / f"btc_{number}.parquet", [T + number * S] * 2, begin=begin)
    job = job_of().model_copy(
        update={"tapes": (Tape(files="btc_*.parquet", partition="binance-0"),)}
    )
    tapes = find_tapes([tmp_path], job)
    opened = reader_factories(tapes, job, silent)["binance-0"](None)
    if with_offsets:
        with pytest.raises(TapeflowError, match=r"btc_10.parquet: record 6 should come next"):
            read(opened)
        return
    assert [log_ns for _, log_ns in read(opened)] == [T + n * S for n in (1, 1, 2, 2, 10, 10)]


@pytest.mark.parametrize("form", ["tape", "parquet"])
def test_files_that_overlap_are_refused_in_one_line(tmp_path, form):
    for number, seconds in enumerate(((1, 2, 9), (5, 6, 10))):
        path = tmp_path / f"binance-0.{number}.{form}"
        if form == "tape":
            path.write_bytes(lines(*seconds))
        else:
            parquet(path, [T + each * S for each in seconds])
    with pytest.raises(TapeflowError, match=r"0\.1\.\w+ begins at .*, before the end of .*0\.0"):
        read_folder(tmp_path)


def test_a_tape_in_two_forms_is_refused(tmp_path):
    (tmp_path / "binance-0.tape").write_bytes(lines(1))
    (tmp_path / "binance-0.tape.gz").write_bytes(gzip.compress(lines(1)))
    with pytest.raises(UsageError, match="partition binance-0 is in several files"):
        read_folder(tmp_path)


def test_whatever_is_not_read_is_named(tmp_path):
    (tmp_path / "binance-0.tape").write_bytes(lines(1))
    (tmp_path / "binance-1.tape").write_bytes(b"")
    (tmp_path / "coinbase-0.jsonl").write_bytes(b"{}")
    (tmp_path / "coinbase-0.tape.gz.part").write_bytes(b"x")
    (tmp_path / "COINBASE-1.TAPE").write_bytes(lines(1))
    (tmp_path / "2024-08-09").mkdir()
    (tmp_path / "2024-08-09" / "coinbase-2.tape").write_bytes(lines(1))
    (tmp_path / "binance-2").mkdir()
    (tmp_path / "binance-2" / "1.parquet").mkdir()
    (tmp_path / ".hidden").write_bytes(b"")
    notices = []
    assert read_folder(tmp_path, notices.append)["binance-1"] == []
    named, empty = notices
    assert named.startswith("not read: ")
    for name in ("0.jsonl", "0.tape.gz.part", "COINBASE-1.TAPE", "2024-08-09", "1.parquet"):
        assert name in named
    assert "hidden" not in named
    assert empty == f"{tmp_path / 'binance-1.tape'} is empty"


def test_links_and_names_of_other_encodings_are_read_or_refused_in_one_line(tmp_path):
    folder = tmp_path / os.fsdecode(b"t\xff")
    folder.mkdir()
    (tmp_path / "real").write_bytes(lines(1, 2))
    (folder / "binance-0.tape").symlink_to(tmp_path / "real")
    (folder / "binance-1.tape").write_bytes(lines(1))
    parquet(tmp_path / "real.parquet", [T])
    (tmp_path / "real.parquet").rename(folder / "binance-2.parquet")
    assert [len(rows) for rows in read_folder(folder).values()] == [2, 1, 1]
    (folder / "coinbase-0.tape").symlink_to(folder / "nowhere")
    with pytest.raises(TapeflowError, match=r"nowhere: cannot be read: No such file") as raised:
        read_folder(folder)
    assert "\n" not in str(raised.value)


# --- what a killed recorder leaves -------------------------------------------------------

WHOLE = b"".join(b"%d %0900d\n" % (T + n, n * 7919**9) for n in range(9000))  # two blocks


def zstd(text):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return sink.getvalue().to_pybytes()


DAMAGED = {  # name, content, reason
    "gzip, cut off": ("gz", gzip.compress(WHOLE, 1)[:-3000], "damaged or cut off"),
    "gzip, garbage behind": ("gz", gzip.compress(WHOLE, 1) + b"garbage", "damaged or cut off"),
    "zstd, cut off": ("zst", zstd(WHOLE)[:-3000], "damaged or cut off"),
    "a log time in part": ("", WHOLE + b"17000000", "a log time of 8 digits"),
    "zeros": ("", WHOLE + bytes(5000), "begins with"),
    "zeros in a line": ("", WHOLE[:-500] + bytes(5000), ""),
    "zeros, and a start again": ("", WHOLE + bytes(50) + WHOLE, "begins with"),
}


@pytest.mark.parametrize(("ending", "content", "why"), DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("compiled", [True, False])
def test_what_a_killed_recorder_left_is_read_up_to_the_damage(
    tmp_path, monkeypatch, ending, content, why, compiled
):
    if not compiled:
        monkeypatch.setattr("tapeflow.connectors.tapes.text.is_compiled", lambda kernel: False)
    path, behind = tmp_path / f"1.tape.{ending}", tmp_path / "2.tape"
    path.write_bytes(content)
    behind.write_bytes(lines(60))
    notices = []
    got = read(TapeReader("b", (path, behind), 700, None, notices.append, salvage=True))
    count = len(got) - 1
    assert got == [*((n, T + n) for n in range(count)), (count, T + 60 * S)]
    assert 8_000 < count <= 9_000
    if not why:
        return
    (line,) = notices
    assert why in line
    assert f"readable up to record {count - 1}, log time 2023-11-14 22:13:20.00000" in line
    assert f"byte {sum(map(len, WHOLE.splitlines(keepends=True)[:count])):,} of its text" in line
    with pytest.raises(TapeflowError) as raised:
        read(TapeReader("b", (path, behind), 700, None))
    assert str(raised.value) == line.replace(
        "what came behind it is missing", "--salvage takes this much"
    )


def test_a_salvaged_tape_resumes_anywhere(tmp_path):
    path, behind = tmp_path / "1.tape.gz", tmp_path / "2.tape"
    path.write_bytes(DAMAGED["gzip, cut off"][1])
    behind.write_bytes(lines(60))
    opened = TapeReader("b", (path, behind), 1700, None, salvage=True)
    whole = read(TapeReader("b", (path, behind), 1700, None, salvage=True))
    while (page := opened.read()) is not None:
        again = TapeReader("b", (path, behind), 999, opened.position(), salvage=True)
        assert read(again) == whole[page.next_offset :]


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes({"no footer": content[:-300], "tail": content + b"garbage", "empty": b""}[how])


@pytest.mark.parametrize("how", ["no footer", "tail", "empty"])
@pytest.mark.parametrize("with_offsets", [False, True])
def test_a_parquet_file_without_its_footer_is_left_out_and_said(tmp_path, how, with_offsets):
    files = []
    for number in range(3):
        begin = number * 2 if with_offsets else None
        path = tmp_path / f"{number}.parquet"
        files.append(parquet(path, [T + number * S] * 2, begin=begin))
    damage(files[1], how)
    with pytest.raises(TapeflowError, match=r"1\.parquet: damaged, .*--salvage leaves it out$"):
        read(ParquetReader("b", tuple(files), 9, None))
    notices = []
    got = read(ParquetReader("b", tuple(files), 9, None, notices.append, salvage=True))
    third = 4 if with_offsets else 2
    assert got == [(0, T), (1, T), (third, T + 2 * S), (third + 1, T + 2 * S)]
    assert len(notices) == 1
    assert "nothing of it can be read" in notices[0]


def test_a_damaged_row_group_ends_a_parquet_file(tmp_path):
    path = tmp_path / "1.parquet"
    table = {"log_ns": pa.array([T + n for n in range(40)]), "frame": pa.array([b"x" * 99] * 40)}
    pq.write_table(
        pa.table(table), path, row_group_size=10, compression="zstd", use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(2).column(0).data_page_offset
    content[at : at + 12] = bytes(12)
    path.write_bytes(content)
    with pytest.raises(
        TapeflowError, match=r"readable up to record 19, .*--salvage takes this much"
    ):
        read(ParquetReader("b", (path,), 10, None))
    got = read(ParquetReader("b", (path,), 10, None, silent, salvage=True))
    assert got == [(n, T + n) for n in range(20)]
