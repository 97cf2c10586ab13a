"""A frame read along a template is read as along its plan: the same rows, status and number.

A million mutants instead of some: TAPEFLOW_MUTANTS=1000000 pytest tests/test_templates.py
"""

import json
import os
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tapeflow.engine.rungs import are_compiled
from tapeflow.operators.decode import scanner as scanning
from tapeflow.operators.decode import thread_memory
from tapeflow.operators.decode.rows import FLOATS, INTS, table_numbers
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.template_layout import MISSES, NEVER, TEMPLATE_OF
from tapeflow.operators.decode.templates import make_template
from tapeflow.operators.decode.thread_memory import TEMPLATES_MAX
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import DECODED, IGNORED, SLOW_PATH, UNLISTED, Market
from tests.fuzz_frames import (
    AGG_TRADE,
    BLANKS,
    DEPTH_UPDATE,
    MARK_PRICE,
    MATCH,
    MEMBERS,
    MUTATORS,
    NEWER_TICKER,
    SPOT_QUOTE,
    SPOT_TRADE,
    SYMBOLS,
    TICKER,
    USDM_QUOTE,
    USDM_TRADE,
    combined,
    mutants,
    space_out,
    span,
)
from tests.test_scanner import ALL_SAMPLES, DIALECTS, ODD_SAMPLES, page

pytestmark = pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")
MUTANTS = int(os.environ.get("TAPEFLOW_MUTANTS", "30000"))  # of each test that mutates

SPACED = json.dumps(json.loads(SPOT_TRADE), indent=1).encode()
LONG_KEYS = MATCH.replace(b'"sequence"', b'"a key that is longer than any literal of a template"')
FRAMES = {  # dialect: frames of which templates are made
    "binance": (
        SPOT_TRADE, SPOT_QUOTE, combined(SPOT_TRADE), combined(SPOT_QUOTE, b"btcusdt@bookTicker"),
        AGG_TRADE, DEPTH_UPDATE, SPACED, b" " + SPOT_TRADE + b"\n",
        SPOT_TRADE.replace(b"1723161255342,", b"1723161255342000,"),
        SPOT_TRADE.replace(b"3735683259", b"0"),
        SPOT_TRADE.replace(b"3735683259", b"123456789012345678"),
        SPOT_TRADE.replace(b'"M":true', b'"M":{"a":[1,{"b":null}]},"N":"","O":-1.5e3,"P":12345678'),
        b'{"result":null,"id":1}',
    ),
    "aggregated": (AGG_TRADE, SPOT_TRADE, combined(AGG_TRADE)),
    "in ms": (SPOT_TRADE, combined(SPOT_TRADE)),
    "binance-usdm": (USDM_TRADE, USDM_QUOTE, MARK_PRICE, combined(USDM_TRADE)),
    "coinbase": (
        MATCH, TICKER, NEWER_TICKER, LONG_KEYS, MATCH.replace(b"match", b"last_match"),
        MATCH.replace(b".121358Z", b"Z"), MATCH.replace(b".121358Z", b".123456789Z"),
    ),
    "odd": ODD_SAMPLES[2:3],
}  # fmt: skip
SAMPLES = [(dialect, frame) for dialect, frames in FRAMES.items() for frame in frames]


def memory_of(reader):
    return reader.memory(scanning.load_kernel()[1])


def without_templates(dialect):
    reader = Scanner(DIALECTS[dialect], SYMBOLS)
    memory_of(reader).templates[TEMPLATE_OF:] = NEVER
    return reader


def with_template(dialect, frame):
    """A scanner that has the template of this frame."""
    reader = Scanner(DIALECTS[dialect], SYMBOLS)
    reader.scan(page([frame]))
    reader.scan(page([frame]))
    assert memory_of(reader).templates[MISSES] == 0, frame
    return reader


def assert_same(reader, plain, some):
    """Compare a page that is read with templates and without: all of it, bit by bit."""
    return compare(plain, reader.scan(some), plain.scan(some))


