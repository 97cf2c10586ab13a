"""Trades cut into foreign formats and imported make the bars of the raw frames, to the bit."""

import csv
import gzip
import json
import random
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.imports.convert import import_files
from tapeflow.flows.imports.source import Choices
from tapeflow.flows.job import settings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.time import format_time

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
JOB = """
[bars]
width = "1s"
lateness = "2s"
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }
"ETH-USDT-PERP.BINANCE-USDM" = { tick = "0.01", lot = "0.001" }
"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.00000001" }
"SKL-USD.COINBASE" = { tick = "0.0001", lot = "0.1" }
"""
OF_BARS = (
    "instrument, open_time, close_time, open, high, low, close, volume, vwap, count, buy_volume, "
    "notional, buy_notional"
)


class Trade(NamedTuple):
    """A trade with its texts."""

    id: int
    price: str
    size: str
    taker: str
    event_us: int
    received_ns: int


class Market(NamedTuple):
    """Raw frames of one instrument, and the trades that are in them."""

    id: str
    symbol: str
    tape: list[str]
    trades: list[Trade]


# --- markets --------------------------------------------------------------------------------------


def spot_frame(symbol, trade):
    """Return a trade as a frame of Binance."""
    return json.dumps({
        "e": "trade", "E": trade.event_us, "s": symbol, "t": trade.id, "p": trade.price, "q": trade.size,
        "T": trade.event_us, "m": trade.taker == "sell", "M": True,
    })  # fmt: skip


def coinbase_frame(symbol, trade):
    """Return a trade as a frame of Coinbase, whose side is the maker's."""
    side = {"buy": "sell", "sell": "buy"}[trade.taker]
    return json.dumps({
        "type": "match", "trade_id": trade.id, "side": side, "size": trade.size, "price": trade.price,
        "product_id": symbol, "time": iso(trade),
    })  # fmt: skip


def iso(trade):
    return format_time(trade.event_us * 1000).replace(" ", "T") + "Z"


def make_up(seed, instrument="BTC-USDT.BINANCE", symbol="BTCUSDT", frame=spot_frame):
    """Return a market of random trades whose receive times are a little behind."""
    draw, trades = random.Random(seed), []
    event, price = 1_793_491_200_000_000, Decimal("61837.63000000")
    received = 0
    for number in range(3000):
        event += draw.choice([0, 0, 137, 40_000, 90_000])
        received = max(received, event * 1000 + draw.randrange(80_000_000))
        price += Decimal(draw.choice(["-0.01", "0", "0.01", "3.5"]))
        size = f"{draw.randrange(1, 10**6) / 10**5:.8f}"
        taker = draw.choice(["buy", "sell"])
        trades.append(Trade(7_000_000 + number, str(price), size, taker, event, received))
    tape = [f"{each.received_ns} {frame(symbol, each)}" for each in trades]
    return Market(instrument, symbol, tape, trades)


def read_recording(name, instrument, symbol):
    """Return a recording of Binance and the trades in it; skip where it is not there."""
    path = DATA / "binance" / name
    if not path.exists():
        pytest.skip(f"no recording {path}")
    tape = gzip.decompress(path.read_bytes()).decode().splitlines()
    trades = []
    for line in tape:
        received, _, frame = line.partition(" ")
        data = json.loads(frame).get("data", {}) if "@trade" in frame[:40] else {}
        if data.get("e") != "trade" or data.get("X", "MARKET") != "MARKET":
            continue
        taker = "sell" if data["m"] else "buy"
        trades.append(
            Trade(data["t"], data["p"], data["q"], taker, data["T"] * 1000, int(received))
        )
    return Market(instrument, symbol, tape, trades)


MARKETS = {
    "made up": lambda: make_up(1),
    "made up of Coinbase": lambda: make_up(2, "BTC-USD.COINBASE", "BTC-USD", coinbase_frame),
    "recorded spot": lambda: read_recording(
        "spot__btcusdt_20240808.gz", "BTC-USDT.BINANCE", "BTCUSDT"
    ),
    "recorded futures": lambda: read_recording(
        "usdm__ethusdt_20240808.gz", "ETH-USDT-PERP.BINANCE-USDM", "ETHUSDT"
    ),
}
_markets: dict[str, Market] = {}


