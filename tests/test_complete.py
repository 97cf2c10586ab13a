"""From tapes to results: odd stamps, missing trades and snapshots of whole recordings.

seconds of 2025-01-01 12:00     bars of a minute, lateness 2 s
"""

import json
from unittest.mock import patch

import pytest
from msgspec import Struct

from tapeflow.connectors.duckdb.fact_digest import digest_of
from tapeflow.connectors.duckdb.query import DEFAULTS, query
from tapeflow.flows.job import settings
from tapeflow.schemas.registry import FACT_TYPES, FactType, identity
from tests.frames import MS, S, binance_trade, coinbase_match, rfc3339
from tests.running import replay

NOON = 1_735_732_800 * S
JOB = """
[bars]
width = "{width}"
lateness = "2s"
[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.00001" }}
"ETH-USDT.BINANCE" = {{ tick = "0.01", lot = "0.0001" }}
"BTC-USDT-PERP.BINANCE-USDM" = {{ tick = "0.1", lot = "0.001" }}
"BTC-USD.COINBASE" = {{ tick = "0.01", lot = "0.00000001" }}
"""
BARS = (
    "SELECT instrument[:3] AS base, strftime(open_time, '%H:%M'), count, complete FROM bars "
    "ORDER BY ALL"
)


def spot(second, trade_id, **more):
    at = NOON + round(second * S)
    return at + 5 * MS, binance_trade(trade_id, at=at, **more)


def match(second, trade_id, **more):
    at = NOON + round(second * S)
    return at + 5 * MS, coinbase_match(trade_id, at=at, **more)


def market_trades(second, trades, kind):
    """Return a frame of Advanced Trade with trades of (second, id, price), as they are listed."""
    listed = [
        {
            "product_id": "BTC-USD", "trade_id": str(number), "price": price, "size": "1",
            "time": rfc3339(NOON + round(at * S)), "side": "SELL",
        }
        for at, number, price in trades
    ]  # fmt: skip
    frame = {"channel": "market_trades", "events": [{"type": kind, "trades": listed}]}
    return NOON + round(second * S) + 5 * MS, json.dumps(frame).encode()


def answer(folder, sql, *queries, width="1m", workers=1, **partitions):
    """Replay records by partition; return the rows of each query."""
    (folder / "job.toml").write_text(JOB.format(width=width))
    for name, records in partitions.items():
        lines = b"".join(b"%d %b\n" % each for each in sorted(records, key=lambda each: each[0]))
        (folder / f"{name.replace('_', '-')}-0.tape").write_bytes(lines)
    results = folder / "results.duckdb"
    replay(folder, results, settings.load(folder / "job.toml", {}), workers=workers)
    found = [query(results, each) for each in (sql, *queries)]
    rows = [[tuple(row) for row in each.rows] for each in found if each is not None]
    return rows if queries else rows[0]


def test_one_odd_stamp_of_another_instrument_changes_no_bar(tmp_path):
    odd_at = NOON + 24 * 3600 * S
    odd = (NOON + 80 * S, binance_trade(5, at=odd_at, symbol="ETHUSDT"))
    log = [spot(10 * number, 1000 + number) for number in range(60)]
    bars, counts = answer(
        tmp_path,
        "SELECT instrument, count(*), sum(count)::INT, bool_and(complete OR open_time >= "
        "'2025-01-01 12:09') FROM bars GROUP BY ALL",
        "SELECT instrument, accepted, late, ahead, missing FROM data_quality",
        binance=[*log, odd],
    )
    assert bars == [("BTC-USDT.BINANCE", 10, 60, True)]
    assert counts == [("BTC-USDT.BINANCE", 60, 0, 0, 0), ("ETH-USDT.BINANCE", 0, 0, 1, 0)]


GAP = [*range(80), *range(190, 300)]  # seconds, and ids, that were recorded


@pytest.mark.parametrize("venue", ["binance", "binance_usdm", "coinbase"])
@pytest.mark.parametrize("workers", [1, 2])
def test_bars_with_missing_ids_are_not_complete_at_any_venue(venue, workers, tmp_path):
    make = match if venue == "coinbase" else spot
    more = {"kind": "MARKET"} if venue == "binance_usdm" else {}
    log = [make(second, 5000 + second, **more) for second in GAP]
    bars, counts, gaps = answer(
        tmp_path, BARS, "SELECT accepted, missing FROM data_quality",
        "SELECT first_id, last_id, missing, strftime(before_time, '%T'), strftime(after_time, "
        "'%T') FROM gaps WHERE instrument IS NOT NULL",
        workers=workers, **{venue: log},
    )  # fmt: skip
    assert [row[1:] for row in bars] == [
        ("12:00", 60, True), ("12:01", 20, False), ("12:03", 50, False), ("12:04", 60, False),
    ]  # fmt: skip
    assert counts == [(190, 110)]
    assert gaps == [(5080, 5189, 110, "12:01:19", "12:03:10")]


