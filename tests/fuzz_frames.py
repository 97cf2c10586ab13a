"""Frames as venues send them, and seeded ways to mutate one.

    for venue, frame in mutants(seed=1, count=1000): ...

A mutant may still be a good frame: the strict reader decides.
"""

import random
import re
from collections.abc import Callable, Iterator

SPOT_TRADE = (
    b'{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",'
    b'"q":"0.02000000","T":1723161255342,"m":true,"M":true}'
)
SPOT_QUOTE = (
    b'{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",'
    b'"a":"0.00000000","A":"0.00000000"}'
)
DEPTH_UPDATE = (
    b'{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,'
    b'"b":[["61737.63","0.00"],["61730.17","0.10"]],"a":[]}'
)
DEPTH = b'{"lastUpdateId":50093239218,"bids":[["61837.63","3.78"]],"asks":[["61837.64","1.5"]]}'
KLINE = (
    b'{"e":"kline","E":1618677373907,"s":"SWRVBUSD","k":{"t":1618677360000,"i":"1m","o":"2.277",'
    b'"n":1,"x":false,"r":-1.5e-7,"l":null}}'
)
USDM_TRADE = (
    b'{"e":"trade","E":1723161256560,"T":1723161256560,"s":"ETHUSDT","t":4308068523,"p":"2681.62",'
    b'"q":"1.000","X":"MARKET","m":false}'
)
USDM_QUOTE = (
    b'{"e":"bookTicker","u":5123107838717,"s":"ETHUSDT","b":"2681.62","B":"1.165","a":"2681.63",'
    b'"A":"73.077","T":1723161256310,"E":1723161256311}'
)
AGG_TRADE = (
    b'{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":12345,"p":"0.001","q":"100","f":100,"l":105,'
    b'"T":1672515782136,"m":true,"M":true}'
)
MARK_PRICE = (
    b'{"e":"markPriceUpdate","E":1735732800000,"s":"BTCUSDT","p":"1.2345","i":"1.2346","P":"1.2300",'
    b'"ap":"1.2","r":"0.0001","T":1735761600000}'
)
DAY_TICKER = b'{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","n":18151}'
MATCH = (
    b'{"type":"match","trade_id":1568268,"maker_order_id":"cac01d6d-8009-4c33-8e0d-f7f853d7c1bc",'
    b'"taker_order_id":"3dec64e4-f6ad-4ca8-ad3f-e5b1a0eb0d06","side":"sell","size":"450",'
    b'"price":"0.791","product_id":"SKL-USD","sequence":201390075,"time":"2021-04-17T16:43:37.121358Z"}'
)
TICKER = (
    b'{"type":"ticker","sequence":27883501,"product_id":"SKL-GBP","price":"0.5762","best_bid":"0.5742",'
    b'"best_ask":"0.5771","side":"buy","time":"2021-04-17T16:43:37.270697Z","trade_id":1,'
    b'"last_size":"0.04"}'
)
NEWER_TICKER = TICKER[:-1] + b',"best_bid_size":"7","best_ask_size":"0"}'
L2UPDATE = (
    b'{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],'
    b'"time":"2021-04-17T16:43:37.075687Z"}'
)
MARKET_TRADES = (
    b'{"channel":"market_trades","timestamp":"2026-08-09T21:05:53.953732465Z","sequence_num":233,'
    b'"events":[{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572102",'
    b'"price":"65083.67","size":"0.00063806","time":"2026-08-09T21:05:53.915769Z","side":"SELL"},'
    b'{"product_id":"ETH-USD","trade_id":"77","price":"1916.5","size":"2","time":'
    b'"2026-08-09T21:05:53.9Z","side":"BUY"}]},{"trades":[{"product_id":"BTC-USD","trade_id":"5",'
    b'"price":"1","size":"1","time":"2026-08-09T21:05:42Z","side":"BUY"}],"type":"snapshot"}]}'
)
TICKERS = (
    b'{"channel":"ticker","timestamp":"2026-08-09T21:05:48.348050942Z","sequence_num":11,"events":'
    b'[{"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"65083.67",'
    b'"best_bid":"65083.66","best_ask":"65083.67","best_bid_quantity":"0.20371215",'
    b'"best_ask_quantity":"0.15556334"}]}]}'
)
HEARTBEATS = (
    b'{"channel":"heartbeats","timestamp":"2026-08-09T21:05:48.856Z","sequence_num":35,"events":'
    b'[{"current_time":"2026-08-09 21:05:48.854 +0000 UTC m=+41691.2","heartbeat_counter":41691}]}'
)


