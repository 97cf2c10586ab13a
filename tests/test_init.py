"""`tapeflow init`: files that run as they are, with what a log shows of its instruments."""

import ast
import json
import random
import tomllib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.flows.cli.main import main
from tapeflow.flows.imports.convert import import_files
from tapeflow.flows.imports.source import Choices
from tapeflow.flows.job import settings
from tapeflow.flows.job.wiring import validate
from tapeflow.flows.scaffold.skeleton import Dip
from tapeflow.flows.scaffold.steps import count_places, step_of
from tapeflow.flows.scaffold.symbols import instrument_id
from tapeflow.schemas.instruments import parse_id
from tapeflow.schemas.venues import VENUES
from tests.running import job_of, loaded

T = 1_793_491_200_000  # ms


def spot_trade(number, symbol="BTCUSDT", price="61837.60000000", size="0.02000000"):
    return f'{{"e":"trade","E":1,"s":"{symbol}","t":{number},"p":"{price}","q":"{size}","T":{T + number},"m":true,"M":true}}'


def spot_quote(symbol="BTCUSDT", bid="61837.61000000", size="0.00010000"):
    return (
        f'{{"u":5,"s":"{symbol}","b":"{bid}","B":"{size}","a":"61838.00000000","A":"1.00000000"}}'
    )


def agg_trade(number, symbol="BTCUSDT"):
    return f'{{"e":"aggTrade","E":1,"s":"{symbol}","a":{number},"p":"0.5","q":"2","f":{number},"l":{number},"T":{T + number},"m":true}}'


def match(number, product="SKL-USD"):
    return (
        f'{{"type":"match","trade_id":{number},"side":"sell","size":"450","price":"0.791","product_id":"{product}",'
        '"time":"2026-11-01T00:00:00.5Z"}'
    )


def write_tape(path, frames):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{(T + n) * 10**6} {frame}\n" for n, frame in enumerate(frames)))
    return path


def init(*arguments):
    return main(["init", *map(str, arguments)])


def job_in(folder):
    """Return the checked job of a folder, as its text and as it is read."""
    job = settings.load(folder / "job.toml", {})
    validate(job)
    return tomllib.loads((folder / "job.toml").read_text()), job


# --- from nothing ---------------------------------------------------------------------------------


def test_from_nothing_it_writes_a_job_of_the_demo_that_is_right(tmp_path, capsys):
    assert init(tmp_path / "mine") == 0
    written, _ = job_in(tmp_path / "mine")
    demo = tomllib.loads((Path(__file__).parents[1] / "jobs" / "demo.toml").read_text())
    assert written["instruments"] == demo["instruments"]
    assert f"demo --config {tmp_path / 'mine' / 'job.toml'}" in capsys.readouterr().out


def test_its_strategy_is_read_from_the_file_and_has_the_settings_of_the_job(tmp_path):
    init(tmp_path)
    _, job = job_in(tmp_path)
    (row,) = job.strategies
    assert row.kind == "strategy.py:Dip"
    assert Dip(depth=2.5).needs() == ("z:60",)