def test_a_gap_that_is_found_after_its_bar_has_closed_is_seen_in_the_bar(tmp_path):
    #   ETH closes 12:01 of BTC at 12:02:02; that trades of BTC were lost shows at 12:02:30
    ether = [spot(second, second, symbol="ETHUSDT") for second in range(240)]
    log = [spot(second + 0.1, second) for second in range(240) if not 90 <= second < 150]
    bars, stored = answer(
        tmp_path, BARS, "SELECT complete FROM internal.bars ORDER BY instrument, open_time",
        binance=[*ether, *log],
    )  # fmt: skip
    assert bars == [
        ("BTC", "12:00", 60, True), ("BTC", "12:01", 30, False), ("BTC", "12:02", 30, False),
        ("BTC", "12:03", 60, False), ("ETH", "12:00", 60, True), ("ETH", "12:01", 60, True),
        ("ETH", "12:02", 60, True), ("ETH", "12:03", 60, False),
    ]  # fmt: skip
    assert [row[0] for row in stored][:2] == [True, True]  # what was known when it closed


def test_a_frame_that_is_malformed_leaves_a_gap(tmp_path):
    log = [spot(second, second) for second in range(130)]
    log[30] = (log[30][0], log[30][1][:-9])
    bars = answer(tmp_path, BARS, binance=log)
    assert [row[2:] for row in bars] == [(59, False), (60, True), (10, False)]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_snapshot_after_a_reconnect_is_news(newest_first, tmp_path):
    #   live 0 .. 89 s, ids from 9000; the feed breaks, 90 .. 119 s come in a snapshot at 120 s
    live = [market_trades(s, [(s, 9000 + s, "94000")], "update") for s in range(90)]
    known = [(s, 9000 + s, "95000" if s == 100 else "94000") for s in range(-20, 120)]
    snapshot = market_trades(120, known[::-1] if newest_first else known, "snapshot")
    after = [market_trades(s, [(s, 9000 + s, "94000")], "update") for s in range(120, 200)]
    bars, counts = answer(
        tmp_path,
        "SELECT strftime(open_time, '%H:%M'), high, count, complete FROM bars ORDER BY 1",
        "SELECT sum(accepted)::INT, sum(duplicate)::INT, sum(history)::INT, sum(missing)::INT "
        "FROM data_quality",
        coinbase=[*live, snapshot, *after],
    )
    assert bars == [
        ("12:00", 94000.0, 60, True), ("12:01", 95000.0, 60, True),
        ("12:02", 94000.0, 60, True), ("12:03", 94000.0, 20, False),
    ]  # fmt: skip
    assert counts == [(200, 90, 20, 0)]


def test_a_last_match_that_was_missed_is_a_trade_and_what_lies_before_it_a_gap(tmp_path):
    log = [match(second, second) for second in range(30)]
    log += [match(40, 40, kind="last_match"), *(match(s, s) for s in range(41, 70))]
    bars, gaps = answer(tmp_path, BARS, "SELECT first_id, last_id FROM gaps", coinbase=log)
    assert gaps == [(30, 39)]
    assert [row[1:] for row in bars] == [("12:00", 50, False), ("12:01", 10, False)]


def test_weekly_bars_open_on_mondays(tmp_path):
    log = [spot(24 * 3600 * day, day) for day in range(20)]  # 2025-01-01 was a Wednesday
    opens = answer(
        tmp_path, "SELECT strftime(open_time, '%a %Y-%m-%d') FROM bars ORDER BY open_time",
        width="7d", binance=log,
    )  # fmt: skip
    assert opens == [
        (day,) for day in ("Mon 2024-12-30", "Mon 2025-01-06", "Mon 2025-01-13", "Mon 2025-01-20")
    ]


def test_a_column_that_was_added_later_changes_no_digest_where_it_holds_its_default():
    class Before(Struct, frozen=True):
        partition: str
        count: int

    class Now(Before, frozen=True):
        ahead: int = 0
        missing: int = 0

    def digest(fact):
        kind = FactType(type(fact), "t", "t", "partition", ("partition",), ("partition",))
        return digest_of(kind, [fact])

    with patch.dict(DEFAULTS, {Before: {}, Now: {"ahead": 0, "missing": 0}}):
        assert digest(Now("binance-0", 3)) == digest(Before("binance-0", 3))
        others = [digest(Now("binance-0", 3, *more)) for more in ((5,), (0, 5), (5, 5))]
        assert len({digest(Before("binance-0", 3)), *others}) == 4


def test_gaps_of_one_record_have_different_ids():
    (kind,) = (each for each in FACT_TYPES if each.table == "gaps")
    gaps = [kind.type(name, "binance-0", 7, 1, first, 9, 1, 1, 2, 0) for name, first in
            (("A-B.X", 3), ("A-B.X", 9), ("C-D.X", 3), (None, None))]  # fmt: skip
    assert len({identity(each) for each in gaps}) == len(gaps)