TICKER_BATCH = (
    b'{"channel":"ticker_batch","timestamp":"2025-01-01T12:00:00.5Z","sequence_num":1,"events":[{"type":'
    b'"update","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"94000","best_bid":"",'
    b'"best_ask":null,"best_bid_quantity":"","best_ask_quantity":"0"},{"type":"ticker","product_id":'
    b'"ETH-USD","price":"3400","best_bid":"3400","best_ask":"3401"}]}]}'
)
NO_QUOTES = (
    b'{"channel":"ticker_batch","timestamp":"2025-01-01T12:00:00.5Z","sequence_num":1,"events":[{"type":'
    b'"update","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"94000"}]}]}'
)


def array(*frames: bytes) -> bytes:
    """Return frames as a stream of all symbols sends them."""
    return b"[%b]" % b",".join(frames)


def combined(frame: bytes, stream: bytes = b"btcusdt@trade") -> bytes:
    """Wrap a frame as on a combined stream of Binance."""
    return b'{"stream":"%b","data":%b}' % (stream, frame)


ANSWERS = (
    DEPTH,
    b'{"result":null,"id":1}',
    b'{"error":{"code":2,"msg":"x"}}',
    b'{"code":-1,"msg":"y"}',
)
SPOT = (SPOT_TRADE, SPOT_QUOTE, DEPTH_UPDATE, KLINE, *ANSWERS)
USDM = (USDM_TRADE, USDM_QUOTE, DEPTH_UPDATE, KLINE, *ANSWERS)
DAY_TICKERS = (array(DAY_TICKER), array(DAY_TICKER, DAY_TICKER.replace(b"BNB", b"ETH")))
NEGATIVE = MARK_PRICE.replace(b'"0.0001"', b'"-0.00038167"')
EXPIRING = MARK_PRICE.replace(b'"0.0001"', b'""').replace(b"1735761600000}", b"0}")
NO_RATE = MARK_PRICE.replace(b'"0.0001"', b'"0.00000000"').replace(
    b"1735761600000", b"1735761600000000"
)
MARK_PRICES = (
    NEGATIVE,
    EXPIRING,
    NO_RATE,
    MARK_PRICE,
    array(NEGATIVE, EXPIRING),
    array(MARK_PRICE, MARK_PRICE.replace(b"BTC", b"NEW")),
    array(MARK_PRICE),
)
US_TRADE = SPOT_TRADE.replace(b"342,", b"342000,").replace(b"343,", b"343000,")
IMPORTED = (
    b'{"tapeflow":"trade","symbol":"BTCUSDT","id":3735683259,"price":"61837.63000000",'
    b'"size":"0.02000000","side":"sell","event":1723161255342,"received":1723161255398211000}',
    b'{"tapeflow":"aggTrade","symbol":"BTC-USD","id":12345,"price":"0.001","size":"100",'
    b'"side":"buy","first":100,"last":105,"event":1672515782136123}',
    b'{"tapeflow":"quote","symbol":"BTCUSDT","bid":"65083.66","bid_size":"0.2","ask":"65083.67",'
    b'"ask_size":"","event":1786309553953732}',
    b'{"tapeflow":"quote","symbol":"BTCUSDT","bid":"1","bid_size":"","ask":"","ask_size":null}',
)
SAMPLES = {
    "binance": (
        *SPOT,
        *map(combined, SPOT),
        combined(SPOT_QUOTE, b"btcusdt@bookTicker"),
        AGG_TRADE,
        US_TRADE,
        combined(AGG_TRADE),
        *DAY_TICKERS,
        *map(combined, DAY_TICKERS),
        SPOT_QUOTE.replace(b'"0.00000000"', b'""').replace(b'"3.78826000"', b"null"),
        *IMPORTED,
    ),
    "binance-usdm": (
        *USDM,
        *map(combined, USDM),
        USDM_TRADE.replace(b"MARKET", b"ADL"),
        USDM_TRADE.replace(b',"X":"MARKET"', b""),
        SPOT_QUOTE,
        AGG_TRADE,
        *MARK_PRICES,
        *map(combined, MARK_PRICES),
        *DAY_TICKERS,
        combined(DAY_TICKERS[0]),
        *IMPORTED,
    ),
    "coinbase": (
        MATCH,
        MATCH.replace(b'"match"', b'"last_match"'),
        TICKER,
        NEWER_TICKER,
        TICKER.replace(b'"time":"2021-04-17T16:43:37.270697Z",', b""),
        L2UPDATE,
        MARKET_TRADES,
        TICKERS,
        TICKER_BATCH,
        NO_QUOTES,
        HEARTBEATS,
        b'{"type":"subscriptions","channels":[{"name":"level2","product_ids":["BTC-USD"]}]}',
        b'{"type":"error","message":"no such product"}',
        *IMPORTED,
    ),
}  # all that the channels of the dialects distinguish
RARE = {  # good frames that the scanner may leave to the strict reader
    "binance": (b"[]", combined(b"[]"), SPOT_TRADE.replace(b"1723161255342", b"1723161255")),
    "binance-usdm": (
        USDM_TRADE.replace(b"MARKET", b"NA").replace(b"2681.62", b"0").replace(b"1.000", b"0"),
        USDM_TRADE.replace(b"MARKET", b"NA").replace(b"2681.62", b""),
    ),
    "coinbase": (
        TICKER.replace(b'"best_ask":"0.5771",', b""),
        TICKER.replace(b'"best_bid":"0.5742","best_ask":"0.5771",', b""),
    ),
}
IN_NS = IMPORTED[0].replace(b'"event":1723161255342', b'"event":1723161255342000001')
EVERY_SAMPLE = {venue: (*frames, *RARE[venue], IN_NS) for venue, frames in SAMPLES.items()}
LONG = "ABCDEFGHIJKLMNOPQRSTUVW"  # the longest symbol that the scanner knows
LISTED = ("BTCUSDT", "ETHUSDT", "BTC-USD", "SKL-USD", LONG, f"{LONG}X", "\u00e9", "")
SYMBOLS = {name: number for number, name in enumerate(LISTED)}

