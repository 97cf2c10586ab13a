"""Mutated frames: each gets one status, changes no other, and is read as by the reference job."""

from collections import Counter
from typing import Any

import pytest

from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.messages import MalformedError, parse_message
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import DECODED, HEARTBEAT, IGNORED, MALFORMED, UNLISTED
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.venues import VENUES
from tests.fuzz_frames import MATCH, SAMPLES, SPOT_TRADE, SYMBOLS, mutants
from tests.laws import rows
from tests.reference import oracle

ENDS = (DECODED, HEARTBEAT, IGNORED, UNLISTED, MALFORMED)
PAGE = 500


def decoder(venue, channels=None, symbols=SYMBOLS):
    dialect = VENUES[venue].dialect
    if channels is not None:  # the reference job's
        dialect = dialect.with_times_in_ms().restricted_to(channels)
    return Decoder.from_scanner(Scanner(dialect, symbols))


def decoded(reader, venue, frames):
    """Decode in pages of many: (status, instrument, trades, quotes, reason) of each frame."""
    results = []
    for lo in range(0, len(frames), PAGE):
        some = frames[lo : lo + PAGE]
        batch = decode.step(
            Page.from_frames(f"{venue}-0", lo, [7] * len(some), some), decoder=reader
        )
        assert len(batch.status) == len(some)
        trades, quotes = grouped(batch.market.trades), grouped(batch.market.quotes)
        mark_prices = grouped(batch.market.mark_prices)
        reasons = {
            dead.offset: (dead.reason, dead.frame, dead.length) for dead in batch.dead_letters
        }
        for number, frame in enumerate(some):
            at = lo + number
            status, dead = int(batch.status[number]), reasons.pop(at, None)
            ticks = trades.pop(at, []), quotes.pop(at, [])
            assert status in ENDS
            assert (status == HEARTBEAT) == (not frame)
            assert (status == MALFORMED) == (dead is not None), frame
            assert (status == DECODED) == any((*ticks, mark_prices.pop(at, []))), frame
            assert dead is None or (
                dead[0] and dead[1:] == (frame[: decode.FRAME_BYTES_MAX], len(frame))
            )
            results.append((status, int(batch.record_instrument[number]), *ticks, dead and dead[0]))
        assert not (trades or quotes or mark_prices or reasons), "rows of no frame"
    return results


def grouped(columns):
    """Group rows by the offset of their record, without it, NaN as text."""
    groups: dict[int, list[Any]] = {}
    for offset, *row in rows(columns):
        groups.setdefault(offset, []).append([str(each) if each != each else each for each in row])  # noqa: PLR0124
    return groups


def by_venue(seed, count):
    frames: dict[str, list[bytes]] = {venue: [] for venue in SAMPLES}
    for venue, frame in mutants(seed, count):
        frames[venue].append(frame)
    return frames


def check_ends(seed, count, alone):
    """Check that every mutant has a status, and every `alone`-th the same alone as in a page."""
    ends: Counter[int] = Counter()
    for venue, frames in by_venue(seed, count).items():
        reader = decoder(venue)
        in_pages = decoded(reader, venue, frames)
        ends.update(status for status, *_ in in_pages)
        for number in range(0, len(frames), alone):
            assert decoded(reader, venue, [frames[number]]) == [in_pages[number]], frames[number]
    return ends


def test_mutated_frames_get_a_status_and_change_no_other():
    ends = check_ends(seed=21, count=5_000, alone=1)
    assert min(ends[each] for each in (DECODED, IGNORED, UNLISTED, MALFORMED)) > 100, ends


@pytest.mark.slow
def test_many_mutated_frames_get_a_status_and_change_no_other():
    check_ends(seed=22, count=200_000, alone=17)


# --- as the reference job decodes -----------------------------------------------------------------

UNIVERSE = {
    venue: {symbol: number for number, symbol in enumerate(sorted(symbols))}
    for venue, symbols in {
        "binance": [f"{base}USDT" for base in oracle.BASES],
        "coinbase": [f"{base}-USD" for base in oracle.BASES],
    }.items()
}
CHANNELS = {"binance": ("trade",), "coinbase": ("match",)}
MUTABLE = {
    "binance": (SPOT_TRADE, *SAMPLES["binance"][:8]),
    "coinbase": (MATCH, MATCH.replace(b"SKL-USD", b"BTC-USD"), *SAMPLES["coinbase"][:3]),
}


def by_the_reference_job(venue, frame):
    """Return status and trade by the reference job's own decoder."""
    if not frame:
        return HEARTBEAT, None
    try:
        trade = oracle.decode(f"{venue}-0", frame)
    except oracle.MalformedError:
        return MALFORMED, None
    venue_symbol = trade.instrument.rpartition(".")[0]
    number = UNIVERSE[venue].get(venue_symbol)
    if number is None:
        return UNLISTED, None
    side = BUY if trade.aggressor == "buy" else -BUY
    return DECODED, [7, number, trade.event_ns, trade.trade_id, 1, side, 0, trade.price, trade.size]


def check_against_the_oracle(seed, count):
    ends: Counter[int] = Counter()
    frames: dict[str, list[bytes]] = {venue: [] for venue in MUTABLE}
    for venue, frame in mutants(seed, count, MUTABLE):
        frames[venue].append(frame)
    for venue, own_frames in frames.items():
        reader = decoder(venue, CHANNELS[venue], UNIVERSE[venue])
        for frame, (status, _, trades, quotes, _) in zip(
            own_frames, decoded(reader, venue, own_frames), strict=True
        ):
            assert (status, trades[0] if trades else None) == by_the_reference_job(venue, frame), (
                frame
            )
            assert len(trades) <= 1 and not quotes
            ends[status] += 1
    return ends


def test_mutated_frames_are_read_as_by_the_reference_job():
    ends = check_against_the_oracle(seed=31, count=15_000)
    assert min(ends[each] for each in (DECODED, UNLISTED, MALFORMED)) > 400, ends


@pytest.mark.slow
def test_many_mutated_frames_are_read_as_by_the_reference_job():
    check_against_the_oracle(seed=32, count=200_000)


# --- frames nested deeper and deeper --------------------------------------------------------------


def deeper(levels, query):
    """Call from deeper in the stack."""
    return query() if levels == 0 else deeper(levels - 1, query)


def verdict(frame):
    try:
        parse_message(frame)
    except MalformedError:
        return "malformed"
    return "good"


@pytest.mark.parametrize("depth", [50, 200, 500, 700, 850, 900, 920, 940, 960, 980, 2_000, 100_000])
def test_a_nested_frame_is_judged_alike_however_deep_the_caller_is(depth):
    #   a frame's verdict depends on the frame alone, not on the thread or the command that reads it
    frame = b'{"e":"trade","x":' + b"[" * depth + b"]" * depth + b"}"
    assert len({deeper(levels, lambda: verdict(frame)) for levels in (0, 20, 40, 80)}) == 1


@pytest.mark.parametrize("opened", [b"[", b'{"e":'])
def test_a_channel_named_by_something_deep_is_a_dead_letter_and_no_exception(opened):
    reader = decoder("binance")
    closed = b"]" if opened == b"[" else b"}"
    frames = [
        b'{"e":' + opened * depth + (b"1" if opened != b"[" else b"") + closed * depth + b"}"
        for depth in range(700, 1_000, 3)
    ]
    results = decoded(reader, "binance", frames)
    assert {status for status, *_ in results} == {MALFORMED}