def test_its_strategy_imports_nothing_of_ours_but_the_top(tmp_path):
    init(tmp_path)
    tree = ast.parse((tmp_path / "strategy.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {each for each in modules if each.startswith("tapeflow")} == {"tapeflow"}


def test_the_demo_trades_what_was_written(tmp_path, capsys):
    init(tmp_path)
    command = [
        "demo",
        "--config",
        str(tmp_path / "job.toml"),
        "--results",
        str(tmp_path / "r.duckdb"),
    ]
    assert main([*command, "--json"]) == 0
    assert (
        main(
            [
                "query",
                "SELECT count(*) AS n FROM fills",
                "--results",
                str(tmp_path / "r.duckdb"),
                "--format",
                "json",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])


def test_its_strategy_keeps_the_laws(tmp_path, capsys):
    init(tmp_path)
    assert (
        main(["check", str(tmp_path / "strategy.py"), "--config", str(tmp_path / "job.toml")]) == 0
    )
    assert "keeps the laws" in capsys.readouterr().out


@pytest.mark.parametrize("there", ["job.toml", "strategy.py"])
def test_nothing_is_written_over_what_is_there(there, tmp_path, capsys):
    (tmp_path / there).write_text("mine")
    assert init(tmp_path) == 2
    assert f"{tmp_path / there} is there already" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_folder_of_tapes_is_no_folder_of_a_job(tmp_path, capsys):
    write_tape(tmp_path / "binance-0.tape", [spot_trade(1)])
    assert init(tmp_path) == 2
    assert f"tapeflow init mine/ {tmp_path}" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["binance-0.tape"]


def test_a_file_is_no_folder(tmp_path, capsys):
    tape = write_tape(tmp_path / "binance-0.tape", [spot_trade(1)])
    assert init(tape) == 2
    assert "name the new folder first" in capsys.readouterr().err


# --- from a log -----------------------------------------------------------------------------------


def test_instruments_and_steps_are_learnt_from_tapes(tmp_path, capsys):
    frames = [
        spot_trade(1),
        spot_quote(),
        spot_trade(2, "ETHBTC", "0.03", "5.00000000"),
        '{"result":null,"id":1}',
        "",
    ]
    write_tape(tmp_path / "tapes" / "binance-0.tape", frames)
    write_tape(tmp_path / "tapes" / "coinbase-0.tape", [match(1), match(2)])
    assert init(tmp_path / "mine", tmp_path / "tapes") == 0
    written, _ = job_in(tmp_path / "mine")
    assert written["instruments"] == {
        "BTC-USDT.BINANCE": {"tick": "0.01", "lot": "0.0001"},
        "ETH-BTC.BINANCE": {"tick": "0.01", "lot": "1"},
        "SKL-USD.COINBASE": {"tick": "0.001", "lot": "1"},
    }
    assert written["strategies"][0]["instruments"] == ["BTC-USDT.BINANCE", "SKL-USD.COINBASE"]
    text = (tmp_path / "mine" / "job.toml").read_text()
    assert "LEARNT from 7 frames" in text
    assert "check them" in text
    assert "learnt from 1 trades, 1 quotes" in text
    assert (
        f"replay {tmp_path / 'tapes'} --config {tmp_path / 'mine' / 'job.toml'}"
        in capsys.readouterr().out
    )


def test_what_was_learnt_replays_at_once_without_a_frame_left_unread(tmp_path, capsys):
    draw = random.Random(4)
    frames = [
        spot_trade(n, draw.choice(["BTCUSDT", "ETHUSDT"]), f"{draw.random() + 9:.4f}")
        for n in range(400)
    ]
    write_tape(tmp_path / "tapes" / "binance-0.tape", frames)
    init(tmp_path / "mine", tmp_path / "tapes")
    command = [
        "replay",
        tmp_path / "tapes",
        "--config",
        tmp_path / "mine" / "job.toml",
        "--results",
        tmp_path / "r.duckdb",
    ]
    assert main([*map(str, command)]) == 0
    assert "set aside          0" in capsys.readouterr().out


def test_what_was_imported_is_learnt_from_as_from_the_venues_own(tmp_path):
    dump = tmp_path / "BTCUSDT-trades-2026-11-01.csv"
    dump.write_text("".join(f"{n},61837.5{n}0000,0.0010,1,{T + n},True,True\n" for n in range(5)))
    import_files([dump], tmp_path / "tapes", Choices())
    init(tmp_path / "mine", tmp_path / "tapes")
    written, _ = job_in(tmp_path / "mine")
    assert written["instruments"] == {"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "0.001"}}
    assert "market" not in written


def test_a_log_of_aggregate_trades_alone_makes_a_job_that_reads_them(tmp_path):
    write_tape(tmp_path / "tapes" / "binance-0.tape", [agg_trade(n) for n in range(5)])
    init(tmp_path / "mine", tmp_path / "tapes")
    written, job = job_in(tmp_path / "mine")
    assert job.market.trades == {"binance": "aggTrade"}
    assert written["instruments"] == {"BTC-USDT.BINANCE": {"tick": "0.1", "lot": "1"}}


def test_a_symbol_without_a_known_base_is_a_comment(tmp_path):
    frames = [
        spot_trade(1),
        spot_trade(2, "BTCUSDT_261225"),
        spot_trade(3, "XYZ"),
        spot_trade(4, 'A\\"B'),
    ]
    write_tape(tmp_path / "tapes" / "binance-0.tape", frames)
    init(tmp_path / "mine", tmp_path / "tapes")
    written, _ = job_in(tmp_path / "mine")
    assert [*written["instruments"]] == ["BTC-USDT.BINANCE"]
    text = (tmp_path / "mine" / "job.toml").read_text()
    assert "# BTCUSDT_261225 of binance" in text
    assert "# XYZ of binance" in text


def test_a_log_in_one_other_currency_makes_an_account_in_it(tmp_path):
    write_tape(tmp_path / "tapes" / "coinbase-0.tape", [match(1, "BTC-EUR")])
    init(tmp_path / "mine", tmp_path / "tapes")
    written, _ = job_in(tmp_path / "mine")
    assert written["accounts"][0]["at_par"] == ["EUR"]


@pytest.mark.parametrize("frames", [[""], ['{"result":null,"id":1}'], [spot_trade(1, "XYZ")]])
def test_a_log_without_instruments_is_refused_and_nothing_is_written(frames, tmp_path, capsys):
    tape = write_tape(tmp_path / "binance-0.tape", frames)
    assert init(tmp_path / "mine", tape) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "mine").exists()


def test_it_looks_at_no_more_frames_than_it_is_told(tmp_path):
    frames = [spot_trade(n) for n in range(10)] + [spot_trade(11, price="1.00001")]
    tape = write_tape(tmp_path / "binance-0.tape", frames)
    init(tmp_path / "few", tape, "--frames", 10)
    init(tmp_path / "all", tape)
    ticks = [
        job_in(tmp_path / name)[0]["instruments"]["BTC-USDT.BINANCE"]["tick"]
        for name in ("few", "all")
    ]
    assert ticks == ["0.1", "0.00001"]


def test_instruments_are_learnt_from_topics(tmp_path, capsys):
    write_tape(tmp_path / "tapes" / "binance-0.tape", [spot_trade(n) for n in range(9)])
    with loaded(tmp_path / "tapes", job_of()) as job:
        client = "".join(
            f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in job.kafka.client.items()
        )
        (tmp_path / "with.toml").write_text(
            f'[instruments]\n[kafka]\nbootstrap = "{job.kafka.bootstrap}"\n[kafka.client]\n{client}'
        )
        assert init(tmp_path / "mine", "--topics", "--config", tmp_path / "with.toml") == 0
    written, _ = job_in(tmp_path / "mine")
    assert written["instruments"] == {"BTC-USDT.BINANCE": {"tick": "0.1", "lot": "0.01"}}
    assert written["kafka"]["bootstrap"] == job.kafka.bootstrap
    assert written["kafka"]["bootstrap"] == job.kafka.bootstrap
    assert "replay --from-topics" in capsys.readouterr().out


# --- steps and symbols ----------------------------------------------------------------------------


@given(st.integers(0, 8), st.lists(st.integers(1, 10**9), min_size=1))
def test_the_step_is_the_smallest_decimal_that_all_values_are_multiples_of(places, numbers):
    values = [Decimal(each).scaleb(-places) for each in numbers]
    found = step_of(count_places(np.array([float(each) for each in values])))
    assert all(each % found == 0 for each in values)
    assert found == 1 or any(each % (found * 10) for each in values)


@given(
    st.sampled_from([*VENUES]),
    st.from_regex(r"[A-Z0-9]{1,10}", fullmatch=True),
    st.sampled_from(["USDT", "USD", "BTC"]),
)
def test_an_id_that_is_made_of_a_symbol_gives_the_symbol_back(venue, base, quote):
    symbol = VENUES[venue].venue_symbol(base, quote)
    name = instrument_id(venue, symbol)
    parts = parse_id(name)
    assert VENUES[venue].venue_symbol(parts.base, parts.quote) == symbol
    assert parts.venue.lower() == venue
