"""Logs at the ends of time and of money: a run ends, every number is finite, and what is odd is counted.

log times      2000 .. 2199, at every door
event times    to the last nanosecond before 2^63 - 1, which is infinity in a table
trades         1e-12 <= price < 1e12 and 1e-18 <= size < 1e18, else off_market
"""

import json
import math
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.flows.cli.main import main
from tapeflow.flows.cli.verify import check_topics
from tapeflow.flows.job import settings
from tapeflow.schemas.errors import TapeflowError
from tests.running import loaded, replay, replay_topics

S = 10**9
T0 = 1_700_000_000 * S
LAST_MS = (2**63 - 1) // 10**6
PRICES = (100, 105, 120, 110, 110, 120, 118, 101)
JOB = """
bars = {{ width = "1s", lateness = "{lateness}", ahead = "none" }}
market = {{ any_price = {any_price} }}
source = {{ step = "0s" }}
results = {{ equity_interval = "1s" }}
[[accounts]]
name = "a"
position_max = "1000000"
gross_max = "999999999999999999999999"
orders_max = 100000
orders_window = "10s"
[[strategies]]
name = "s"
kind = "ema_cross"
account = "a"
fast = 1
slow = 2
size = {size}
[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.1", multiplier = "{multiplier}" }}
"""


def job(folder, *, lateness="200ms", any_price="false", size=1, multiplier=1):
    path = folder / "job.toml"
    keys = {"lateness": lateness, "any_price": any_price, "size": size, "multiplier": multiplier}
    path.write_text(JOB.format(**keys))
    return settings.load(path, {})


def trade(number, event_ms, price="100", size="1"):
    fields = {"e": "trade", "s": "BTCUSDT", "t": number, "p": price, "q": size, "T": event_ms}
    return json.dumps({**fields, "m": True}).encode()


