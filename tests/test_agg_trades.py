"""Aggregate trades of Binance: read where the job says so, and never left out without a word."""

import json

import duckdb
import pytest

from tapeflow.flows.cli.main import main
from tapeflow.flows.job import settings, wiring
from tapeflow.schemas.errors import UsageError
from tests.frames import S, binance_trade
from tests.running import loaded, replay, replay_topics

T0 = 1_735_732_800 * S  # 2025-01-01 12:00
INSTRUMENTS = """
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }
"ETH-USDT.BINANCE" = { tick = "0.01", lot = "0.0001" }
"BTC-USDT-PERP.BINANCE-USDM" = { tick = "0.1", lot = "0.001" }
"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.00000001" }
"""
PARTS = (  # (second, aggTrade id, price, size, first id, last id, buyer was the maker)
    (0, 1, "94000.00", "0.30000", 100, 102, "false"),
    (20, 2, "94010.00", "0.10000", 103, 103, "true"),
    (59, 3, "93990.00", "0.20000", 104, 108, "true"),
    (61, 4, "94001.00", "0.10000", 109, 109, "false"),
    (125, 5, "94001.00", "0.10000", 110, 110, "false"),
)


def agg_trade(second, number, price, size, first, last, maker, *, symbol="BTCUSDT", unit=10**6):
    """Return an aggTrade; `unit` is that of its times, in ns."""
    time = (T0 + second * S) // unit
    return (
        f'{{"e":"aggTrade","E":{time},"s":"{symbol}","a":{number},"p":"{price}","q":"{size}",'
        f'"f":{first},"l":{last},"T":{time},"m":{maker},"M":true}}'
    )


def combined(frame):
    return f'{{"stream":"btcusdt@aggTrade","data":{frame}}}'


def write_tape(folder, partition, frames):
    """Write (second, frame) as a tape; return its folder."""
    folder.mkdir(exist_ok=True)
    lines = [f"{T0 + second * S + 5_000_000} {frame}\n" for second, frame in frames]
    (folder / f"{partition}.tape").write_text("".join(lines))
    return folder


def write_job(folder, market=""):
    path = folder / "job.toml"
    path.write_text(f'[bars]\nwidth = "1m"\nlateness = "2s"\n{market}\n{INSTRUMENTS}')
    return path


def run(capsys, tapes, job, *options):
    """Replay by the command; return its exit code, output and errors."""
    results = tapes.parent / "results.duckdb"
    arguments = ["replay", tapes, "--config", job, "--results", results, *options]
    code = main([*map(str, arguments)])
    written = capsys.readouterr()
    return code, written.out, written.err


def query(folder, sql):
    with duckdb.connect(str(folder / "results.duckdb")) as con:
        return con.execute(sql).fetchall()


BARS = "SELECT open, high, low, close, volume, count, buy_volume FROM bars ORDER BY open_time"
SET = '[market]\ntrades = {{ {} = "aggTrade" }}\n'


