"""Recordings of the venues: bars equal the exchange's candles, and every frame is read.

The recordings are not part of the project; where they are missing, these tests are skipped.
"""

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.job import settings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import DECODED, HEARTBEAT, IGNORED, MALFORMED, UNLISTED
from tapeflow.schemas.venues import VENUES

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
JOB = ROOT / "jobs" / "bars-1m.toml"
STATUS_NAMES = {
    DECODED: "decoded",
    HEARTBEAT: "heartbeat",
    IGNORED: "ignored",
    UNLISTED: "unlisted",
    MALFORMED: "malformed",
}

needs_job = pytest.mark.skipif(not JOB.exists(), reason=f"no job {JOB}")


def recordings(*names):
    """Return the paths of recordings; skip the test where one is missing."""
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"no recording {path}")
    return paths


# --- bars equal the exchange's candles ------------------------------------------------------------


def replay_bars(tmp_path, *tapes):
    """Return the bars of these recordings as dicts, by the time they open at, in ms."""
    job = settings.load(JOB, {})
    results = tmp_path / "results.duckdb"
    plan = Plan(command="test", log=find_tapes(tapes, job), job=job, results=results)
    run_plan(plan, lambda _: None, lambda _: None)
    with connect(results) as con:
        relation = con.sql("SELECT epoch_ms(open_time) AS open_ms, * FROM bars ORDER BY open_time")
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        dead_letters = con.sql("SELECT count(*) FROM dead_letters").fetchall()
        late_trades = con.sql("SELECT count(*) FROM late_trades").fetchall()
    assert (dead_letters, late_trades) == ([(0,)], [(0,)])
    return {row["open_ms"]: row for row in rows}


COLUMNS = {  # the candle's column -> the bar's field
    "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "count": "count",
    "quote_volume": "notional", "taker_buy_volume": "buy_volume", "taker_buy_quote_volume": "buy_notional",
}  # fmt: skip


def candles(path):
    """Return the exchange's candles by the time they open at, in ms."""
    with path.open() as file:
        return {int(row["open_time"]): row for row in csv.DictReader(file)}


def differences(bar, candle):
    """Return the columns that differ, when a bar is rounded to the candle's digits."""
    differing = {}
    for column, field in COLUMNS.items():
        if column in candle:
            expected = Decimal(candle[column])
            value = Decimal(repr(bar[field])).quantize(expected)
            if value != expected:
                differing[column] = (value, expected)
    return differing


def minutes(first, last):
    """Return open times in ms of minutes after 2024-08-08 23:00 UTC; 60 is the next day."""
    hour_ms = 1_723_158_000_000
    return [hour_ms + minute * 60_000 for minute in range(first, last + 1)]


@needs_job
@pytest.mark.parametrize(
    ("tapes", "klines", "whole", "columns"),
    [
        (
            ("binance/spot__btcusdt_20240808.gz", "binance/spot__btcusdt_20240809.gz"),
            "binance/spot_BTCUSDT_1m_20240808-09.csv",
            minutes(55, 63),
            {"open", "high", "low", "close", "volume"},
        ),
        (
            ("binance/usdm__ethusdt_20240808.gz",),
            "binance/usdm_ETHUSDT_1m_20240808-09.csv",
            minutes(55, 58),
            set(COLUMNS),
        ),
    ],
    ids=["spot", "usdm"],
)
def test_bars_equal_the_candles_of_the_exchange(tmp_path, tapes, klines, whole, columns):
    bars, expected = replay_bars(tmp_path, *recordings(*tapes)), candles(recordings(klines)[0])
    assert set(COLUMNS) & set(next(iter(expected.values()))) == columns
    complete = [minute for minute, bar in bars.items() if bar["complete"]]
    assert set(whole) <= set(complete)
    assert {minute: differences(bars[minute], expected[minute]) for minute in complete} == {
        minute: {} for minute in complete
    }
    partial = [minute for minute, bar in bars.items() if not bar["complete"]]
    assert min(bars) in partial  # the recording begins inside it
    assert all(bars[minute]["count"] > 0 for minute in bars)


