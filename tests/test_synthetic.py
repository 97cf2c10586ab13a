"""The synthetic market: reproducible, read by the strict reader, with prices worth trading."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tapeflow.connectors.synthetic.market import (
    INSTRUMENTS,
    Market,
    partitions_of,
    records,
    tapes,
    write_tapes,
)
from tapeflow.connectors.synthetic.venues import LISTINGS
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.operators.decode.messages import MalformedError
from tapeflow.operators.decode.strict import NOT_LISTED, read_frame
from tapeflow.schemas.batches import Page
from tapeflow.schemas.instruments import parse_id
from tapeflow.schemas.market import HISTORICAL, OFF_MARKET
from tapeflow.schemas.venues import VENUES, venue_of

BUSY = Market(seconds=20, rate=3000.0)
SHARES = {"binance": 0.42, "binance-usdm": 0.35, "coinbase": 0.23}
STEPS = {id_: (Decimal(tick), Decimal(lot)) for id_, tick, lot in INSTRUMENTS}
LATE_NS = 900_000_000


def lines(market: Market, partition: str) -> list[tuple[int, bytes]]:
    """Return every (log_ns, frame) of a partition."""
    blocks = records(market, partition)
    return [line for ns, frames in blocks for line in zip(ns.tolist(), frames, strict=True)]


def symbols(partition: str) -> dict[str, int]:
    """Return the number in INSTRUMENTS of each of a partition's symbols."""
    venue = venue_of(partition)
    return {listing.symbol: n for n, listing in enumerate(LISTINGS) if listing.venue.name == venue}


def read(partition: str, frame: bytes) -> tuple[str, list[Any]]:
    """Return the channel's name and rows, or the reason why there are none."""
    dialect = VENUES[venue_of(partition)].dialect
    try:
        channel, rows, _ = read_frame(dialect, frame, symbols(partition))
    except MalformedError as error:
        return str(error), []
    return dialect.channels[channel].name.removeprefix("combined."), rows


@pytest.fixture(scope="module")
def market():
    """Return (log_ns, frame, channel, rows) of each partition's frames but heartbeats."""
    return {
        partition: [
            (ns, frame, *read(partition, frame)) for ns, frame in lines(BUSY, partition) if frame
        ]
        for partition in partitions_of(BUSY)
    }


@pytest.fixture(scope="module")
def trades(market):
    """Return (log_ns, row) of each instrument's market trades, without duplicates, in log order."""
    found: dict[int, dict[int, Any]] = defaultdict(dict)
    for entries in market.values():
        for ns, _, channel, rows in entries:
            for row in rows:
                listed = channel in {"trade", "match"} and row["instrument"] != NOT_LISTED
                if listed and row["verdict"] != OFF_MARKET:
                    found[row["instrument"]].setdefault(row["trade_id"], (ns, row))
    return {number: list(rows.values()) for number, rows in found.items()}


def join(pages: Iterable[Page]) -> list[tuple[int, bytes]]:
    """Return all records of some pages, after checking that the pages are consecutive."""
    records: list[tuple[int, bytes]] = []
    for page in pages:
        assert page.first_offset == len(records)
        records += [(ns, page.frame(n)) for n, ns in enumerate(page.log_ns.tolist())]
    return records


# --- reproducible ------------------------------------------------------------------


def test_the_same_settings_give_the_same_bytes_in_pages_of_any_length():
    small = Market(seconds=25, rate=400.0)
    for partition in partitions_of(small):
        once = lines(small, partition)
        for length in (1, 7, 1000, 10_000_000):
            assert join(tapes(small, length)[partition]) == once


def test_partitions_can_be_read_in_any_order_and_interleaved():
    small = Market(seconds=12, rate=400.0)
    forward, backward = tapes(small, 100), tapes(small, 100)
    first = {name: next(pages) for name, pages in forward.items()}
    for name in reversed(backward):
        again = next(backward[name])
        assert first[name].data.tobytes() == again.data.tobytes()
        assert first[name].log_ns.tolist() == again.log_ns.tolist()


def test_another_seed_gives_another_market():
    one, other = (lines(Market(seconds=2, seed=seed), "coinbase-0") for seed in (1, 2))
    assert not {frame for _, frame in one[20:]} & {frame for _, frame in other[20:]} - {b""}