VALUE = rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null'
TOKENS = re.compile(VALUE + rb"|[][{}:,]", re.DOTALL)
VALUES = re.compile(rb":\s*(" + VALUE + rb")", re.DOTALL)
BLOCKS = re.compile(rb'"[^"\\]*":[\[{]')
MEMBERS = re.compile(rb'"[^"\\]*":(?:' + VALUE + rb")", re.DOTALL)
NUMBERS = (
    '0', '-0', '-1', '1.0', '01', '1e3', '1E400', '-1.5e-7', '2.', '.5', '-', 'NaN', 'Infinity',
    '-Infinity', '9223372036854775806', '9223372036854775807', '9223372036854775808', '999999999999999999',
    '1000000000000000000', '9223372036854', '9223372036855', '9007199254740993', "9" * 5000,
    '1735732800', '9999999999', '173573280000', '1735732800000', '9999999999999', '17357328000000',
    '1735732800000123', '9223372036854775', '9223372036854776', '9999999999999999',
    '1735732800000123456', '9999999999999999999', '5', '101', '105', '2147483750', '2147483747',
    "0." + "1" * 400,
)  # fmt: skip
OTHERS = (
    'null', 'true', 'false', '{}', '[]', '[[]]', '[{}]', '{"e":"trade"}', "[" * 70 + "]" * 70,
)  # fmt: skip
DECIMALS = (
    '', '0', '0.0', '00', '00.10', '-0', '-1', '+1', '1.', '.5', '1e5', '1_0', 'NaN',
    'Infinity', ' 1', '1 ', '0.00000000000000000001', '9007199254740992', '9007199254740993',
    '90071992547409.93', '9007199254.740993', '123456789012345678', '1234567890123456789',
    '0.123456789012345678', '0.1234567890123456', '99999999999999999999999',
    '12345678.12345678', '1234567.87654321', '9223372036854775807', '9223372036854775808', '07',
    "1" + "0" * 400,
)  # fmt: skip
MOMENTS = (
    '2021-02-29T00:00:00Z', '2020-02-29T23:59:59.999999999Z', '2100-02-29T00:00:00Z',
    '2000-02-29T00:00:00Z', '1970-01-01T00:00:00Z', '1969-12-31T23:59:59Z',
    '2262-04-11T23:47:16.854775807Z', '2262-04-11T23:47:16.854775808Z', '2261-12-31T23:59:59Z',
    '2021-04-31T00:00:00Z', '2021-13-01T00:00:00Z', '2021-00-01T00:00:00Z',
    '2021-01-00T00:00:00Z', '2021-04-17T24:00:00Z', '2021-04-17T16:60:00Z',
    '2021-04-17T16:43:60Z', '2021-04-17T16:43:37.1234567890Z', '2021-04-17T16:43:37.Z',
    '2021-04-17T16:43:37z', '2021-04-17T16:43:37+00:00', '2021-04-17t16:43:37Z',
    '0000-01-01T00:00:00Z', '2021-04-17 16:43:37Z', '1999-12-31T23:59:59.999Z',
    '2000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '2262-04-11T23:47:16.854775806Z',
)  # fmt: skip
WORDS = (
    "", "trade", "TRADE", "trade ", "aggTrade", "match", "last_match", "ticker", "buy", "SELL",
    "MARKET", "update", "BTCUSDT", "BTCUSDTX", "BTC-USD", LONG, LONG + "X", LONG + "XY", r"\u0031",
    r"\"", r"\\", r"\/", "\u0661", "\u00e9", "\x7f", "\u0080", "\t", "\0",
)  # fmt: skip
BLANKS = (b" ", b"\n", b"\t", b"\r", b"  \r\n ", b"\x0b", b"\xc2\xa0")

