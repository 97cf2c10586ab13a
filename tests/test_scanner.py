"""The compiled scanner reads a frame as the strict reader does, or leaves it to the slow path."""

import json
import pickle
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.engine.rungs import are_compiled
from tapeflow.operators.decode import layout, scanner
from tapeflow.operators.decode.messages import MalformedError
from tapeflow.operators.decode.plans import compile_dialect
from tapeflow.operators.decode.rows import FLOATS, INTS, Rows, table_numbers
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.strict import Row, read_frame
from tapeflow.operators.decode.thread_memory import ThreadMemory
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import (
    DECODED,
    HEARTBEAT,
    IGNORED,
    MALFORMED,
    SLOW_PATH,
    UNLISTED,
    Market,
    Quotes,
)
from tapeflow.schemas.venues import VENUES
from tapeflow.schemas.venues.dialect import (
    PRESENT,
    SYMBOL,
    Channel,
    Dialect,
    Field,
    Kind,
    Shape,
    boolean,
    choice,
    decimal,
    decimal_or_none,
    integer,
    integer_text,
    literal,
    rfc3339,
)
from tests.fuzz_frames import (
    EVERY_SAMPLE,
    MARKET_TRADES,
    MATCH,
    SAMPLES,
    SPOT_TRADE,
    SYMBOLS,
    TICKERS,
    USDM_TRADE,
    combined,
    mutants,
)

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "data"
needs_kernels = pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")

millis = partial(Field, Kind.MILLIS)
ROW: Shape = {
    "s": SYMBOL,
    "id": integer_text("trade_id"),
    "p": decimal("price"),
    "q": decimal_or_none("size", optional=True),
}
GROUP: Shape = {"side": choice("verdict", {"a": 1, "": 0}, other=2), "inner": {"rows": [ROW]}}
OUTER: Shape = {"taken": boolean("aggressor", false=1, true=-1), "groups": [GROUP]}
NESTED: Shape = {
    "kind": literal("nested"),
    "at": rfc3339("event_ns", optional=True),
    "outer": OUTER,
}
FLAT: Shape = {
    "kind": PRESENT,
    "s": SYMBOL,
    "n": integer("trade_id"),
    "p": decimal("not a column of ours"),
    "a key that is rather long": millis("event_ns"),
    "a key of eighteen b": decimal("bid"),
}
ODD = Dialect(
    (
        Channel("nested", NESTED, verdict=3, newest_first=True),
        Channel("two places", {"kind": literal("two"), "two": PRESENT, "x": [FLAT], "y": [FLAT]}),
        Channel(
            "shadowed",
            {
                "kind": literal("three"),
                "two": PRESENT,
                "at": millis("event_ns"),
                "x": [{"at": millis("event_ns")}],
            },
        ),
        Channel(
            "flat", {name: field for name, field in FLAT.items() if len(name) <= 23}, table=Quotes
        ),
        Channel("never reached", {"kind": PRESENT}, table=None),
    )
)
ODD_SAMPLES = (
    b'{"kind":"nested","at":"2021-04-17T16:43:37.5Z","outer":{"taken":true,"groups":[{"side":"a","inner":'
    b'{"rows":[{"s":"BTCUSDT","id":"1","p":"2.5","q":"0"},{"s":"X","id":"2","p":"3"}]}},{"inner":{"rows":'
    b'[{"s":"ETHUSDT","id":"3","p":"4","q":"1"}]},"side":"z"},{"inner":{"rows":[]},"side":""}]}}',
    b'{"outer":{"groups":[{"inner":{"rows":[{"s":"","id":"0","p":"1"}]},"side":"b"}],"taken":false},"kind":"nested"}',
    b'{"kind":5,"s":"BTCUSDT","n":9,"p":"1","a key of eighteen b":"7.25"}',
    b'{"kind":"two","two":2,"x":[],"y":[]}',
    b'{"two":3,"kind":"three","at":1,"x":[{"at":2}]}',
)
DIALECTS = {name: venue.dialect for name, venue in VENUES.items()} | {
    "odd": ODD,
    "aggregated": VENUES["binance"].dialect.with_trades("aggTrade"),
    "in ms": VENUES["binance"].dialect.with_times_in_ms(),
    "since 1970": VENUES["coinbase"].dialect.with_times_in_ms(),
}
ALL_SAMPLES = EVERY_SAMPLE | {
    "odd": ODD_SAMPLES,
    "aggregated": EVERY_SAMPLE["binance"],
    "in ms": EVERY_SAMPLE["binance"],
    "since 1970": EVERY_SAMPLE["coinbase"],
}


