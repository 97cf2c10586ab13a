"""Packs: many frames in one record, every way to read them and to damage them."""

import pickle
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.kafka import packs
from tapeflow.connectors.kafka.packs import PACK_BYTES, SCHEMA, Packer
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, MIN_NS, NS_PER_MS
from tests.kafka.memory_log import messages, open_log, packed, plain
from tests.kafka.topics import SECOND, T0, drain, rows

pytestmark = pytest.mark.usefixtures("each_form")
SMALL_BYTES = 300  # of a pack in these tests
MS = NS_PER_MS
GAPS = st.sampled_from([0, 0, 1, 999, MS, 20 * MS, SECOND])
FRAMES = st.one_of(st.just(b""), st.binary(max_size=60), st.binary(min_size=250, max_size=700))
LOGS = st.lists(st.tuples(GAPS, FRAMES), min_size=1, max_size=60)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@pytest.fixture(scope="module", autouse=True)
def small_packs():
    """Make packs small, so that few frames make many."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(packs, "PACK_BYTES", SMALL_BYTES)
        yield


def to_columns(log: list[tuple[int, bytes]]) -> tuple[list[int], list[bytes]]:
    times = np.cumsum([gap for gap, _ in log]) + T0
    return times.tolist(), [frame for _, frame in log]


@st.composite
def mixed_logs(draw: Any) -> tuple[list[Any], list[tuple[int, int, bytes]]]:
    """A log in Kafka, some of it packed, and the rows it should be read as."""
    times, frames = to_columns(draw(LOGS))
    records, lo = [], 0
    while lo < len(times):
        hi = min(lo + draw(st.integers(1, 30)), len(times))
        pack = draw(st.booleans())
        records += (
            packed(times[lo:hi], frames[lo:hi], lo) if pack else plain(times[lo:hi], frames[lo:hi])
        )
        lo = hi
    return messages(records), list(zip(range(len(times)), times, frames, strict=True))


@given(mixed_logs(), SIZES, st.integers(1, 40))
def test_frames_and_numbers_do_not_depend_on_packing_or_pages(log, sizes, records):
    log, expected = log
    pages = drain(open_log(log, sizes=sizes, records=records))
    assert rows(pages) == expected
    for page in pages:
        assert 1 <= len(page.log_ns) <= records
        assert not page.data[-64:].any()
        assert {column.dtype for column in (page.log_ns, page.starts, page.ends)} == {np.dtype(int)}
        assert (page.starts >= 0).all() and (page.ends <= len(page.data) - 64).all()


@given(mixed_logs(), SIZES, st.integers(1, 40))
def test_reading_resumes_after_any_page_even_in_mid_pack(log, sizes, records):
    log, expected = log
    reader = open_log(log, sizes=sizes, records=records)
    positions = [reader.position()]
    while not reader.ended:
        if reader.read() is not None:
            positions.append(pickle.loads(pickle.dumps(reader.position())))
    for position in positions:
        again = open_log(log, position, sizes, records=records + 1)
        assert rows(drain(again)) == expected[position[1] :]
        assert again.position()[:2] == (len(log), len(expected))


@settings(deadline=None)  # it compresses
@given(LOGS, st.lists(st.integers(0, 20), max_size=8), st.integers(0, 10**12))
def test_packs_do_not_depend_on_the_pages_given_to_the_packer(log, cuts, first):
    times, frames = to_columns(log)
    packer, lo, records = Packer(first), 0, []
    for size in [*cuts, len(times)]:
        hi = min(lo + size, len(times))
        records += packer.add(Page.from_frames("p-3", 0, times[lo:hi], frames[lo:hi]))
        lo = hi
    records += packer.finish()
    assert records == packed(times, frames, first)
    assert (packer.next_frame, list(packer.finish())) == (first + len(times), [])
    read = [
        rows(drain(open_log(messages([record]), (0, first_of(record), MIN_NS, 0, 0))))
        for record in records
    ]
    assert [row for pack in read for row in pack] == list(
        zip(range(first, first + len(times)), times, frames, strict=True)
    )
    sizes = [sum(len(frame) + 12 for _, _, frame in pack) for pack in read]
    assert all(
        size <= SMALL_BYTES or len(pack) == 1 for size, pack in zip(sizes, read, strict=True)
    )
    with_next = [size + len(pack[0][2]) + 12 for size, pack in zip(sizes, read[1:], strict=False)]
    assert all(size > SMALL_BYTES for size in with_next), "a pack ends where the next does not fit"


def first_of(record: Any) -> int:
    return int(dict(record[2])["pack"].split()[1])


def test_a_pack_carries_the_log_time_of_its_last_frame():
    (record,) = packed([T0, T0 + 5 * MS + 7], [b"a", b"b"])
    assert record[1:] == (T0 // MS + 5, [("pack", b"1 0 2"), ("ns", b"7")])


def test_bytes_between_frames_are_not_packed():
    page = Page.from_frames("p-3", 0, [T0, T0, T0], [b"one", b" gap ", b"two"])
    chosen = np.array([0, 2])
    sparse = type(page)(
        "p-3", 0, page.log_ns[chosen], page.starts[chosen], page.ends[chosen], page.data
    )
    packer = Packer(0)
    records = [*packer.add(sparse), *packer.finish()]
    assert [row[2] for row in rows(drain(open_log(messages(records))))] == [b"one", b"two"]


def test_an_incompressible_pack_fits_a_broker_with_default_limits(monkeypatch):
    monkeypatch.setattr(packs, "PACK_BYTES", PACK_BYTES)
    noise = random.Random(1)
    frames = [noise.randbytes(noise.randrange(400)) for _ in range(9000)]
    records = packed([T0 + noise.randrange(9) for _ in frames][:1] * len(frames), frames)
    assert len(records) == 2
    assert 0.9 * PACK_BYTES < len(records[0][0]) < 1_040_000


def test_a_log_time_that_no_reader_takes_is_not_packed():
    with pytest.raises(TapeflowError, match="record 0 has log time 999999 ns, not from 2000"):
        packed([999_999, T0], [b"a", b"b"])


def test_log_times_of_a_pack_are_read_as_they_were_written():
    log = messages([*plain([T0 + SECOND], [b""]), *packed([T0, T0 + 2 * SECOND], [b"a", b"b"], 1)])
    for records in (1, 9):
        reader = open_log(log, records=records)
        first = drain(reader, 1)
        rest = open_log(log, reader.position())
        assert [row[1] - T0 for row in rows([*first, *drain(rest)])] == [SECOND, 0, 2 * SECOND]


# --- damaged packs -------------------------------------------------------------------


def stream(schema: Any, *batches: Any) -> Any:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as opened:
        for batch in batches:
            opened.write_batch(pa.record_batch(batch, schema=schema))
    return sink.getvalue().to_pybytes()


def with_frame_ends(ends: list[int]) -> Any:
    """Return the whole pack with other bounds of its frames."""
    assert WHOLE.count(np.array([0, 2, 2, 6], np.int32).tobytes()) == 1
    return WHOLE.replace(
        np.array([0, 2, 2, 6], np.int32).tobytes(), np.array(ends, np.int32).tobytes()
    )


TIMES, ABC = [T0, T0, T0 + MS], [b"ab", b"", b"cdef"]
WHOLE = stream(SCHEMA, [TIMES, ABC])
LARGE = pa.schema([("log_ns", pa.int64()), ("frame", pa.large_binary())])
TEXT = pa.schema([("time", pa.int64()), ("frame", pa.binary())])
DAMAGED = {
    "null": (None, "Tried reading schema message"),
    "empty": (b"", "Tried reading schema message"),
    "no arrow": (b'{"e":"trade"}', "."),
    "cut off": (WHOLE[: len(WHOLE) // 2], "."),
    "no batch": (stream(SCHEMA), "it holds 0 batches, not one"),
    "two batches": (stream(SCHEMA, [TIMES, ABC], [TIMES, ABC]), "it holds 2 batches, not one"),
    "other types": (stream(LARGE, [TIMES, ABC]), "its columns are log_ns int64, frame large_binary, not"),
    "other names": (stream(TEXT, [TIMES, ABC]), "its columns are time int64, frame binary, not"),
    "fewer": (stream(SCHEMA, [TIMES[:2], ABC[:2]]), "it holds 2 frames, but its header says 3"),
    "none": (stream(SCHEMA, [[], []]), "it holds 0 frames, but its header says 3"),
    "no log time": (stream(SCHEMA, [[T0, None, T0], ABC]), "a log_ns is null"),
    "no frame": (stream(SCHEMA, [TIMES, [b"", None, b""]]), "a frame is null"),
    "below zero": (stream(SCHEMA, [[-1, T0, T0 + MS], ABC]), "it has a log time that is not from 2000"),
    "other time": (stream(SCHEMA, [[T0] * 3, ABC]), f"its last frame has log time {T0}, but .*LogAppend"),
    "ends go back": (with_frame_ends([0, 4, 2, 6]), "."),
    "ends beyond": (with_frame_ends([0, 2, 4, 9999]), "."),
    "begins below": (with_frame_ends([-8, 2, 4, 6]), "."),
}  # fmt: skip


@pytest.mark.parametrize(("value", "why"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_pack_is_an_error_with_the_reason(value, why):
    before = plain([T0] * 5, [b"x"] * 5)
    damaged: Any = (value, T0 // MS + 1, [("pack", b"1 5 3")])
    reader = open_log(messages([*before, damaged, *before]))
    assert len(rows(drain(reader, 5))) == 5
    line = rf"^raw.test partition 3: the pack at offset 5 is damaged: {why}[^\n]*$"
    with pytest.raises(TapeflowError, match=line):
        reader.read()


@pytest.mark.parametrize(
    "header",
    [b"", None, b"1", b"1 0", b"1 0 0", b"1 0 -3", b"2 0 3", b"1 0 3 ", b"1  0 3", b"\xb2 0 3", b"1 0 " + b"9" * 5000],
)  # fmt: skip
def test_a_malformed_pack_header_is_refused(header):
    with pytest.raises(
        TapeflowError, match=r"^raw.test partition 3: the record at offset 0 has header pack="
    ):
        open_log(messages([(WHOLE, T0 // MS + 1, [("pack", header)])])).read()


@pytest.mark.parametrize("first", [4, 6, 10**17])
def test_a_pack_whose_first_frame_is_not_the_next_is_an_error(first):
    log = messages([*plain([T0] * 5, [b"x"] * 5), *packed([T0] * 3, ABC, first)])
    line = f"pack at offset 5 should begin with frame 5, but says {first}: did someone else write"
    with pytest.raises(TapeflowError, match=line):
        drain(open_log(log))


def test_other_headers_are_ignored():
    value, time_ms, headers = packed([T0, T0 + 3], [b"a", b"b"])[0]
    others: Any = [("trace", b"1"), *(headers or ()), ("hop", None)]
    log = messages([(value, time_ms, others)])
    assert rows(drain(open_log(log))) == [(0, T0, b"a"), (1, T0 + 3, b"b")]


@given(LOGS, st.data())
def test_changed_bytes_of_a_pack_are_an_error_or_keep_its_shape(log, data):
    """Kafka's checksums keep bytes as they are: this is about what others write.

    Written times may go back inside a pack: the log's clock decides about them (log_times.py).
    """
    times, frames = to_columns(log)
    value, time_ms, headers = packed(times, frames)[0]
    damaged = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.sampled_from([len(value), data.draw(st.integers(0, len(value)))]))
    try:
        found = drain(open_log(messages([(bytes(damaged[:length]), time_ms, headers)])))
    except TapeflowError as error:
        assert "the pack at offset 0 is damaged" in str(error)
        return
    read = rows(found)
    assert [row[0] for row in read] == list(range(int(headers[0][1].split()[2])))
    assert all(LOG_MIN_NS <= row[1] < LOG_MAX_NS for row in read)
    assert read[-1][1] == times[len(read) - 1]


# --- a log recreated under a position ----------------------------------------------------------


def position_after(log: list[Any], frames: int, records: int = 1) -> Any:
    reader = open_log(log, records=records)
    while reader.position()[1] < frames:
        reader.read()
    return reader.position()


COUNT = 40
LOG = (
    [T0 + number * MS for number in range(COUNT)],
    [b"frame %02d of this log" % number for number in range(COUNT)],
)
PACK_FRAMES = 9  # in the first pack


def plain_log() -> list[Any]:
    return messages(plain(*LOG))


def packed_log() -> list[Any]:
    return messages(packed(*LOG))


@pytest.mark.parametrize("frames", [4, PACK_FRAMES, PACK_FRAMES + 1, 2 * PACK_FRAMES])
def test_a_packed_log_recreated_in_plain_records_is_refused(frames):
    position = position_after(packed_log(), frames)
    with pytest.raises(TapeflowError, match=r"emptied or the topic created again"):
        drain(open_log(plain_log(), position))


@pytest.mark.parametrize("frames", [1, 4])
def test_a_plain_log_recreated_in_packs_is_refused(frames):
    position = position_after(plain_log(), frames)
    with pytest.raises(TapeflowError, match=r"emptied or the topic created again"):
        drain(open_log(packed_log(), position))


@pytest.mark.parametrize("frames", [4, PACK_FRAMES, PACK_FRAMES + 1, 2 * PACK_FRAMES])
def test_a_log_recreated_in_other_packs_is_refused(frames):
    position = position_after(packed_log(), frames)
    others = messages([*plain(LOG[0][:1], LOG[1][:1]), *packed(LOG[0][1:], LOG[1][1:], 1)])
    with pytest.raises(TapeflowError, match=r"emptied or the topic created again"):
        drain(open_log(others, position))


@pytest.mark.parametrize("frames", [4, PACK_FRAMES, PACK_FRAMES + 1])
def test_packs_of_another_day_are_refused(frames):
    position = position_after(packed_log(), frames)
    later = messages(packed([log_ns + 7200 * SECOND for log_ns in LOG[0]], LOG[1]))
    with pytest.raises(
        TapeflowError, match=r"has log time \d+, but we have read \d+ there: .* created again"
    ):
        drain(open_log(later, position))


def test_a_pack_of_as_many_frames_with_other_numbers_is_not_the_one_that_was_read():
    offset, frames, *others = position_after(packed_log(), PACK_FRAMES)
    with pytest.raises(TapeflowError, match="holds other frames than"):
        drain(open_log(packed_log(), (offset, frames + 1, *others)))


def test_a_log_that_ends_before_a_half_read_pack_is_refused():
    position = position_after(packed_log(), PACK_FRAMES + 1)
    with pytest.raises(TapeflowError, match=r"offset 2 is beyond the end, 1: .* created again"):
        open_log(packed_log()[:1], position)


def test_a_log_recreated_in_the_same_packs_is_accepted():
    position = position_after(packed_log(), PACK_FRAMES + 1)
    again = packed_log()
    assert [row[0] for row in rows(drain(open_log(again, position)))] == list(
        range(PACK_FRAMES + 1, COUNT)
    )


@pytest.mark.parametrize("bad", [1, 2])
@pytest.mark.parametrize("wrong", ["its bytes", "its first frame", "its header"])
def test_packs_before_a_bad_one_are_read_before_the_error(bad, wrong):
    log: list[Any] = packed(*LOG)
    value, time_ms, headers = log[bad]
    headers_by_kind = {
        "its bytes": headers[0][1],
        "its first frame": headers[0][1].replace(b"1 ", b"1 9", 1),
        "its header": b"nonsense",
    }
    damaged = value[:-40] if wrong == "its bytes" else value
    log[bad] = damaged, time_ms, [("pack", headers_by_kind[wrong]), *headers[1:]]
    reader = open_log(messages(log))
    before = int(packed(*LOG)[bad][2][0][1].split()[1])
    page = reader.read()
    assert page is not None and (page.first_offset, page.next_offset) == (0, before)
    with pytest.raises(TapeflowError, match=rf"at offset {bad} "):
        reader.read()


def test_packs_that_fit_become_one_page():
    log = packed(*LOG)
    assert len(log) > 3
    page = open_log(messages(log)).read()
    assert page is not None and rows([page]) == rows(drain(open_log(plain_log())))