Mutator = Callable[[bytes, random.Random, tuple[bytes, ...]], bytes]


def difficult_value(old: bytes, draw: random.Random) -> bytes:
    """Draw a value that a reader might get wrong, mostly of the type of the old one."""
    kinds: tuple[tuple[str, ...], ...] = (NUMBERS, OTHERS, DECIMALS, MOMENTS, WORDS)
    kind: tuple[str, ...]
    if not old.startswith(b'"'):
        kind = OTHERS if old[:1].isalpha() else NUMBERS
    elif old[1:2].isdigit():
        kind = DECIMALS if b":" not in old else MOMENTS
    else:
        kind = WORDS
    if draw.random() < 0.2:
        kind = draw.choice(kinds)
    value = draw.choice(kind)
    return (value if kind is NUMBERS or kind is OTHERS else f'"{value}"').encode()


def position(frame: bytes, draw: random.Random) -> int:
    return draw.randrange(len(frame) + 1)


def span(
    frame: bytes, pattern: re.Pattern[bytes], draw: random.Random, group: int = 0
) -> tuple[int, int]:
    """Choose one of the matches: its span, or an empty one."""
    found = [match.span(group) for match in pattern.finditer(frame)]
    return draw.choice(found) if found else (0, 0)


def flip_byte(frame, draw, others):
    at = position(frame, draw)
    return frame[:at] + bytes([draw.randrange(256)]) + frame[at + 1 :]


def flip_bit(frame, draw, others):
    at = position(frame, draw)
    return (
        frame[:at]
        + bytes(each ^ 1 << draw.randrange(8) for each in frame[at : at + 1])
        + frame[at + 1 :]
    )


def truncate(frame, draw, others):
    at = position(frame, draw)
    return draw.choice((frame[:at], frame[at:], frame[:-1], frame[: -draw.randrange(1, 9)]))


def delete(frame, draw, others):
    at = position(frame, draw)
    return frame[:at] + frame[at + draw.choice((1, 1, 2, 5, 20)) :]


def swap_bytes(frame, draw, others):
    one, two = sorted((position(frame, draw), position(frame, draw)))
    if draw.random() < 0.5:
        two = one + 1
    return (
        frame[:one]
        + frame[two : two + 1]
        + frame[one + 1 : two]
        + frame[one : one + 1]
        + frame[two + 1 :]
    )


def swap_members(frame, draw, others):
    (a, b), (c, d) = sorted((span(frame, MEMBERS, draw), span(frame, MEMBERS, draw)))
    return frame if c < b else frame[:a] + frame[c:d] + frame[b:c] + frame[a:b] + frame[d:]


def insert_member(member: bytes, frame: bytes, draw: random.Random) -> bytes:
    at, end = span(frame, MEMBERS, draw)
    return (
        frame[:at] + member + b"," + frame[at:]
        if draw.random() < 0.5
        else frame[:end] + b"," + member + frame[end:]
    )


def double_member(frame, draw, others):
    a, b = span(frame, MEMBERS, draw)
    member = frame[a:b]
    if draw.random() < 0.5:
        member = member.partition(b":")[0] + b":" + difficult_value(member.partition(b":")[2], draw)
    return insert_member(member, frame, draw)


def double_block(frame, draw, others):
    """Repeat an object or array with its key."""
    a, b = span(frame, BLOCKS, draw)
    for end in range(b, len(frame) + 1):
        block = frame[a:end]
        if block.count(b"{") == block.count(b"}") and block.count(b"[") == block.count(b"]"):
            return frame[:end] + b"," + block + frame[end:]
    return frame


