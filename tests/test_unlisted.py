"""Symbols that a job does not list: named with exact counts, at no cost for those that it lists."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.duckdb import query as duckdb_query
from tapeflow.flows.job import wiring
from tapeflow.operators.decode.messages import MalformedError
from tapeflow.operators.decode.step import step
from tapeflow.operators.decode.strict import read_frame
from tapeflow.operators.decode.unlisted import RecordingSymbols, find_texts
from tapeflow.operators.unlisted import CountUnlisted
from tapeflow.schemas.batches import Page
from tapeflow.schemas.time import NS_PER_MINUTE
from tests.frames import S
from tests.laws import run
from tests.plain_flow import INSTRUMENTS, JOB
from tests.running import REFERENCE, replay

DECODERS = wiring.decoders(JOB, INSTRUMENTS)
LISTED = "BTCUSDT"
GOLDEN_DIGEST = "7a2a0ae254f4625a35c5dcada60f95f0e187f5e4d0df4355cb81a3a98f107678"


def trade(symbol, number=1):
    return (
        f'{{"e":"trade","E":1,"s":{json.dumps(symbol)},"t":{number},"p":"100.0","q":"1.0",'
        '"T":1700000000000,"m":true,"M":true}'
    ).encode()


def spaced(symbol):
    return trade(symbol).replace(b'"s":', b'"s" : ')


def escaped(symbol):
    letters = "".join(f"\\u{ord(each):04x}" for each in symbol)
    return trade("@").replace(b"@", letters.encode())


def wrapped(symbol):
    return b'{"stream":"x@trade","data":' + trade(symbol) + b"}"


def quote(symbol):
    text = f'{{"u":1,"s":"{symbol}","b":"1.0","B":"1.0","a":"2.0","A":"1.0"}}'
    return text.encode()


FORMS = (trade, spaced, escaped, wrapped, quote)


def page_of(frames, log_ns=None, first_offset=0, *, partition="binance-0", end=False):
    times = log_ns or [number * S for number in range(len(frames))]
    return Page.from_frames(partition, first_offset, times, frames, end_of_log=end)


def decode(page):
    return step(page, decoder=DECODERS[page.partition.rpartition("-")[0]])


def counts(batch):
    return {(each.minute, each.symbol): each.records for each in batch.unlisted}


def test_records_of_each_unlisted_symbol_are_counted():
    frames = [trade("AAA"), trade(LISTED), trade("BBB"), b"", trade("AAA"), b"{broken"]
    batch = decode(page_of(frames, first_offset=7))
    assert counts(batch) == {(0, "AAA"): 2, (0, "BBB"): 1}
    (first, _) = batch.unlisted
    assert (first.first_offset, first.first_log_ns, first.last_log_ns) == (7, 0, 4 * S)


@pytest.mark.parametrize("form", FORMS)
def test_a_symbol_is_read_in_every_form_that_a_venue_may_write(form):
    assert counts(decode(page_of([form("AAA"), form("BBB"), form("AAA")]))) == {
        (0, "AAA"): 2,
        (0, "BBB"): 1,
    }


def test_symbols_that_are_not_ascii_or_look_like_sql_are_named_as_they_are():
    names = ["币安人生USDT", "a'b", 'q"uote', "back\\slash", "", "é"]
    batch = decode(page_of([trade(name) for name in names]))
    assert counts(batch) == {(0, name): 1 for name in names}


def test_a_symbol_of_absurd_length_is_cut():
    batch = decode(page_of([trade("X" * 100_000), trade("X" * 100_000)]))
    assert counts(batch) == {(0, "X" * 64): 2}


def test_a_record_that_holds_listed_and_unlisted_symbols_counts_once_for_each_unlisted_one():
    ticks = [
        {"product_id": name, "trade_id": str(number), "price": "1.0", "size": "1.0", "side": "BUY",
         "time": "2024-01-01T00:00:00Z"}
        for number, name in enumerate(["BTC-USD", "FOO-USD", "BAR-USD", "FOO-USD"])
    ]  # fmt: skip
    frame = json.dumps(
        {"channel": "market_trades", "client_id": "", "timestamp": "2024-01-01T00:00:00Z",
         "sequence_num": 1, "events": [{"type": "update", "trades": ticks}]}
    ).encode()  # fmt: skip
    batch = decode(page_of([frame, frame], partition="coinbase-0"))
    assert len(batch.market.trades) == 2
    assert counts(batch) == {(0, "FOO-USD"): 2, (0, "BAR-USD"): 2}


def strict_counts(frames, log_ns):
    """Count with the strict reader alone, frame by frame."""
    found = {}
    decoder = DECODERS["binance"]
    for frame, time_ns in zip(frames, log_ns, strict=True):
        symbols = RecordingSymbols(decoder.symbols)
        try:
            read_frame(decoder.dialect, frame, symbols)
        except MalformedError:
            continue
        for symbol in symbols.missing:
            key = time_ns // NS_PER_MINUTE, symbol
            found[key] = found.get(key, 0) + 1
    return found


SYMBOLS = st.one_of(st.sampled_from([LISTED, "ETHUSDT", "AAA", "BBB"]), st.text(max_size=5))
DRAWN = st.lists(st.tuples(st.sampled_from(FORMS[:4]), SYMBOLS), max_size=30)


@settings(max_examples=150, deadline=None)
@given(DRAWN, st.integers(1, 40))
def test_the_counts_are_those_of_the_strict_reader(drawn, seconds):
    frames = [form(symbol) for form, symbol in drawn]
    log_ns = [number * seconds * S for number in range(len(frames))]
    assert counts(decode(page_of(frames, log_ns))) == strict_counts(frames, log_ns)


@settings(max_examples=100, deadline=None)
@given(DRAWN, st.integers(1, 40), st.integers(1, 10))
def test_rows_of_minutes_do_not_depend_on_pages(drawn, seconds, size):
    frames = [form(symbol) for form, symbol in drawn]
    log_ns = [number * seconds * S for number in range(len(frames))]

    def rows(size):
        pages = [
            page_of(frames[at : at + size], log_ns[at : at + size], at)
            for at in range(0, len(frames), size)
        ]
        end = page_of([], [], len(frames), end=True)
        return run(CountUnlisted(), [*map(decode, pages), decode(end)])[1]

    whole = rows(1000)
    assert rows(size) == whole
    total = {}
    for row in whole:
        total[row.time_ns // NS_PER_MINUTE, row.symbol] = row.records
    assert total == strict_counts(frames, log_ns)


def test_the_kernel_and_plain_python_find_the_same_texts():
    frames = [trade("AAA"), spaced("BBB"), b'"s":"', b'"s":"open', b"", escaped("C")]
    page, key = page_of(frames), np.frombuffer(b'"s":"', np.uint8)
    numbers = np.arange(len(frames))
    kernel: Any = find_texts
    found = []
    for function in (kernel, kernel.__wrapped__):
        texts = np.zeros((3, len(frames)), np.int64)
        function(page.data, page.starts, page.ends, numbers, key, texts)
        found.append(texts.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_results_name_unlisted_symbols_and_the_digest_does_not_depend_on_them(
    tmp_path, workers
):
    results = tmp_path / "results.duckdb"
    digest = replay(REFERENCE / "golden-heartbeat", results, workers=workers)
    assert digest == GOLDEN_DIGEST
    rows = duckdb_query.query(results, "SELECT partition, symbol, records FROM unlisted").rows
    assert rows == [("binance-0", "FOOUSDT", 1), ("coinbase-0", "FOO-USD", 1)]
    ((unlisted,),) = duckdb_query.query(results, "SELECT sum(unlisted)::INT FROM data_quality").rows
    assert unlisted == sum(row[2] for row in rows)