def test_more_partitions_hold_the_same_ticks():
    one, two = (
        Market(seconds=20, rate=400.0),
        Market(seconds=20, rate=400.0, partitions_per_venue=2),
    )
    assert partitions_of(two)[:3] == ["binance-0", "binance-1", "binance-usdm-0"]
    whole = {frame for _, frame in lines(one, "binance-0")}
    parts = [{frame for _, frame in lines(two, f"binance-{number}")} for number in (0, 1)]
    assert parts[0] & parts[1] <= {b"", b'{"result":null,"id":1}'}
    assert len(whole ^ (parts[0] | parts[1])) < 0.005 * len(whole)  # their defects differ


# --- the log ------------------------------------------------------------------------------


@pytest.mark.parametrize("market_settings", [BUSY, Market(seconds=20, rate=15.0)])
def test_log_time_never_goes_back_and_only_the_last_page_is_the_end(market_settings):
    for pages in tapes(market_settings, 1000).values():
        read = list(pages)
        times = [ns for ns, _ in join(read)]
        assert all(one <= other for one, other in pairwise(times))
        assert [page.end_of_log for page in read] == [False] * (len(read) - 1) + [True]
        assert all(ns % 1000 == 0 for ns in times)


def test_heartbeats_come_after_silence_and_only_then():
    quiet = Market(seconds=30, rate=20.0, heartbeat_ms=100)
    for partition in partitions_of(quiet):
        entries = lines(quiet, partition)
        gaps = [(after[0] - before[0], after[1] == b"") for before, after in pairwise(entries)]
        assert max(gap for gap, _ in gaps) == 100_000_000
        assert {gap for gap, is_heartbeat in gaps if is_heartbeat} == {100_000_000}
        assert all(frame for _, frame in lines(Market(seconds=3, heartbeat_ms=0), partition))


def test_rates_are_near_the_settings(market):
    for name, entries in market.items():
        rate = BUSY.rate * SHARES[venue_of(name)]
        assert len(entries) / BUSY.seconds == pytest.approx(rate, rel=0.15)


def test_written_tapes_hold_the_same_records(tmp_path):
    small = Market(seconds=5, rate=200.0)
    for path in write_tapes(small, tmp_path):
        reader = TapeReader(path.stem, (path,), 300, None)
        pages = list(iter(reader.read, None))
        assert join(pages) == lines(small, path.stem)


# --- frames -------------------------------------------------------------------------------


def test_every_frame_without_a_defect_is_read_as_its_channel(market):
    expected = {
        "binance": {"trade", "bookTicker", "ack", "depthUpdate", "kline"},
        "binance-usdm": {"trade", "bookTicker", "ack", "depthUpdate", "markPriceUpdate"},
        "coinbase": {"match", "last_match", "ticker", "subscriptions", "l2update", "heartbeat"},
    }
    broken = "not one complete JSON value in UTF-8"
    for partition, entries in market.items():
        channels = Counter(channel for _, _, channel, _ in entries)
        assert set(channels) - {broken} == expected[venue_of(partition)]
        assert channels[broken] <= 5e-4 * len(entries)
        names = sorted(channels, key=lambda name: -channels[name])
        assert set(names[:2]) <= {"trade", "bookTicker", "match", "ticker"}


def test_all_kinds_of_defects_occur_a_few_times_in_ten_thousand(market):
    kinds: Counter[str] = Counter()
    total = 0
    for partition, entries in market.items():
        seen = Counter(frame for _, frame, _, rows in entries if rows)
        total += len(entries)
        kinds["duplicate"] += sum(number - 1 for number in seen.values())
        for ns, _, channel, rows in entries:
            kinds["broken"] += channel.startswith("not one")
            for row in rows:
                kinds["unlisted"] += row["instrument"] == NOT_LISTED
                kinds["off market"] += row.get("verdict") == OFF_MARKET
                if channel in {"trade", "match"}:
                    kinds["late"] += ns - row["event_ns"] > LATE_NS
        assert any(row["verdict"] == HISTORICAL for *_, rows in entries for row in rows) == (
            partition == "coinbase-0"
        )
    assert sorted(kinds) == ["broken", "duplicate", "late", "off market", "unlisted"]
    assert all(0 < number < 1e-3 * total for number in kinds.values()), kinds


def test_a_duplicate_comes_a_few_records_after_the_original(market):
    distances = []
    for entries in market.values():
        first: dict[bytes, int] = {}
        for index, (_, frame, _, rows) in enumerate(entries):
            if rows and first.setdefault(frame, index) != index:
                distances.append(index - first[frame])
    assert min(distances) >= 1
    assert max(distances) <= 40