@pytest.mark.parametrize("unit", [10**6, 10**3], ids=["ms", "us"])
@pytest.mark.parametrize("partition", ["binance-0", "binance-usdm-0"])
@pytest.mark.parametrize("wrap", [str, combined], ids=["bare", "combined"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_bar_of_agg_trades_is_the_kline(capsys, tmp_path, partition, wrap, workers, unit):
    frames = [(part[0], wrap(agg_trade(*part, unit=unit))) for part in PARTS]
    tapes = write_tape(tmp_path / "tapes", partition, frames)
    job = write_job(tmp_path, SET.format(partition.removesuffix("-0")))
    code, out, err = run(capsys, tapes, job, "--workers", workers)
    assert (code, err) == (0, "") and "aggTrade" not in out
    assert query(tmp_path, BARS)[0] == (94000.0, 94010.0, 93990.0, 93990.0, 0.6, 9, 0.3)


def test_agg_trades_through_kafka_give_the_same_facts_as_tapes(tmp_path):
    tapes = write_tape(tmp_path / "t", "binance-0", [(part[0], agg_trade(*part)) for part in PARTS])
    job = settings.load(write_job(tmp_path, SET.format("binance")), {})
    listed = {"BTC-USDT.BINANCE": job.instruments["BTC-USDT.BINANCE"]}  # no topic of another venue
    job = job.model_copy(update={"instruments": listed})
    digest = replay(tapes, tmp_path / "tapes.duckdb", job)
    with loaded(tapes, job) as job_of_topics:
        assert replay_topics(job_of_topics, tmp_path / "topics.duckdb", workers=2) == digest


@pytest.mark.parametrize("wrap", [str, combined], ids=["bare", "combined"])
def test_a_run_that_reads_no_agg_trade_says_so_and_how_to(capsys, tmp_path, wrap):
    frames = [(part[0], wrap(agg_trade(*part))) for part in PARTS]
    tapes = write_tape(tmp_path / "tapes", "binance-0", frames)
    code, out, err = run(capsys, tapes, write_job(tmp_path))
    hint = (
        "binance-0: none of 5 aggTrade frames is read, and no other trades of BTC-USDT.BINANCE: "
        'to read them set [market] trades = { binance = "aggTrade" }'
    )
    assert code == 0 and f"hint: {hint}" in out.splitlines() and err == ""
    code, out, err = run(capsys, tapes, write_job(tmp_path), "--json")
    assert json.loads(out)["hints"] == [hint] and err == ""
    sql = "SELECT partition, channel, frames, unread FROM recognised_channels"
    assert query(tmp_path, sql) == [("binance-0", "aggTrade", 5, 5)]


def test_what_the_hint_advises_reads_the_trades(capsys, tmp_path):
    frames = [(part[0], agg_trade(*part)) for part in PARTS]
    tapes = write_tape(tmp_path / "tapes", "binance-usdm-0", frames)
    _, out, _ = run(capsys, tapes, write_job(tmp_path))
    advice = out.strip().partition("set [market] ")[2]
    code, _, err = run(capsys, tapes, write_job(tmp_path, f"[market]\n{advice}\n"))
    assert (code, err) == (0, "")
    assert query(tmp_path, "SELECT sum(count) FROM bars") == [(11,)]


def test_of_both_channels_only_the_one_that_the_job_names_is_read(capsys, tmp_path):
    frames = [(part[0], agg_trade(*part)) for part in PARTS]
    frames += [(130 + n, binance_trade(n, at=T0 + (130 + n) * S).decode()) for n in range(3)]
    tapes = write_tape(tmp_path / "tapes", "binance-0", frames)
    for market, trades in (("", 3), (SET.format("binance"), 11)):
        code, _, err = run(capsys, tapes, write_job(tmp_path, market))
        assert (code, err) == (0, "")
        assert query(tmp_path, "SELECT sum(count) FROM bars") == [(trades,)]


def test_an_instrument_of_which_the_log_has_only_agg_trades_is_named(capsys, tmp_path):
    frames = [(part[0], agg_trade(*part, symbol="ETHUSDT")) for part in PARTS]
    frames += [(130, binance_trade(1, at=T0 + 130 * S).decode())]
    frames += [(131, agg_trade(*PARTS[0])), (132, agg_trade(*PARTS[0], symbol="DOGEUSDT"))]
    _, out, _ = run(
        capsys, write_tape(tmp_path / "tapes", "binance-0", frames), write_job(tmp_path)
    )
    (hint,) = [line for line in out.splitlines() if line.startswith("hint: ")]
    assert hint.startswith("hint: binance-0: none of 6 aggTrade frames is read")
    assert "no other trades of ETH-USDT.BINANCE:" in hint


def test_agg_trades_of_instruments_that_are_not_listed_need_no_hint(capsys, tmp_path):
    frames = [(part[0], agg_trade(*part, symbol="DOGEUSDT")) for part in PARTS]
    tapes = write_tape(tmp_path / "tapes", "binance-0", frames)
    code, out, err = run(capsys, tapes, write_job(tmp_path))
    assert (code, err) == (0, "") and "aggTrade" not in out
    assert query(tmp_path, "SELECT frames, unread FROM recognised_channels") == [(5, 0)]


@pytest.mark.parametrize(
    ("market", "line"),
    [
        ('trades = { kraken = "aggTrade" }', "market.trades.kraken is no venue"),
        (
            'trades = { coinbase = "aggTrade" }',
            "market.trades.coinbase: its trades come in one way",
        ),
        ('trades = { binance = "kline" }', "market.trades.binance: Input should be 'trade' or"),
        ('time_unit = "us"', "market.time_unit: Input should be 'by_digits' or 'ms'"),
    ],
)
def test_a_channel_of_trades_that_there_is_not_is_refused(tmp_path, market, line):
    with pytest.raises(UsageError, match=line):
        wiring.validate(settings.load(write_job(tmp_path, f"[market]\n{market}\n"), {}))


def test_the_channel_of_trades_can_be_set_by_a_variable(tmp_path):
    variables = {"TAPEFLOW_MARKET_TRADES": '{"binance": "aggTrade"}'}
    assert settings.load(write_job(tmp_path), variables).market.trades == {"binance": "aggTrade"}