def compare(plain, one, other):
    """Compare what two scanners made of a page; return the status of its frames."""
    (rows, status, ignored), (own, own_status, own_ignored) = one, other
    np.testing.assert_array_equal(status, own_status)
    np.testing.assert_array_equal(ignored[status == IGNORED], own_ignored[status == IGNORED])
    np.testing.assert_array_equal(rows.frame, own.frame)
    np.testing.assert_array_equal(rows.channel, own.channel)
    tables = table_numbers(plain.dialect)[rows.channel]
    for number, table in enumerate(Market.tables().values()):
        names, of_table = table.column_names(), tables == number
        for columns, read, true in (
            (INTS, rows.ints, own.ints),
            (FLOATS, rows.floats.view(np.int64), own.floats.view(np.int64)),
        ):
            at = [at for at, column in enumerate(columns) if column in names]
            np.testing.assert_array_equal(read[at][:, of_table], true[at][:, of_table])
    return status


def change_length(frame, draw, others):
    """Add digits to a number or take some away: it is not as long as that of the sample."""
    a, b = span(frame, re.compile(rb"[0-9]+"), draw)
    digits = frame[a:b]
    by = draw.choice((1, 1, 2, 5))
    longer = bytes(draw.choices(b"0123456789", k=by)) + digits
    return frame[:a] + draw.choice((digits[by:], digits[:-by], longer, longer[::-1])) + frame[b:]


def space_at_literal(frame, draw, others):
    """Put a blank before or behind a quote, comma, colon or bracket, where a literal ends."""
    a, b = span(frame, re.compile(rb'[",:{}\[\]]'), draw)
    at = draw.choice((a, b))
    return frame[:at] + draw.choice(BLANKS) + frame[at:]


def unicode_in_text(frame, draw, others):
    a, b = span(frame, re.compile(rb'"[^"]*"'), draw)
    if b - a < 2:
        return frame
    at = draw.randrange(a + 1, b)
    odd = (b"\xc3\xa9", b"\x7f", b"\x80", b"\\u0041", b'\\"', b"\\", b"\0", b"\x1f", b"~", b'"')
    return frame[:at] + draw.choice(odd) + frame[at + draw.choice((0, 1)) :]


def reorder(frame, draw, others):
    found = [match.span() for match in MEMBERS.finditer(frame)]
    if len(found) < 2:
        return frame
    at = draw.randrange(len(found) - 1)
    (a, b), (c, d) = found[at : at + 2]
    return frame[:a] + frame[c:d] + frame[b:c] + frame[a:b] + frame[d:]


CLOSE_MUTATORS = (
    *MUTATORS, *[change_length] * 6, *[space_at_literal] * 2, *[unicode_in_text] * 2, reorder,
    space_out,
)  # fmt: skip


def close_mutants(seed, sample, count):
    """Draw frames that are like the sample, most of them but for one change."""
    draw = random.Random(seed)
    for _ in range(count):
        frame = sample
        for _ in range(draw.choice((0, 1, 1, 1, 1, 2))):
            frame = draw.choice(CLOSE_MUTATORS)(frame, draw, (sample, SPOT_QUOTE, TICKER))
        yield frame


def cut(some, draw):
    """Let frames of a page end early, though their bytes go on behind."""
    lengths = some.ends - some.starts
    short = np.array([draw.choice((0, 0, 1, 2, 9, 40)) for _ in lengths], np.int64)
    ends = some.ends - np.minimum(short, lengths)
    return Page(some.partition, 0, some.log_ns, some.starts, ends, some.data)