def test_trade_ids_count_up_per_symbol_and_only_late_ones_are_out_of_order(trades):
    for rows in trades.values():
        ids = sorted(row["trade_id"] for _, row in rows)
        assert ids[-1] - ids[0] + 1 - len(ids) <= 3 + 2e-3 * len(ids)  # lost to broken frames
        prompt = [row for ns, row in rows if ns - row["event_ns"] < LATE_NS]
        assert all(one["trade_id"] < other["trade_id"] for one, other in pairwise(prompt))
        assert all(one["event_ns"] <= other["event_ns"] for one, other in pairwise(prompt))


def test_the_log_lags_the_venue_by_some_milliseconds(trades):
    for rows in trades.values():
        waits = [ns - row["event_ns"] for ns, row in rows]
        assert min(waits) > 2_000_000
        assert np.median(waits) < 10_000_000


def test_prices_and_sizes_are_whole_ticks_and_lots(market):
    fields = {"p": 0, "q": 1, "b": 0, "B": 1, "a": 0, "A": 1, "price": 0, "size": 1, "last_size": 1}
    fields |= {"best_bid": 0, "best_bid_size": 1, "best_ask": 0, "best_ask_size": 1}
    for entries in market.values():
        for _, frame, _, rows in entries[::17]:
            if rows and rows[0]["instrument"] != NOT_LISTED:
                steps = STEPS[LISTINGS[int(rows[0]["instrument"])].id]
                message = json.loads(frame)
                message = message.get("data", message)
                for name in fields.keys() & message.keys() - ({"a"} if "e" in message else set()):
                    value = Decimal(message[name])
                    assert value > 0
                    assert value % steps[fields[name]] == 0


def test_every_quote_has_its_bid_below_its_ask(market):
    for entries in market.values():
        quotes = [row for *_, rows in entries for row in rows if "bid" in row]
        assert quotes
        assert all(row["bid"] < row["ask"] for row in quotes)


# --- prices worth trading -----------------------------------------------------------------


def test_takers_mostly_trade_in_the_direction_of_the_price(trades):
    for number in (0, 8, 16):  # BTC at each venue
        rows = [row for ns, row in trades[number] if ns - row["event_ns"] < LATE_NS]
        price = np.array([row["price"] for row in rows])
        side = np.array([row["aggressor"] for row in rows])
        starts = np.flatnonzero(np.diff([row["event_ns"] // 500_000_000 for row in rows])) + 1
        moves, taken = np.diff(price[starts]), np.add.reduceat(side, starts)[:-1]
        assert np.corrcoef(taken, moves)[0, 1] > 0.3
        assert 0.25 < (side > 0).mean() < 0.75


def test_sizes_have_a_heavy_tail(trades):
    sizes = np.array([row["size"] for _, row in trades[0]])
    assert np.percentile(sizes, 99) > 20 * np.median(sizes)


def test_moving_averages_cross_for_most_instruments_in_five_minutes():
    calm = Market(seconds=300, rate=250.0)
    crossed = {}
    for partition in partitions_of(calm):
        closes: dict[int, dict[int, float]] = defaultdict(dict)
        for ns, frame in lines(calm, partition):
            if b'"e":"trade"' in frame or b'"type":"match"' in frame:
                for row in read(partition, frame)[1]:
                    closes[row["instrument"]][ns // 10**9] = row["price"]
        for number in set(closes) - {NOT_LISTED}:
            crossed[number] = crosses(list(closes[number].values()))
    assert len(crossed) == len(INSTRUMENTS)
    assert sum(number > 0 for number in crossed.values()) > len(crossed) / 2
    assert sum(crossed.values()) > 50


def crosses(closes: list[float]) -> int:
    """Count how often the EMA of 12 bars crosses that of 26, once both are warm."""
    fast = slow = closes[0]
    above = []
    for close in closes:
        fast += 2 / 13 * (close - fast)
        slow += 2 / 27 * (close - slow)
        above.append(fast > slow)
    return sum(one != other for one, other in pairwise(above[26:]))


def test_instruments_are_named_as_the_job_file_names_them():
    assert len(set(STEPS)) == len(INSTRUMENTS) == 24
    assert STEPS["BTC-USDT.BINANCE"] == (Decimal("0.01"), Decimal("0.00001"))
    assert STEPS["ETH-USDT-PERP.BINANCE-USDM"] == (Decimal("0.01"), Decimal("0.001"))
    for listing in LISTINGS:
        names = parse_id(listing.id)
        assert names.venue.lower() == listing.venue.name
        symbol = VENUES[listing.venue.name].venue_symbol(names.base, names.quote)
        assert symbol == listing.symbol