Counts = Counter[tuple[int, int]]


def page(frames: list[bytes]) -> Page:
    """Frames side by side, with nothing between them."""
    return Page.from_frames("binance-0", 0, [0] * len(frames), frames)


def read_strictly(reader: Scanner, frame: bytes) -> tuple[int, int, list[Row]]:
    """Return status, channel and rows of a frame, by the strict reader."""
    if not frame:
        return HEARTBEAT, 0, []
    try:
        channel, rows, _ = read_frame(reader.dialect, frame, reader.symbols)
    except MalformedError:
        return MALFORMED, 0, []
    if len(rows) == 1 and rows[0].get("instrument", -1) < 0:
        return UNLISTED, channel, []
    return DECODED if rows else IGNORED, channel, rows


def assert_same_rows(dialect: Dialect, rows: Rows, expected: Rows) -> None:
    """Compare rows bit by bit, each in the columns of its own table: the others hold anything."""
    np.testing.assert_array_equal(rows.frame, expected.frame)
    np.testing.assert_array_equal(rows.channel, expected.channel)
    tables = table_numbers(dialect)[rows.channel]
    for number, table in enumerate(Market.tables().values()):
        of_table = tables == number
        for columns, read, true in (
            (INTS, rows.ints, expected.ints),
            (FLOATS, rows.floats.view(np.int64), expected.floats.view(np.int64)),
        ):
            own = [at for at, column in enumerate(columns) if column in table.column_names()]
            np.testing.assert_array_equal(read[own][:, of_table], true[own][:, of_table])


def check(reader: Scanner, frames: list[bytes]) -> Counts:
    """Hold a scanner to the strict reader; count pairs of its status and the true one."""
    rows, status, _ = reader.scan(page(frames))
    true = [read_strictly(reader, frame) for frame in frames]
    for scanned, (strict, _, _), frame in zip(status.tolist(), true, frames, strict=True):
        assert scanned in (SLOW_PATH, strict), frame
    expected = Rows.from_strict(
        [
            (number, channel, row)
            for number, (_, channel, read) in enumerate(true)
            if status[number] == DECODED
            for row in read
        ]
    )
    assert_same_rows(reader.dialect, rows, expected)
    return Counter(zip(status.tolist(), (strict for strict, _, _ in true), strict=True))


def check_mutants(seed: int, count: int) -> Counts:
    """Check so many mutated frames, of all dialects."""
    frames: dict[str, list[bytes]] = {name: [] for name in DIALECTS}
    for venue, frame in mutants(seed, count, ALL_SAMPLES):
        frames[venue].append(frame)
    counts: Counts = Counter()
    for venue, some in frames.items():
        reader = Scanner(DIALECTS[venue], SYMBOLS)
        for first in range(0, len(some), 500):
            counts += check(reader, some[first : first + 500])
    return counts


def good_but_slow(counts: Counts) -> int:
    """Count the good frames that were left to the slow path."""
    return sum(counts[SLOW_PATH, status] for status in (DECODED, IGNORED, UNLISTED))


# --- as the strict reader, or left to it ----------------------------------------------------