def market_of(name):
    if name not in _markets:
        _markets[name] = MARKETS[name]()
    return _markets[name]


# --- foreign formats ------------------------------------------------------------------------------


def write_csv(path, rows, header=None, delimiter=","):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([*([header] if header else []), *rows])
    return path


def spot_dump(folder, market, unit_us=1):
    rows = [
        (t.id, t.price, t.size, "1.0", t.event_us // unit_us, str(t.taker == "sell"), "True")
        for t in market.trades
    ]
    return write_csv(folder / f"{market.symbol}-trades-2026-11-01.csv", rows), Choices(
        instrument=market.id
    )


def spot_dump_in_ms(folder, market):
    return spot_dump(folder, market, 1000)


def zipped_spot_dump(folder, market):
    plain, choices = spot_dump(folder, market)
    with zipfile.ZipFile(plain.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(plain, plain.name)
    return plain.with_suffix(".zip"), choices


def gzipped_futures_dump(folder, market):
    header = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
    rows = [
        (t.id, t.price, t.size, "1", t.event_us, str(t.taker == "sell").lower())
        for t in market.trades
    ]
    plain = write_csv(folder / f"{market.symbol}-trades-2026-11-01.csv", rows, header)
    packed = plain.with_name(plain.name + ".gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    return packed, Choices(instrument=market.id)


def coinbase_csv(folder, market):
    header = ("time", "trade_id", "price", "size", "side", "product_id")
    rows = [
        (iso(t), t.id, t.price, t.size, "sell" if t.taker == "buy" else "buy", market.symbol)
        for t in market.trades
    ]
    return write_csv(folder / "trades.csv", rows, header), Choices(
        venue=market.id.partition(".")[2].lower()
    )


def other_csv(folder, market):
    header = ("when", "px", "vol", "direction", "n")
    rows = [
        (f"{t.event_us / 1e6:.6f}", t.price, t.size, t.taker.upper(), t.id) for t in market.trades
    ]
    named = {"time": "when", "price": "px", "size": "vol", "side": "direction", "id": "n"}
    return write_csv(folder / "x.csv", rows, header, ";"), Choices(
        instrument=market.id, columns=named
    )


def parquet(folder, market, price):
    table = pa.table({
        "px": price(market.trades),
        "qty": pa.array([t.size for t in market.trades]),
        "ts": pa.array([t.event_us for t in market.trades], pa.timestamp("us")),
        "n": pa.array([t.id for t in market.trades]),
        "maker": pa.array([t.taker == "sell" for t in market.trades]),
        "received": pa.array([t.received_ns for t in market.trades]),
    })  # fmt: skip
    pq.write_table(table, folder / "trades.parquet")
    named = {"price": "px", "size": "qty", "time": "ts", "id": "n", "is_buyer_maker": "maker"}
    return folder / "trades.parquet", Choices(instrument=market.id, columns=named)


def parquet_of_floats(folder, market):
    return parquet(folder, market, lambda trades: pa.array([float(t.price) for t in trades]))


def parquet_of_decimals(folder, market):
    kind = pa.decimal128(20, 8)
    return parquet(
        folder, market, lambda trades: pa.array([Decimal(t.price) for t in trades]).cast(kind)
    )


def jsonl_rows(folder, market):
    lines = [
        json.dumps({
            "symbol": market.symbol, "tradeId": t.id, "price": t.price, "amount": t.size, "takerSide": t.taker,
            "timestamp": t.event_us, "local_timestamp": t.received_ns,
        })
        for t in market.trades
    ]  # fmt: skip
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder / "rows.jsonl", Choices(venue=market.id.partition(".")[2].lower())


def capture(folder, market):
    lines = ['{"t":"header","exchange":"X"}']
    for line in market.tape:
        received, _, frame = line.partition(" ")
        if frame:
            lines.append(f'{{"t":"recv","ts":{received},"data":{json.dumps(frame)}}}')
    (folder / "capture.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "capture.jsonl", Choices(venue=market.id.partition(".")[2].lower())


def capture_of_objects(folder, market):
    lines = []
    for line in market.tape:
        received, _, frame = line.partition(" ")
        lines += [f'{{"at": "{received}", "raw": {frame}}}'] if frame else []
    (folder / "capture.jsonl").write_text("\n".join(lines) + "\n")
    choices = Choices(
        venue=market.id.partition(".")[2].lower(), columns={"received": "at", "frame": "raw"}
    )
    return folder / "capture.jsonl", choices


FORMATS = (
    spot_dump, spot_dump_in_ms, zipped_spot_dump, gzipped_futures_dump, coinbase_csv, other_csv,
    parquet_of_floats, parquet_of_decimals, jsonl_rows, capture, capture_of_objects,
)  # fmt: skip


def bars_of(tapes, folder, columns=OF_BARS):
    """Return the bars of tapes."""
    job_file = folder / "job.toml"
    job_file.write_text(JOB)
    job, results = settings.load(job_file, {}), folder / "results.duckdb"
    plan = Plan(command="test", log=find_tapes([tapes], job), job=job, results=results)
    run_plan(plan, lambda _: None, lambda _: None)
    with connect(results) as con:
        assert con.sql("SELECT count(*) FROM dead_letters").fetchall() == [(0,)]
        return con.sql(f"SELECT {columns} FROM bars ORDER BY ALL").fetchall()


_raw: dict[tuple, list] = {}


def raw_bars(name, tmp_path_factory, columns=OF_BARS):
    """Return the bars of a market's raw frames."""
    if (name, columns) not in _raw:
        market, folder = market_of(name), tmp_path_factory.mktemp("raw")
        (folder / "tapes").mkdir()
        venue = market.id.partition(".")[2].lower()
        (folder / "tapes" / f"{venue}-0.tape").write_text("\n".join(market.tape) + "\n")
        _raw[name, columns] = bars_of(folder / "tapes", folder, columns)
    return _raw[name, columns]


@pytest.mark.parametrize("cut", FORMATS, ids=lambda cut: cut.__name__)
@pytest.mark.parametrize("name", MARKETS)
def test_trades_cut_into_a_foreign_format_give_the_bars_of_the_raw_frames(
    name, cut, tmp_path, tmp_path_factory
):
    market, expected = market_of(name), raw_bars(name, tmp_path_factory)
    path, choices = cut(tmp_path, market)
    (imported,) = import_files([path], tmp_path / "tapes", choices)
    assert (imported.bad, imported.moved) == (0, 0) or "recorded" in name
    if imported.kind != "frame":
        assert imported.rows == len(market.trades)
    bars = bars_of(tmp_path / "tapes", tmp_path)
    assert len(bars) > 10
    assert bars == expected


@pytest.mark.parametrize("cut", [capture, capture_of_objects], ids=lambda cut: cut.__name__)
@pytest.mark.parametrize("name", MARKETS)
def test_a_capture_gives_every_column_of_the_bars(name, cut, tmp_path, tmp_path_factory):
    path, choices = cut(tmp_path, market_of(name))
    import_files([path], tmp_path / "tapes", choices)
    columns = f"{OF_BARS}, complete, log_time"
    assert bars_of(tmp_path / "tapes", tmp_path, columns) == raw_bars(
        name, tmp_path_factory, columns
    )


CAPTURES = {
    "BINANCE_20210417T163611Z.jsonl.zst": "binance",
    "BINANCE_FUTURES_20210417T163727Z.jsonl.zst": "binance-usdm",
    "COINBASE_20210417T164336Z.jsonl.zst": "coinbase",
    "COINBASE_20260809T210548Z_head.jsonl.zst": "coinbase",
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_recorded_capture_becomes_the_frames_that_were_received_to_the_byte(name, tmp_path):
    path = DATA / "venues" / name
    if not path.exists():
        pytest.skip(f"no recording {path}")
    (imported,) = import_files([path], tmp_path, Choices())
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        lines = [json.loads(line, parse_float=Decimal) for line in stream.read().splitlines()]
    received = [(int(each["ts"] * 10**9), each["data"]) for each in lines if each["t"] == "recv"]
    with pa.CompressedInputStream(pa.OSFile(imported.tape), "zstd") as stream:
        records = [line.partition(" ") for line in stream.read().decode().splitlines()]
    assert [frame for _, _, frame in records] == [frame for _, frame in received]
    last, expected = 0, []
    for ns, _ in received:
        last = max(last, ns)
        expected.append(last)
    assert [int(digits) for digits, _, _ in records] == expected
    assert (imported.venue, imported.skipped) == (CAPTURES[name], len(lines) - len(received))
