"""A recording shown to the paper venue: its clock, its rows, and what came of its orders."""

import gzip
from decimal import Decimal

import pytest

from bench.paper_models import study, table_of
from bench.paper_replay import BUCKET_NS, VenueClock, read_rows
from tapeflow.operators.desk.venue.rows import QuoteRow, TradeRow
from tapeflow.operators.desk.venue.rules import PaperRules
from tapeflow.schemas.instruments import InstrumentTable
from tests.venue_market import instrument

S = 10**9
FIRST = 1_723_161_600 * S
QUOTE = '{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"%s","B":"3","a":"%s","A":"2"}}'
TRADE = '{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%s","q":"%s","T":%d,"m":true,"M":true}}'


def test_a_row_without_a_time_is_as_late_as_the_last_with_one():
    clock = VenueClock()
    assert clock.read(100, -1) == 100
    assert clock.read(110, 104) == 104
    assert clock.read(120, -1) == 114
    assert clock.read(130, 130) == 130
    assert clock.read(140, -1) == 140


def test_a_clock_that_runs_ahead_is_seen_and_forgotten_after_a_bucket_without_it():
    clock = VenueClock()
    assert clock.read(100, 150) == 100  # ahead by 50
    assert clock.read(200, 240) == 190  # ahead by 40 only: 10 late
    assert clock.read(BUCKET_NS + 100, BUCKET_NS + 120) == BUCKET_NS + 70, "of the bucket before"
    assert clock.read(2 * BUCKET_NS + 100, 2 * BUCKET_NS + 120) == 2 * BUCKET_NS + 100
    assert clock.read(9 * BUCKET_NS + 100, 9 * BUCKET_NS + 90) == 9 * BUCKET_NS + 90


@pytest.fixture
def recording(tmp_path):
    """A minute of a quote and a trade each second; the price falls by one every ten seconds."""
    lines = []
    for second in range(60):
        at_ns, bid = FIRST + second * S, 100 - second // 10
        lines.append(f"{at_ns} {QUOTE % (second + 1, bid, bid + 1)}")
        ms = at_ns // 10**6
        lines.append(f"{at_ns + 1} {TRADE % (ms, second + 1, bid, '0.5', ms)}")
    path = tmp_path / "spot.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return [*read_rows(path, "binance", "BTCUSDT")]


def test_the_rows_of_a_recording_are_in_log_order(recording):
    assert [type(row) for row in recording[:3]] == [QuoteRow, TradeRow, QuoteRow]
    assert len(recording) == 120
    assert recording[1].event_ns == FIRST and recording[1].venue_ns == FIRST
    assert (recording[2].bid, recording[2].ask, recording[2].ask_size) == (100, 101, 2)


def test_a_market_order_pays_half_the_spread(recording):
    table = InstrumentTable.from_rows([instrument()])
    outcome = study(recording, table, PaperRules(), "market", Decimal(1))
    assert outcome.share == "100%"
    assert -70 < outcome.gain < -40


def test_a_table_has_a_line_for_each_model_and_size(recording):
    table = InstrumentTable.from_rows([instrument()])
    lines = [*table_of(recording, table, [Decimal(1), Decimal(2)], 0)]
    assert [line.split("|")[1].strip() for line in lines[1:]] == ["`trade`"] * 2 + [
        "`sized`"
    ] * 2 + ["`touch`"] * 2