def double_token(frame, draw, others):
    a, b = span(frame, TOKENS, draw)
    return frame[:b] + draw.choice((frame[a:b], b",", b"}", b"]", b":", b"{", b"[")) + frame[b:]


def foreign_member(frame, draw, others):
    other = draw.choice(others)
    a, b = span(other, MEMBERS, draw)
    return insert_member(other[a:b] if b else b'"x":1', frame, draw)


def drop_member(frame, draw, others):
    a, b = span(frame, MEMBERS, draw)
    if frame[b : b + 1] == b",":
        return frame[:a] + frame[b + 1 :]
    return frame[: a - (frame[a - 1 : a] == b",")] + frame[b:]


def space_out(frame, draw, others):
    for _ in range(draw.choice((1, 1, 3))):
        at = (
            draw.choice(span(frame, TOKENS, draw)) if draw.random() < 0.8 else position(frame, draw)
        )
        frame = frame[:at] + draw.choice(BLANKS[:5] if draw.random() < 0.9 else BLANKS) + frame[at:]
    return frame


def escape(frame, draw, others):
    at = position(frame, draw)
    spelt = b"".join(b"\\u%04x" % each for each in frame[at : at + 1])
    return (
        frame[:at]
        + draw.choice((spelt, b"\\" + frame[at : at + 1], b"\\u12", b"\\ud800"))
        + frame[at + 1 :]
    )


def insert_bytes(frame, draw, others):
    at = position(frame, draw)
    odd = (
        b"\xff",
        b"\xc3",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\0",
        b"\0" * 9,
        b"\n",
        b"\x1f",
        b"\x7f",
        b'"',
    )
    return frame[:at] + draw.choice(odd) + frame[at:]


def other_value(frame, draw, others):
    a, b = span(frame, VALUES, draw, 1)
    return frame[:a] + difficult_value(frame[a:b], draw) + frame[b:]


def other_number(frame, draw, others):
    a, b = span(frame, VALUES, draw, 1)
    digits = "".join(
        draw.choices("0123456789", k=draw.choice((1, 3, 8, 9, 15, 16, 17, 18, 19, 25)))
    )
    if draw.random() < 0.7:
        at = draw.randrange(len(digits))
        digits = f"{digits[:at]}.{digits[at:]}"
    return frame[:a] + (digits if draw.random() < 0.3 else f'"{digits}"').encode() + frame[b:]


def other_token(frame, draw, others):
    a, b = span(frame, TOKENS, draw)
    c, d = span(frame, TOKENS, draw)
    return frame[:a] + draw.choice((frame[c:d], difficult_value(frame[a:b], draw))) + frame[b:]


def nest(frame, draw, others):
    a, b = span(frame, VALUES, draw, 1)
    depth = draw.choice((1, 1, 2, 59, 60, 61, 2000))
    opened, closed = draw.choice(((b"[", b"]"), (b'{"data":', b"}"), (b'[{"e":', b"}]")))
    if draw.random() < 0.3:
        a, b = 0, len(frame)
    return frame[:a] + opened * depth + frame[a:b] + closed * depth + frame[b:]


def append(frame, draw, others):
    return draw.choice(
        (
            frame + draw.choice(others),
            frame + b"}",
            frame + b",",
            frame + b" ",
            frame + b"0",
            b" " + frame,
        )
    )


MUTATORS: tuple[Mutator, ...] = (
    flip_byte, flip_bit, truncate, delete, swap_bytes, swap_members, double_member, double_block,
    double_token, foreign_member, drop_member, space_out, escape, insert_bytes, other_token, nest,
    append, *[other_value] * 6, *[other_number] * 3,
)  # fmt: skip


def mutants(
    seed: int, count: int, samples: dict[str, tuple[bytes, ...]] = EVERY_SAMPLE
) -> Iterator[tuple[str, bytes]]:
    """Draw so many (venue, frame), each mutated up to three times, a few of them cut in two."""
    draw = random.Random(seed)
    venues = list(samples)
    while count > 0:
        venue = draw.choice(venues)
        frame = draw.choice(samples[venue])
        for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 2, 2, 3))):
            frame = draw.choice(MUTATORS)(frame, draw, samples[venue])
        at = position(frame, draw) if draw.random() < 0.05 else 0
        for part in (frame[:at], frame[at:])[at == 0 :][:count]:
            yield venue, part
            count -= 1
