"""`tapeflow ticks`: trades and quotes as Parquet, equal to what plain json reads of the tapes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from tapeflow.connectors.tapes.tick_rows import SCHEMAS
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests.running import ROOT, job_of, silent

DEMO = ROOT / "jobs" / "demo.toml"
VERDICTS = ("accepted", "duplicate", "late", "history", "off_market", "ahead")


def write_ticks(tapes, folder, workers=1, **source):
    job = job_of(DEMO, **({"source": source} if source else {}))
    log = find_tapes([tapes], job)
    run_plan(
        Plan(flow="ticks", command="ticks", log=log, job=job, results=folder, workers=workers),
        silent,
        silent,
    )
    return folder


@pytest.fixture(scope="module")
def ticks(demo_run, tmp_path_factory):
    return write_ticks(demo_run.tapes, tmp_path_factory.mktemp("ticks") / "ticks")


def read(folder, kind):
    return f"read_parquet('{folder}/{kind}/*/*.parquet')"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


# --- equal to plain json ------------------------------------------------------------------


def epoch_ns(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, "0") or 0)


def binance(frame):
    """The trade or quote of a frame of Binance, spot or futures, as plain json has it."""
    data = frame["data"]
    if data.get("e") == "trade":
        side = "SELL" if data["m"] else "BUY"
        stamp = data["T"] * 10**6
        yield "trades", data["s"], (stamp, data["t"], side, float(data["p"]), float(data["q"]))
    elif "bookTicker" in frame["stream"]:
        stamp = data["T"] * 10**6 if "T" in data else None
        yield "quotes", data["s"], (stamp, *(float(data[name]) for name in "bBaA"))


def coinbase(frame):
    """The trade or quote of a frame of Coinbase; its side is that of the maker."""
    stamp = epoch_ns(frame["time"]) if "time" in frame else None
    if frame["type"] in {"match", "last_match"}:
        side = "BUY" if frame["side"] == "sell" else "SELL"
        prices = float(frame["price"]), float(frame["size"])
        yield "trades", frame["product_id"], (stamp, frame["trade_id"], side, *prices)
    elif frame["type"] == "ticker":
        names = ("best_bid", "best_bid_size", "best_ask", "best_ask_size")
        yield "quotes", frame["product_id"], (stamp, *(float(frame[name]) for name in names))


def plain_rows(explained):
    """Every trade and quote of a listed symbol on the tapes, without any of the product."""
    instruments = explained.rows("SELECT id, lower(venue) AS venue, venue_symbol FROM instruments")
    ids = {(row["venue"], row["venue_symbol"]): row["id"] for row in instruments}
    broken = {
        (row["partition"], row["offset"])
        for row in explained.rows('SELECT "partition", "offset" FROM dead_letters')
    }
    rows = {"trades": set(), "quotes": set()}
    for partition, lines in explained.lines.items():
        venue = partition.rpartition("-")[0]
        for offset, line in enumerate(lines):
            log_ns, _, text = line.partition(b" ")
            if not text or (partition, offset) in broken:
                continue
            frame = json.loads(text)
            found = coinbase(frame) if venue == "coinbase" else binance_rows(frame)
            for kind, symbol, row in found:
                if (venue, symbol) in ids:
                    rows[kind].add((partition, offset, int(log_ns), ids[venue, symbol], *row))
    return rows


def binance_rows(frame):
    return binance(frame) if "stream" in frame else ()


@pytest.fixture(scope="module")
def expected_rows(demo_run):
    return plain_rows(demo_run)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["trades", "quotes"])
def test_ticks_are_those_that_plain_json_reads_of_the_tapes(ticks, expected_rows, kind):
    own = {
        "trades": "event_ns, trade_id, side, price, size",
        "quotes": "event_ns, bid, bid_size, ask, ask_size",
    }[kind]
    columns = f'"partition", "offset", log_ns, instrument, {own}'
    found = duckdb.sql(f"SELECT {columns} FROM {read(ticks, kind)}").fetchall()
    expected = expected_rows[kind]
    assert len(found) == len(expected) > 100_000
    assert set(found) == expected


def test_counts_by_verdict_are_those_of_data_quality(ticks, demo_run):
    names = ", ".join(f"sum({name})::BIGINT AS {name}" for name in (*VERDICTS, "quotes"))
    counted = demo_run.rows(f"SELECT instrument, {names} FROM data_quality GROUP BY ALL")
    expected = {
        (row["instrument"], name): row[name]
        for row in counted
        for name in (*VERDICTS, "quotes")
        if row[name]
    }
    by_verdict = f"SELECT instrument, verdict, count(*) FROM {read(ticks, 'trades')} GROUP BY ALL"
    quotes = f"SELECT instrument, 'quotes', count(*) FROM {read(ticks, 'quotes')} GROUP BY ALL"
    found = duckdb.sql(f"{by_verdict} UNION ALL {quotes}").fetchall()
    assert {(instrument, name): count for instrument, name, count in found} == expected
    assert {name for _, name in expected} >= {"duplicate", "late", "history", "off_market"}


def test_accepted_trades_add_up_to_the_volumes_of_bars(ticks, demo_run):
    volumes = demo_run.rows("SELECT instrument, sum(volume) AS volume FROM bars GROUP BY ALL")
    accepted = pl.scan_parquet(ticks / "trades" / "**" / "*.parquet").filter(
        pl.col("verdict") == "accepted"
    )
    sums = accepted.group_by("instrument").agg(pl.col("size").sum()).collect()
    assert {name: pytest.approx(size) for name, size in sums.iter_rows()} == {
        row["instrument"]: row["volume"] for row in volumes
    }


# --- the same bytes -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "source"), [(2, {}), (1, {"page_records": 777})])
def test_files_have_the_same_bytes_whatever_reads_the_log(
    ticks, demo_run, tmp_path, workers, source
):
    again = write_ticks(demo_run.tapes, tmp_path / "again", workers, **source)
    assert files(again) == files(ticks)
    assert len(files(again)) == 6
    assert not list(again.rglob(".*"))


def test_files_have_the_columns_of_the_page(ticks):
    page = (ROOT / "docs" / "ticks.md").read_text()
    for name, data in files(ticks).items():
        schema = pq.read_schema(ticks / name)
        assert schema.names == SCHEMAS[name.partition("/")[0]].names and data
        assert all(f"| {column} |" in page for column in schema.names)


def test_hours_are_files_of_their_own(tmp_path):
    hour_ns, begin_ns = 3_600_000_000_000, 1_767_603_600_000_000_000
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    frame = '{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{0},"s":"BTCUSDT","t":{1},"p":"1","q":"2","T":{0},"m":false}}}}'
    times = [begin_ns + hour_ns * step // 2 for step in range(6)]
    lines = [f"{at} {frame.format(at // 10**6, number)}\n" for number, at in enumerate(times)]
    (tapes / "binance-0.tape").write_text("".join(lines))
    folder = write_ticks(tapes, tmp_path / "ticks")
    names = [f"trades/binance-0/2026-01-05T{hour:02}.parquet" for hour in (9, 10, 11)]
    assert sorted(files(folder)) == names
    assert [pq.read_table(folder / name)["log_ns"].to_pylist() for name in names] == [
        times[:2], times[2:4], times[4:],
    ]  # fmt: skip


# --- when it does not end -----------------------------------------------------------------


def test_a_folder_that_is_there_is_left_alone(ticks, demo_run):
    before = files(ticks)
    with pytest.raises(TapeflowError, match="exists: name a new folder, or delete it"):
        write_ticks(demo_run.tapes, ticks)
    assert files(ticks) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_stopped_leaves_no_folder_and_starts_anew(ticks, demo_run, tmp_path, number):
    folder = tmp_path / "ticks"
    line = ["ticks", demo_run.tapes, "--config", DEMO, "--into", folder]
    command = [sys.executable, "-m", "tapeflow", *map(str, line)]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / "ticks.partial"
    deadline = time.monotonic() + 60
    while not any(partial.rglob("*.next")):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.005)
    os.kill(running.pid, number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode in {-number, 128 + number}, errors
    assert not folder.exists()
    assert files(write_ticks(demo_run.tapes, folder)) == files(ticks)
    assert not partial.exists()


@pytest.mark.slow
def test_the_command_prints_what_it_wrote(ticks, demo_run, tmp_path):
    line = ["ticks", demo_run.tapes, "--config", DEMO, "--into", tmp_path / "ticks", "--json"]
    command = [sys.executable, "-m", "tapeflow", *map(str, line)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    printed = json.loads(done.stdout)
    count = duckdb.sql(f"SELECT count(*) FROM {read(ticks, 'trades')}").fetchall()[0][0]
    assert printed["trades"] == count
    assert printed["bytes"] == sum(map(len, files(ticks).values()))