def busy(count=12, start_ns=T0):
    """Trades of a market that moves, one a second: averages of one and two bars cross."""
    return [
        (at := start_ns + number * S, trade(number, at // 10**6, str(PRICES[number % 8])))
        for number in range(count)
    ]


def write(folder, records, name="binance-0"):
    folder.mkdir(exist_ok=True)
    lines = (b"%d %b\n" % record for record in records)
    (folder / f"{name}.tape").write_bytes(b"".join(lines))
    return folder


def rows(results, sql):
    with duckdb.connect(str(results), read_only=True) as con:
        return con.execute(sql).fetchall()


def check_finite(results):
    """Check that no number of any table is infinite or none."""
    for table in ("bars", "signals", "late_trades", "equity", "fills", "positions", "metrics"):
        for row in rows(results, f"SELECT * FROM {table}"):
            assert all(math.isfinite(each) for each in row if isinstance(each, float)), (table, row)


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_ns", [2**63 - 1, 2**63 - 2, 2**62 * 2 - 10**18, 7_258_118_400 * S])
@pytest.mark.parametrize("door", ["text", "parquet"])
def test_a_log_time_near_the_end_of_int64_is_refused_in_one_line(door, log_ns, tmp_path, capsys):
    records, tapes = [*busy(), (log_ns, trade(99, T0 // 10**6))], tmp_path / "tapes"
    write(tapes, records)
    if door == "parquet":
        (tapes / "binance-0.tape").unlink()
        columns = {"log_ns": [at for at, _ in records], "frame": [frame for _, frame in records]}
        pq.write_table(pa.table(columns), tapes / "binance-0.parquet")
    write(tapes, [(T0, b"")], "binance-1")
    job(tmp_path)
    options = ["--config", str(tmp_path / "job.toml"), "--results", str(tmp_path / "r.duckdb")]
    assert main(["replay", str(tapes), *options]) == 1
    errors = capsys.readouterr().err.splitlines()
    (line,) = [each for each in errors if each.startswith("tapeflow replay: ")]
    assert "record 12" in line and "binance-0" in line and "2000 to 2199" in line


def test_a_log_time_near_the_end_of_int64_cannot_be_loaded_into_a_topic(tmp_path):
    tapes = write(tmp_path / "tapes", [*busy(), (2**63 - 1, trade(99, 1))])
    with pytest.raises(TapeflowError, match="record 12 has log time"), loaded(tapes, job(tmp_path)):
        pass


def test_a_watermark_goes_beyond_the_end_of_time(tmp_path):
    begin = LAST_MS - LAST_MS % 1000
    log = [
        (T0, trade(1, begin + 1)),
        (T0 + 2 * S, b""),  # W = begin + 1 ms + 2 s - 0.2 s: beyond int64, and the bar's end
        (T0 + 3 * S, trade(2, begin + 2)),
        (T0 + 4 * S, trade(3, T0 // 10**6)),
    ]
    tapes, results = write(tmp_path / "tapes", log), tmp_path / "r.duckdb"
    digest = replay(tapes, results, job(tmp_path))
    assert rows(results, "SELECT trade_id FROM late_trades ORDER BY ALL") == [(2,), (3,)]
    ends = rows(results, "SELECT epoch_ns(close_time), count, complete FROM bars")
    assert ends == [(2**63 - 2, 1, False)]
    with loaded(tapes, job(tmp_path), (True,)) as topics:
        assert replay_topics(topics, tmp_path / "topics.duckdb", workers=2) == digest


def test_event_times_from_one_end_of_time_to_the_other_make_no_good_trade_late(tmp_path):
    log = [
        (T0, trade(1, 1_000_000_000_000)),
        (T0 + S, trade(2, LAST_MS)),  # of a delay of minus 238 years
        (T0 + 2 * S, trade(3, T0 // 10**6)),
    ]
    results = tmp_path / "r.duckdb"
    replay(write(tmp_path / "tapes", log), results, job(tmp_path, lateness="36500d"))
    verdicts = rows(results, "SELECT sum(accepted), sum(late) FROM data_quality_minutes")
    assert verdicts == [(2, 1)]
    (delay,) = rows(results, "SELECT value FROM metrics WHERE name = 'delay_ms_max'")
    assert delay == ((T0 // 10**6 - 1_000_000_000_000),)
    check_finite(results)


@pytest.mark.parametrize("years", [35, 170])
def test_years_of_silence_cost_nothing(years, tmp_path):
    later = T0 + years * 365 * 86_400 * S
    log = [*busy(), *((later + S * n, frame) for n, (_, frame) in enumerate(busy(3)))]
    log += [(later + 60 * S, b""), *((at, b"") for at in (later + 90 * S, later + 200 * S))]
    tapes = write(tmp_path / "tapes", log)
    write(tapes, [(T0, b""), (later, b"")], "binance-1")
    replay(tapes, tmp_path / "warm.duckdb", job(tmp_path))  # kernels are compiled
    begun = time.monotonic()
    digest = replay(tapes, tmp_path / "r.duckdb", job(tmp_path))
    assert time.monotonic() - begun < 10
    assert len(rows(tmp_path / "r.duckdb", "SELECT 1 FROM equity")) < 30
    assert len(rows(tmp_path / "r.duckdb", "SELECT 1 FROM metrics")) < 60
    with loaded(tapes, job(tmp_path), (False, True)) as topics:
        begun = time.monotonic()
        assert replay_topics(topics, tmp_path / "topics.duckdb", publish=True) == digest
        assert time.monotonic() - begun < 15


# --- money ---------------------------------------------------------------------------------------

ABSURD = [
    ("1" + "0" * 300, "1" + "0" * 200), ("100", "1" + "0" * 308), ("1" + "0" * 308, "1"),
    ("1000000000000", "1"), ("0." + "0" * 12 + "1", "1"), ("100", "0." + "0" * 18 + "1"),
    ("100", "1" + "0" * 18), ("0." + "0" * 320 + "1", "0." + "0" * 320 + "1"),
]  # fmt: skip
EDGES = [("999999999999.99", "999999999999999900"), ("0.000000000001", "0.000000000000000001")]


def with_trades(odd):
    """A busy log in which odd trades come twice a second."""
    log = busy(40)
    for number, (price, size) in enumerate(odd * 2):
        at = T0 + (2 + 3 * number) * S + S // 2
        log.append((at, trade(1000 + number, at // 10**6, price, size)))
    return sorted(log, key=lambda record: record[0])


def test_a_trade_beyond_the_range_is_counted_and_in_no_bar(tmp_path):
    clean, results = tmp_path / "clean.duckdb", tmp_path / "r.duckdb"
    replay(write(tmp_path / "clean", busy(40)), clean, job(tmp_path))
    tapes = write(tmp_path / "tapes", with_trades(ABSURD))
    digest = replay(tapes, results, job(tmp_path))
    readable = sum(0 < float(p) < math.inf and 0 < float(q) < math.inf for p, q in ABSURD)
    counts = rows(results, "SELECT sum(accepted), sum(off_market) FROM data_quality_minutes")
    assert counts == [(40, 2 * readable)]
    for table in (
        "open, high, low, close, volume, vwap, notional, count FROM bars",
        "price FROM fills",
    ):
        assert rows(results, f"SELECT {table}") == rows(clean, f"SELECT {table}")
    check_finite(results)
    with loaded(tapes, job(tmp_path), (True,)) as topics:
        assert replay_topics(topics, tmp_path / "k.duckdb", workers=2, publish=True) == digest
        checks = check_topics(tmp_path / "k.duckdb", topics, print)
        assert all(check.equal for check in checks), checks


def test_trades_at_the_ends_of_the_range_are_accepted_and_their_sums_are_finite(tmp_path):
    results = tmp_path / "r.duckdb"
    replay(write(tmp_path / "tapes", with_trades(EDGES)), results, job(tmp_path))
    assert rows(results, "SELECT sum(off_market), sum(accepted) FROM data_quality_minutes") == [
        (0, 44)
    ]
    check_finite(results)


def test_any_price_is_that_of_the_reference_job_and_ends_no_run(tmp_path):
    tapes, wild = write(tmp_path / "tapes", with_trades(ABSURD)), job(tmp_path, any_price="true")
    digest = replay(tapes, tmp_path / "r.duckdb", wild)
    (count,) = rows(tmp_path / "r.duckdb", "SELECT sum(off_market) FROM data_quality_minutes")
    assert count == (0,)
    with loaded(tapes, wild) as topics:
        assert replay_topics(topics, tmp_path / "k.duckdb", publish=True) == digest
        with pytest.raises(TapeflowError, match="JSON has no infinite numbers"):
            check_topics(tmp_path / "k.duckdb", topics, print)


def test_money_beyond_the_tables_is_denied_and_never_ends_a_run(tmp_path):
    # prices from a trillion to nothing: the position gains or loses all of it at every fill
    log = []
    for number in range(400):
        at, price = T0 + number * S, ("999999999999", "0.000001")[number % 4 // 2]
        log.append((at, trade(number, at // 10**6, price)))
    wild, results = job(tmp_path, size=1_000_000, multiplier=900_000), tmp_path / "r.duckdb"
    replay(write(tmp_path / "tapes", log), results, wild)
    reasons = {reason for (reason,) in rows(results, "SELECT DISTINCT reason FROM decisions")}
    assert "MONEY_RANGE" in reasons and "" in reasons, reasons
    check_finite(results)