@needs_kernels
def test_a_mutated_frame_takes_the_slow_path_or_is_read_as_strictly():
    counts = check_mutants(seed=1, count=20_000)
    assert counts[DECODED, DECODED] > 1_000 and counts[IGNORED, IGNORED] > 1_000
    assert good_but_slow(counts) < 0.1 * counts.total()


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("seed", [2, 3])
def test_many_mutated_frames_take_the_slow_path_or_are_read_as_strictly(seed):
    check_mutants(seed, count=100_000)


@needs_kernels
@pytest.mark.parametrize("venue", VENUES)
def test_no_sample_that_the_strict_reader_reads_takes_the_slow_path(venue):
    frames = list(SAMPLES[venue])
    frames += [json.dumps(json.loads(frame), indent=2).encode() for frame in frames]
    frames += [reversed_keys(frame) for frame in frames]
    counts = check(Scanner(VENUES[venue].dialect, SYMBOLS), frames)
    assert good_but_slow(counts) == 0
    assert counts[DECODED, DECODED] >= len(frames) / 4


def reversed_keys(frame: bytes) -> bytes:
    """Write the same message with every object's keys in the opposite order."""
    message = json.loads(frame, object_pairs_hook=lambda pairs: dict(pairs[::-1]))
    return json.dumps(message).encode()


BASES = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "AVAX", "LINK", "DOT")


@needs_kernels
def test_no_generated_trade_takes_the_slow_path(tmp_path):
    generator = ROOT / "tests" / "reference" / "gen.py"
    subprocess.run([sys.executable, generator, "20000", tmp_path, "--seed", "3"], check=True)
    for venue, quote in (("binance", "USDT"), ("coinbase", "USD")):
        lines = (tmp_path / f"{venue}-0.tape").read_bytes().splitlines()
        venue_symbol = VENUES[venue].venue_symbol
        symbols = {venue_symbol(base, quote): number for number, base in enumerate(BASES)}
        counts = check(
            Scanner(VENUES[venue].dialect, symbols), [line.partition(b" ")[2] for line in lines]
        )
        assert good_but_slow(counts) == 0
        assert counts[DECODED, DECODED] > 0.99 * len(lines) > counts[SLOW_PATH, MALFORMED] * 99


RECORDED = {
    "binance/spot__btcusdt_20240808.gz": "binance",
    "binance/spot__btcusdt_20240809.gz": "binance",
    "binance/usdm__ethusdt_20240808.gz": "binance-usdm",
    "venues/BINANCE_20210417T163611Z.jsonl.zst": "binance",
    "venues/BINANCE_FUTURES_20210417T163727Z.jsonl.zst": "binance-usdm",
    "venues/COINBASE_20210417T164336Z.jsonl.zst": "coinbase",
    "venues/COINBASE_20260809T210548Z_head.jsonl.zst": "coinbase",
}


def recorded(name: str) -> list[bytes]:
    """Read the frames of a recording: lines `<ns> <frame>`, or {"t":"recv","data":"<frame>"}."""
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"no recording {path}")
    packing = "gzip" if path.suffix == ".gz" else "zstd"
    with pa.CompressedInputStream(pa.OSFile(str(path)), packing) as file:
        lines = file.read().splitlines()
    if packing == "gzip":
        return [line.partition(b" ")[2] for line in lines]
    messages = map(json.loads, lines)
    return [message["data"].encode() for message in messages if message["t"] == "recv"]


@needs_kernels
@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_begins_without_a_slow_frame(name):
    frames = recorded(name)[:2_000]
    counts = check(Scanner(VENUES[RECORDED[name]].dialect, SYMBOLS), frames)
    assert counts.total() == sum(counts[each, each] for each in (DECODED, IGNORED, UNLISTED))


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("name", RECORDED)
def test_a_whole_recording_holds_no_good_frame_that_is_slow(name):
    reader, frames = Scanner(VENUES[RECORDED[name]].dialect, SYMBOLS), recorded(name)
    for first in range(0, len(frames), 5_000):
        assert good_but_slow(check(reader, frames[first : first + 5_000])) == 0