@pytest.mark.parametrize(("dialect", "sample"), SAMPLES)
def test_a_mutant_of_the_sample_is_read_as_without_its_template(dialect, sample):
    draw, statuses, missed = random.Random(5), Counter(), 0
    plain, reader = without_templates(dialect), with_template(dialect, sample)
    frames = list(close_mutants(sample[:20].hex(), sample, MUTANTS // len(SAMPLES)))
    while frames:
        size = draw.choice((1, 1, 2, 5, 100, 300))  # the last of a page ends where its data does
        some, frames = page(frames[:size]), frames[size:]
        for each in (some, cut(some, draw)):
            statuses += Counter(assert_same(reader, plain, each).tolist())
        missed += int(memory_of(reader).templates[MISSES])
    read = statuses[DECODED] + statuses[IGNORED] + statuses[UNLISTED]
    assert read > 0.2 * statuses.total()
    assert missed < 0.5 * read  # the others were read along the template
    assert statuses[SLOW_PATH] > 0.1 * statuses.total()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_mutants_of_all_samples_are_read_as_without_templates(dialect):
    #   templates come and go, of frames that were mutated themselves
    plain, reader = without_templates(dialect), Scanner(DIALECTS[dialect], SYMBOLS)
    memory = memory_of(reader)
    drawn = mutants(7, MUTANTS // len(DIALECTS), {dialect: ALL_SAMPLES[dialect]})
    frames, draw = [frame for _, frame in drawn], random.Random(7)
    while frames:
        size = draw.choice((1, 3, 50, 500))
        some, frames = page(frames[:size]), frames[size:]
        memory.patience = draw.choice((1, 20))  # so that many are made
        for each in (some, cut(some, draw)):
            assert_same(reader, plain, each)
    assert memory.made


NUMBERS = ["0", "00", "01", "1", "9" * 12, "9223372036854", "9223372036855", "9999999999999"]
NUMBERS += ["1" * size for size in range(2, 22)] + ["0" + "1" * size for size in (7, 12, 15)]
SIZES = (0, 1, 7, 8, 9)
DECIMALS = ["0", "0.0", "0.00000000", "00000000.1", "12345678.12345678", "1234567.87654321"]
DECIMALS += ["123456789.1", "1.123456789", "1.", ".1", "", "1e3", "0.00000001", "99999999.99999999"]
DECIMALS += ["1" * size + "." + "2" * places for size in SIZES for places in SIZES]
TIMES = [
    f"2021-04-17T16:43:{second}" for second in ("00Z", "59.9Z", "60.1Z", "5Z", "37,5Z", "a7.1Z")
]
TIMES += [f"2021-04-17T16:4{minute}:01.{'5' * places}Z" for minute in "34" for places in range(12)]
TIMES += ["2021-04-17T16:43 37.5Z", "2021-04-17T16:43:37.5z", "2021-04-17T16:43:37.5+", ""]
CASES = {
    '"t":3735683259': [f'"t":{number}' for number in [*NUMBERS, "-1", "1.0", "1e1", '"1"', "null"]],
    '"T":1723161255342': [f'"T":{number}' for number in NUMBERS],
    '"E":1723161255343': [f'"E":{number}' for number in [*NUMBERS, "null", '""', "{}", "-0.5e-7"]],
    '"p":"61837.63000000"': [f'"p":"{number}"' for number in DECIMALS],
    '"b":"61837.63000000"': [f'"b":"{number}"' for number in DECIMALS] + ['"b":null', '"b":1'],
    '"time":"2021-04-17T16:43:37.121358Z"': [f'"time":"{time}"' for time in TIMES],
    '"s":"BTCUSDT"': [f'"s":"{symbol}"' for symbol in [*SYMBOLS, "A" * 24, "A" * 40, r"\u0041"]],
    '"m":true': [f'"m":{value}' for value in ("false", "tru", "falsy", "1", '"true"', "null")],
    '"M":true': [f'"M":{value}' for value in ("false", "tru", "1", '"true"', "null", "[]")],
    '"side":"sell"': [f'"side":"{side}"' for side in ("buy", "sel", "sells", "", "BUY", r"se\u006c")],
    '"taker_order_id":"3dec64e4-f6ad-4ca8-ad3f-e5b1a0eb0d06"': [
        f'"taker_order_id":"{"x" * size}{odd}"'
        for size in (0, 1, 15, 16, 31, 35, 36, 37, 47, 48, 90)
        for odd in ("", "\\", "\x1f", "\u00e9", '\\"', "\x7f")
    ],
}  # fmt: skip


@pytest.mark.parametrize("old", CASES)
@pytest.mark.parametrize(("dialect", "sample"), SAMPLES)
def test_values_at_the_edges_are_read_as_without_templates(dialect, sample, old):
    frames = [sample.replace(old.encode(), new.encode()) for new in CASES[old]]
    if sample in frames:
        return  # it has no such value
    plain = without_templates(dialect)
    for alone in (True, False):
        reader = with_template(dialect, sample)
        for some in [[frame] for frame in frames] if alone else [frames]:
            assert_same(reader, plain, page(some))
    for other in frames:  # nor does it matter which of them is the sample
        reader = Scanner(DIALECTS[dialect], SYMBOLS)
        for _ in range(2):
            assert_same(reader, plain, page([other, *frames]))


# --- which template -----------------------------------------------------------------------


def test_channels_that_take_turns_each_have_their_template():
    quotes = [SPOT_QUOTE.replace(b"50093239212", b"%d" % n) for n in range(1, 3000, 7)]
    turns = [[quote, combined(SPOT_TRADE), combined(quote, b"x"), SPOT_TRADE] for quote in quotes]
    some = page([frame for turn in turns for frame in turn])
    plain, reader = without_templates("binance"), Scanner(DIALECTS["binance"], SYMBOLS)
    for _ in range(8):
        assert_same(reader, plain, some)
    assert len(memory_of(reader).made) == 4
    assert memory_of(reader).templates[MISSES] == 0


def test_a_channel_that_is_written_in_another_way_gets_another_template():
    newer = SPOT_TRADE.replace(b'"M":true', b'"M":true,"new":"key"')
    plain, reader = without_templates("binance"), Scanner(DIALECTS["binance"], SYMBOLS)
    for frame in (SPOT_TRADE, newer, SPACED):
        for _ in range(6):
            assert_same(reader, plain, page([frame] * 50))
        assert memory_of(reader).templates[MISSES] == 0
    assert len(memory_of(reader).made) == 1


def test_frames_that_all_differ_cost_few_templates(monkeypatch):
    made = []

    def make(tables, plan, frame):
        made.append(plan)
        return make_template(tables, plan, frame)

    monkeypatch.setattr(thread_memory, "make_template", make)
    reader = Scanner(DIALECTS["binance"], SYMBOLS)
    for number in range(3000):
        frame = SPOT_TRADE.replace(b'"M":true', b'"M%d":true' % number)
        assert reader.scan(page([frame]))[1].tolist() == [DECODED]
    assert 3 < len(made) < 14


def test_more_channels_than_templates_are_all_read():
    reader = Scanner(DIALECTS["binance"], SYMBOLS)
    names = [channel.shape["e"].words[0][0] for channel in reader.dialect.channels
             if isinstance(channel.shape, dict) and getattr(channel.shape.get("e"), "words", ())]  # fmt: skip
    assert len(names) > TEMPLATES_MAX
    for _ in range(40):
        status = reader.scan(page([b'{"e":"%b","E":7}' % name.encode() for name in names]))[1]
        memory_of(reader).patience = 1
    assert IGNORED in status
    assert len(memory_of(reader).made) == TEMPLATES_MAX
    assert_same(reader, without_templates("binance"), page([SPOT_TRADE, combined(SPOT_TRADE)] * 9))


def test_threads_have_templates_of_their_own():
    reader, plain = Scanner(DIALECTS["binance"], SYMBOLS), without_templates("binance")
    forms = (SPOT_TRADE, SPACED, combined(SPOT_TRADE), SPOT_QUOTE)

    def read(number):
        frames = [
            frame.replace(b"3735683259", b"%d" % number) for frame in [forms[number % 4]] * 99
        ]
        return frames, reader.scan(page(frames))

    with ThreadPoolExecutor(4) as threads:
        for frames, read_by_thread in threads.map(read, range(400)):
            compare(plain, read_by_thread, plain.scan(page(frames)))
