"""Sizes that are known when an order is made, in whole runs: kernels and classes alike."""

import pytest

from tapeflow.connectors.duckdb.query import query
from tapeflow.flows.job import settings
from tests.running import JOB, REFERENCE, replay

GOLDEN = REFERENCE / "golden-heartbeat"
BUYER = """
from tapeflow import BUY, Close, Strategy, Submit


class Buyer(Strategy):
    def on_bar(self, state, bar, context):
        if context.holding(bar.instrument):
            yield Close(bar.instrument)
        elif not context.orders():
            yield Submit(bar.instrument, BUY)
"""
ROW = """
[[strategies]]
name = "sized"
account = "main"
instruments = ["BTC-USDT.BINANCE"]
"""


@pytest.fixture
def run(tmp_path):
    def run(row, lot="0.00001"):
        (tmp_path / "buyer.py").write_text(BUYER)
        text = JOB.read_text().replace("[[accounts]]", "[[accounts]]\ncapital = 100000", 1)
        text = text.replace(
            '"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }',
            f'"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "{lot}" }}',
        )
        assert f'lot = "{lot}"' in text
        (tmp_path / "job.toml").write_text(text + ROW + row)
        job = settings.load(tmp_path / "job.toml", {})
        results = tmp_path / "r.duckdb"
        replay(GOLDEN, results, job)

        def ask(sql):
            return query(results, sql).rows

        return ask

    return run


CLASS, KERNEL = 'kind = "buyer.py:Buyer"\n', 'kind = "ema_cross"\nfast = 2\nslow = 3\n'
ENTRIES = "FROM orders WHERE strategy = 'sized' AND role = 'entry' AND NOT reduce_only"


@pytest.mark.parametrize("kind", [CLASS, KERNEL], ids=["class", "kernel"])
@pytest.mark.parametrize(
    ("size", "worth"), [("{ notional = 700 }", 700), ('{ equity_share = "0.02" }', 2000)]
)
def test_each_order_is_worth_what_is_declared_and_no_more(run, kind, size, worth):
    ask = run(f"{kind}size = {size}\n")
    rows = ask(f"SELECT size, ref_price {ENTRIES}")
    assert len(rows) >= 3
    for size_of, price in rows:
        assert worth * 0.98 < float(size_of) * float(price) < worth * 1.02


@pytest.mark.parametrize("kind", [CLASS, KERNEL], ids=["class", "kernel"])
def test_before_enough_closed_trades_a_kelly_size_is_refused_as_unknown(run, kind):
    ask = run(f"{kind}size = {{ kelly = 0.5, max_share = 0.1, trades = 5 }}\n")
    ((reason, count),) = ask(
        "SELECT reason, count(*) FROM decisions WHERE strategy = 'sized' GROUP BY reason"
    )
    assert reason == "SIZE_UNKNOWN"
    assert count >= 3


@pytest.mark.parametrize("kind", [CLASS, KERNEL], ids=["class", "kernel"])
def test_a_size_below_the_lot_is_a_refusal_and_no_order(run, kind):
    ask = run(f"{kind}size = {{ notional = 1 }}\n", lot="0.01")
    assert not ask(f"SELECT id {ENTRIES}")
    reasons = ask("SELECT DISTINCT reason FROM decisions WHERE strategy = 'sized'")
    assert reasons == [("SIZE_BELOW_LOT",)]


def test_an_entry_whose_exit_would_close_nothing_is_refused_as_a_whole(run):
    exits = 'exits = [{ type = "take_profit", at_bps = 5, share = "0.5" }, { type = "stop", at_bps = 5 }]\n'
    ask = run(f"{CLASS}size = {{ notional = 700 }}\n{exits}", lot="0.01")
    assert not ask("SELECT id FROM orders WHERE strategy = 'sized'")
    rows = ask("SELECT DISTINCT reason, detail, size FROM decisions WHERE strategy = 'sized'")
    assert {row[0] for row in rows} == {"SIZE_BELOW_LOT"}
    assert all("exit 0 would close 0" in row[1] for row in rows)


def test_a_size_that_moves_with_the_volatility_of_bars_is_traded_once_that_is_known(run):
    ask = run(f"{CLASS}size = {{ volatility_target = '0.2', window = 5 }}\n")
    reasons = dict(
        ask("SELECT reason, count(*) FROM decisions WHERE strategy = 'sized' GROUP BY reason")
    )
    assert reasons["SIZE_UNKNOWN"] >= 1
    assert reasons.get("", 0) >= 3