# --- one field ----------------------------------------------------------------------------


@needs_kernels
@settings(deadline=None)
@given(st.lists(st.from_regex(r"\A[0-9]{1,20}(\.[0-9]{1,20})?\Z"), min_size=1, max_size=50))
def test_decimals_are_the_nearest_float64_or_take_the_slow_path(texts):
    frames = [SPOT_TRADE.replace(b"61837.63000000", text.encode()) for text in texts]
    reader = Scanner(VENUES["binance"].dialect, SYMBOLS)
    check(reader, frames)
    _, status, _ = reader.scan(page(frames))
    for text, each in zip(texts, status, strict=True):
        digits = text.replace(".", "")
        exact = len(digits) <= 18 and 0 < int(digits) <= 2**53
        assert each == (DECODED if exact else SLOW_PATH)


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2300, 1, 1))  # noqa: DTZ001, hypothesis wants it so


@needs_kernels
@settings(deadline=None)
@given(
    st.lists(st.tuples(MOMENTS, st.from_regex(r"\A(\.[0-9]{1,10})?\Z")), min_size=1, max_size=50)
)
def test_times_are_exact_to_the_ns_or_take_the_slow_path(moments):
    texts = [f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z" for moment, fraction in moments]
    frames = [MATCH.replace(b"2021-04-17T16:43:37.121358Z", text.encode()) for text in texts]
    reader = Scanner(VENUES["coinbase"].dialect, SYMBOLS)
    check(reader, frames)
    rows, status, _ = reader.scan(page(frames))
    read = iter(rows.ints[INTS.index("event_ns")].tolist())
    for (moment, fraction), each in zip(moments, status, strict=True):
        assert (each == DECODED) == (2000 <= moment.year <= 2261 and len(fraction) <= 10)
        if each == DECODED:
            second = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
            assert next(read) == second * 10**9 + int(f"{fraction[1:]:0<9}")


@needs_kernels
def test_an_empty_side_of_the_book_is_nan_and_an_unlisted_symbol_is_left_out():
    quote = b'{"u":1,"s":"BTCUSDT","b":"0.00000000","B":"0","a":"2.5","A":"1"}'
    frames = [quote.replace(b"BTC", b"NEW"), quote]
    rows, status, _ = Scanner(VENUES["binance"].dialect, SYMBOLS).scan(page(frames))
    assert status.tolist() == [UNLISTED, DECODED]
    assert rows.ints[0].tolist() == [SYMBOLS["BTCUSDT"]]
    np.testing.assert_array_equal(rows.floats[2:6, 0], [np.nan, np.nan, 2.5, 1.0])


@needs_kernels
def test_a_table_of_many_symbols_finds_each_and_no_other():
    symbols = {f"COIN{number}USDT": number for number in range(5_000)}
    frames = [
        SPOT_TRADE.replace(b"BTCUSDT", b"COIN%dUSDT" % number) for number in range(0, 10_000, 3)
    ]
    check(Scanner(VENUES["binance"].dialect, symbols), frames)


# --- which channel ------------------------------------------------------------------------


@needs_kernels
def test_the_first_channel_that_matches_a_frame_reads_it():
    both = SPOT_TRADE[:-1] + b',"stream":"x","data":' + SPOT_TRADE.replace(b"BTC", b"ETH") + b"}"
    answer = b'{"lastUpdateId":1,"bids":[],"asks":[],"e":"trade"}'
    inside = combined(b'{"lastUpdateId":1,"bids":[],"asks":[],"u":5}')
    counts = check(Scanner(VENUES["binance"].dialect, SYMBOLS), [both, answer, inside] * 3)
    assert counts == {(DECODED, DECODED): 3, (SLOW_PATH, MALFORMED): 6}


@needs_kernels
def test_a_channel_that_is_not_expected_takes_the_slow_path():
    dialect = VENUES["binance"].dialect.restricted_to(("trade",))
    counts = check(Scanner(dialect, SYMBOLS), [SPOT_TRADE, combined(SPOT_TRADE)])
    assert counts == {(DECODED, DECODED): 1, (SLOW_PATH, MALFORMED): 1}


def test_the_kernel_reads_every_channel_of_every_venue():
    for venue in VENUES.values():
        assert compile_dialect(venue.dialect, {}).unscanned == ()


def test_what_tables_cannot_express_is_left_to_the_strict_reader():
    assert compile_dialect(ODD, {}).unscanned == ("two places", "shadowed", "never reached")


@needs_kernels
def test_rows_of_arrays_in_arrays_carry_the_fields_around_them():
    counts = check(Scanner(ODD, SYMBOLS), list(ODD_SAMPLES))
    assert counts == {(DECODED, DECODED): 3, (SLOW_PATH, IGNORED): 1, (SLOW_PATH, UNLISTED): 1}


@needs_kernels
def test_an_array_of_thousands_of_rows_is_read():
    row = b'{"product_id":"A","best_bid":"1","best_bid_quantity":"3"'
    row += b',"best_ask":"2","best_ask_quantity":"4"}'
    first, last = TICKERS.index(b'[{"type":"ticker"'), TICKERS.index(b"]}]}")
    frame = TICKERS[:first] + b"[" + b",".join([row] * 5_000) + TICKERS[last:]
    reader = Scanner(VENUES["coinbase"].dialect, {})
    assert check(reader, [frame, MATCH, frame]) == {(DECODED, DECODED): 2, (UNLISTED, UNLISTED): 1}
    cut = page([frame])
    cut = Page("coinbase-0", 0, cut.log_ns, cut.starts, cut.ends - 5_000, cut.data)
    assert reader.scan(cut)[1].tolist() == [SLOW_PATH]
    cut = Page("coinbase-0", 0, cut.log_ns, cut.starts, cut.starts + first + 1, cut.data)
    assert reader.scan(cut)[1].tolist() == [SLOW_PATH]  # though what follows it goes on with rows


@needs_kernels
@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_frames_of_more_rows_than_expected_are_read_whole(rows):
    row = TICKERS[TICKERS.index(b'{"type":"ticker"') : TICKERS.index(b"]}]}")]
    frame = TICKERS.replace(row, b",".join([row] * rows))
    reader = Scanner(VENUES["coinbase"].dialect, SYMBOLS)
    for frames in ([frame] * 300, [MATCH, b"{"] * 50 + [frame] * 200, [b"{", frame, MATCH]):
        counts = check(reader, frames)
        assert good_but_slow(counts) == 0
        assert counts[DECODED, DECODED] >= frames.count(frame)


# --- around the kernel --------------------------------------------------------------------


@needs_kernels
def test_frames_need_not_stand_side_by_side():
    data = np.frombuffer(b"xx" + SPOT_TRADE + b"{}" + SPOT_TRADE[:-1] + bytes(64), np.uint8)
    size = len(SPOT_TRADE)
    starts = np.array([2, 2 + size, 5, 4 + size])
    apart = Page(
        "binance-0",
        0,
        np.zeros(4, np.int64),
        starts,
        np.array([2 + size, 2 + size, 5, 3 + 2 * size]),
        data,
    )
    rows, status, _ = Scanner(VENUES["binance"].dialect, SYMBOLS).scan(apart)
    assert status.tolist() == [DECODED, HEARTBEAT, HEARTBEAT, SLOW_PATH]
    assert rows.frame.tolist() == [0]


@needs_kernels
def test_a_page_without_padding_or_with_frames_beyond_it_fails():
    reader, good = Scanner(VENUES["binance"].dialect, SYMBOLS), page([SPOT_TRADE])
    unpadded = Page("binance-0", 0, good.log_ns, good.starts, good.ends, good.data[:-1])
    beyond = Page("binance-0", 0, good.log_ns, good.starts, good.ends + 1, good.data)
    for bad in (unpadded, beyond):
        with pytest.raises(AssertionError):
            reader.scan(bad)
    assert not len(reader.scan(page([]))[1])


@needs_kernels
def test_threads_may_share_a_scanner():
    reader = Scanner(VENUES["binance-usdm"].dialect, SYMBOLS)
    pages = [
        page([USDM_TRADE.replace(b"8068523", b"%07d" % i) for i in range(k, k + 500)])
        for k in range(200)
    ]
    with ThreadPoolExecutor(4) as threads:
        for k, (rows, status, _) in enumerate(threads.map(reader.scan, pages)):
            assert rows.ints[INTS.index("trade_id")].tolist() == [
                4300000000 + i for i in range(k, k + 500)
            ]
            assert not status.any()


@needs_kernels
def test_a_copy_of_a_scanner_scans():
    reader = pickle.loads(pickle.dumps(Scanner(VENUES["binance"].dialect, SYMBOLS)))
    assert reader.scan(page([SPOT_TRADE]))[1].tolist() == [DECODED]


@needs_kernels
def test_kernel_and_tables_have_the_same_layout():
    from tapeflow.operators.decode import kernel as scan_kernel  # noqa: PLC0415

    shared = {name for name in vars(layout) if name.isupper()} & set(vars(scan_kernel))
    assert len(shared) > 50
    for name in shared:
        assert getattr(layout, name) == getattr(scan_kernel, name), name
    assert (scan_kernel.DECODED, scan_kernel.HEARTBEAT) == (DECODED, HEARTBEAT)
    assert (scan_kernel.IGNORED, scan_kernel.SLOW_PATH) == (IGNORED, SLOW_PATH)


@needs_kernels
def test_the_kernel_need_not_know_how_many_columns_there_are():
    from tapeflow.operators.decode import page_kernel  # noqa: PLC0415

    reader = Scanner(VENUES["coinbase"].dialect, SYMBOLS)
    memory = ThreadMemory(scanner.load_kernel()[1], reader.table_rows)
    frames = page([MARKET_TRADES])
    rows, _, _ = reader.scan(frames)
    wider = np.tile(np.arange(len(rows.frame) + layout.LEVELS), (layout.WIDTH + 1, 1))
    status, ignored = np.empty(1, np.int64), np.empty((1, 2), np.int64)
    page_kernel.scan(
        frames.data, len(frames.data), frames.starts, frames.ends, status, wider,
        memory.scratch, memory.templates, (*reader.addresses, ignored.ctypes.data),
    )  # fmt: skip
    assert status.tolist() == [DECODED]
    some = scanner.to_rows(wider[: layout.WIDTH, : len(rows.frame)])
    assert_same_rows(reader.dialect, some, rows)
    assert wider[-1, : len(rows.frame)].tolist() == [
        2,
        1,
        0,
    ]  # in the order of the log as all others


def test_where_kernels_are_not_compiled_every_frame_takes_the_slow_path(monkeypatch):
    monkeypatch.setattr(scanner, "is_compiled", lambda kernel: False)
    scanner.load_kernel.cache_clear()
    rows, status, _ = Scanner(VENUES["binance"].dialect, SYMBOLS).scan(
        page([SPOT_TRADE, b"", b"{"])
    )
    scanner.load_kernel.cache_clear()
    assert status.tolist() == [SLOW_PATH, HEARTBEAT, SLOW_PATH]
    assert rows.frame.size == 0


def test_making_a_scanner_makes_no_kernel():
    code = "from tapeflow.operators.decode.scanner import Scanner; from tapeflow.schemas.venues import VENUES; import sys; "
    code += "Scanner(VENUES['binance'].dialect, {'A': 0}); sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
