"""A fill that its own record, or the quote that it met, contradicts is not whole."""

import json

import duckdb
import pytest

from tapeflow.flows.cli.main import main
from tapeflow.flows.explain.fill_record import FillRecord
from tapeflow.flows.explain.node import Node

PARTITION = "binance-0"
TAKER = (
    f"SELECT * FROM fills WHERE partition = '{PARTITION}' AND trade_id = -1 ORDER BY seq LIMIT 1"
)


@pytest.fixture
def results(demo_run, tmp_path):
    """A copy of the results, to be changed."""
    copy = tmp_path / "results.duckdb"
    copy.write_bytes(demo_run.results.read_bytes())
    return copy


@pytest.fixture
def fill(demo_run):
    return demo_run.rows(TAKER)[0]


def faults_of(capsys, fill, tapes, results):
    """Return the exit code and the faults of a fill itself."""
    command = ["explain", fill["id"], "--json", "--tapes", tapes, "--results", results]
    code = main([*map(str, command)])
    return code, json.loads(capsys.readouterr().out)["faults"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("trade_id = 5", "has no trade 5"),
        ("ask = ask + 1", "has no such quote"),
        ("bid = NULL", "has no such quote"),
        ("instrument = 'BTC-USD.COINBASE'", "holds nothing of BTC-USD.COINBASE"),
        ("instrument = 'X-Y.BINANCE'", "does not list this instrument"),
        ("liquidity = liquidity", None),
        ("bid = NULL, ask = NULL", None),
    ],
)
def test_a_fill_that_its_record_contradicts_is_a_fault(
    demo_run, results, fill, capsys, change, fault
):
    with duckdb.connect(str(results)) as con:
        con.execute(f"UPDATE internal.fills SET {change} WHERE id = '{fill['id']}'")
    code, faults = faults_of(capsys, fill, demo_run.tapes, results)
    assert code == (fault is not None)
    assert len(faults) == code
    assert all(fault in each for each in faults)


def write_tape(folder, lines):
    (folder / f"{PARTITION}.tape").write_bytes(b"\n".join(lines))
    return folder


def test_a_tape_that_is_shifted_by_one_is_a_fault(demo_run, results, fill, tmp_path, capsys):
    shifted = write_tape(tmp_path, demo_run.lines[PARTITION][1:])
    code, faults = faults_of(capsys, fill, shifted, results)
    assert code == 1
    assert any("holds nothing of" in each or "no such quote" in each for each in faults)


def test_an_edited_ask_of_the_quote_that_it_met_is_a_fault(
    demo_run, results, fill, tmp_path, capsys
):
    ask, symbol = f'"a":"{fill["ask"]:.8f}"'.encode(), fill["instrument"].split(".")[0]
    symbol = f'"{symbol.replace("-", "")}"'.encode()
    lines = [
        line.replace(ask, b'"a":"99999.00000000"') if symbol in line else line
        for line in demo_run.lines[PARTITION]
    ]
    assert lines != demo_run.lines[PARTITION]
    code, faults = faults_of(capsys, fill, write_tape(tmp_path, lines), results)
    assert code == 1
    assert "has no such quote" in faults[0]


@pytest.mark.parametrize(
    ("side", "price", "is_fault"),
    [("BUY", 10.0, False), ("BUY", 10.5, True), ("SELL", 10.0, False), ("SELL", 9.5, True)],
)
def test_a_trade_fills_at_its_price_or_a_worse_one(demo_run, side, price, is_fault):
    """A limit that trades go through fills at its own price."""
    row = {
        "instrument": "BTC-USDT.BINANCE", "partition": "binance-0", "offset": 7, "side": side,
        "price": "10.00", "trade_id": 3, "bid": None, "ask": None,
    }  # fmt: skip
    record = FillRecord(Node("fill", "f", row), demo_run.frames.table, 7, None)
    record.rows, record.trades = 1, {3: price}
    assert bool(record.find_fault()) == is_fault