@needs_job
def test_spot_bars_have_the_known_counts_of_trades(tmp_path):
    bars = replay_bars(
        tmp_path,
        *recordings("binance/spot__btcusdt_20240808.gz", "binance/spot__btcusdt_20240809.gz"),
    )
    counts = [bars[minute]["count"] for minute in minutes(55, 64)]
    assert counts == [1255, 1011, 2069, 3216, 1312, 1824, 2931, 1992, 1705, 1461]


# --- every frame is read --------------------------------------------------------------------------

VENUE_OF = {
    "binance/spot__btcusdt_20240808.gz": "binance",
    "binance/usdm__ethusdt_20240808.gz": "binance-usdm",
    "venues/BINANCE_20210417T163611Z.jsonl.zst": "binance",
    "venues/BINANCE_FUTURES_20210417T163727Z.jsonl.zst": "binance-usdm",
    "venues/COINBASE_20210417T164336Z.jsonl.zst": "coinbase",
    "venues/COINBASE_20260809T210548Z_head.jsonl.zst": "coinbase",
}
FRAMES = {
    "venues/BINANCE_20210417T163611Z.jsonl.zst": 1228,
    "venues/BINANCE_FUTURES_20210417T163727Z.jsonl.zst": 3259,
    "venues/COINBASE_20210417T164336Z.jsonl.zst": 9946,
    "venues/COINBASE_20260809T210548Z_head.jsonl.zst": 293,
}


def recorded_frames(name):
    """Return frames as received, from lines `<ns> <frame>` or {"t":"recv","data":"<frame>"}."""
    (path,) = recordings(name)
    packing = "gzip" if path.suffix == ".gz" else "zstd"
    with pa.CompressedInputStream(pa.OSFile(str(path)), packing) as file:
        lines = file.read().splitlines()
    if packing == "gzip":
        return [line.partition(b" ")[2] for line in lines]
    return [each["data"].encode() for each in map(json.loads, lines) if each["t"] == "recv"]


@pytest.mark.parametrize("name", VENUE_OF)
def test_every_frame_of_a_recording_is_read_or_ignored(name):
    frames, venue = recorded_frames(name), VENUE_OF[name]
    assert len(frames) == FRAMES.get(name, len(frames))
    symbols = {"BTCUSDT": 0, "ETHUSDT": 1, "BTC-USD": 2}
    dialect = VENUES[venue].dialect
    decoder = Decoder.from_scanner(Scanner(dialect, symbols))
    statuses, dead_letters = Counter(), []
    for first in range(0, len(frames), 5_000):
        part = frames[first : first + 5_000]
        page = Page.from_frames(f"{venue}-0", first, [first] * len(part), part)
        batch = decode.step(page, decoder=decoder)
        statuses.update(STATUS_NAMES[each] for each in batch.status.tolist())
        dead_letters += [(each.offset, each.reason, each.frame[:80]) for each in batch.dead_letters]
    assert not dead_letters, (name, dict(statuses), len(dead_letters), dead_letters[:5])
    assert statuses.total() == len(frames), dict(statuses)
    assert statuses["heartbeat"] == 0, dict(statuses)
    assert statuses["decoded"] + statuses["unlisted"] > 0, dict(statuses)


def test_every_trade_of_the_coinbase_recording_is_read():
    frames = recorded_frames("venues/COINBASE_20210417T164336Z.jsonl.zst")
    kinds = Counter(json.loads(frame)["type"] for frame in frames)
    products = {json.loads(frame).get("product_id", "") for frame in frames} - {""}
    symbols = {product: number for number, product in enumerate(sorted(products))}
    dialect = VENUES["coinbase"].dialect
    batch = decode.step(
        Page.from_frames("coinbase-0", 0, [0] * len(frames), frames),
        decoder=Decoder.from_scanner(Scanner(dialect, symbols)),
    )
    assert (kinds["match"], kinds["last_match"], kinds["ticker"]) == (97, 10, 107)
    assert Counter(batch.market.trades.verdict.tolist()) == {0: 97, 3: 10}
    assert len(batch.market.quotes) == 107
