"""What a run says before and after: what nobody trades, and steps that do not fit the market."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.duckdb.off_step import common_step
from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.cli.summary.trading_hints import find_off_steps
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests.frames import MS, S, binance_trade, coinbase_match
from tests.running import digest, silent

BEGIN = 1_767_600_000 * S


def job_of(instruments, **changes):
    """Return a job of one trend follower on these instruments: id -> settings."""
    keys = {
        "bars": {"width": "1s", "lateness": "0ms"},
        "paper": {"latency": "0ms", "fee_bps": 10},
        "risk": {"counting": "net"},  # spot may be sold short
        "accounts": [
            {"name": "main", "position_max": 10**6, "gross_max": 10**9, "orders_max": 99, "orders_window": "1s"}
        ],
        "strategies": [trend()],
        "instruments": instruments,
    }  # fmt: skip
    return Job.model_validate({**keys, **changes})


def trend(name="trend", size="1", instruments=("*",)):
    """Return the settings of a trend follower that trades when a close differs from the last."""
    return {
        "name": name, "kind": "ema_cross", "fast": 1, "slow": 2, "account": "main", "size": size,
        "instruments": list(instruments),
    }  # fmt: skip


def write_tape(folder, prices, *, size="1", symbol="BTCUSDT", partition="binance-0", form=None):
    """Write a tape of one trade a second at these prices."""
    make = form or (coinbase_match if partition.startswith("coinbase") else binance_trade)
    kind = {"kind": "MARKET"} if "usdm" in partition else {}
    lines = [
        b"%d %b\n" % (at + 5 * MS, make(number, at=at, price=price, size=size, symbol=symbol, **kind))
        for number, price in enumerate(prices)
        for at in [BEGIN + number * S]
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / f"{partition}.tape").write_bytes(b"".join(lines))
    return folder


def run(tapes, results, job, **shape):
    """Replay tapes; return the lines that were said, and the hints about ticks and lots."""
    lines = []
    plan = Plan(command="test", log=find_tapes([tapes], job), job=job, results=results, **shape)
    run_plan(plan, silent, lines.append)
    with connect(results) as con:
        return [*lines, *find_off_steps(con, {})]


def rows(results, sql):
    with connect(results) as con:
        return con.execute(sql).fetchall()


# --- ticks and lots that do not fit --------------------------------------------------------------

LONG = [*["0.00400"] * 2, *["0.00405"] * 3, *["0.00404"] * 4]  # bought at the 5th, sold at the 8th
SHORT = [*["0.00409"] * 2, *["0.00404"] * 3, *["0.00405"] * 4]


@pytest.mark.parametrize("prices", [LONG, SHORT], ids=["a long", "a short"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_tick_coarser_than_the_market_is_said_and_never_rounds_a_fill(tmp_path, prices, workers):
    tapes = write_tape(tmp_path / "tapes", prices, symbol="DOGEUSDT")
    job = job_of(
        {"DOGE-USDT.BINANCE": {"tick": "0.01", "lot": "1"}}, strategies=[trend(size=10**6)]
    )
    (line,) = run(tapes, tmp_path / "r.duckdb", job, workers=workers)
    assert line.startswith(
        "DOGE-USDT.BINANCE: the job's tick 0.01 does not fit its market: 38 of 38"
    )
    assert "the coarsest that fits is 0.00001" in line
    printed = {Decimal(price) for price in prices}
    fills = rows(tmp_path / "r.duckdb", "SELECT price FROM fills")
    assert fills and {price for (price,) in fills} <= printed
    (realized, fees), = rows(
        tmp_path / "r.duckdb", "SELECT realized, fees FROM positions WHERE quantity = 0 ORDER BY seq"
    )  # fmt: skip
    assert (realized, fees) == (-10, Decimal("8.09"))
    (counted,) = rows(tmp_path / "r.duckdb", "SELECT step_of, printed, off FROM off_step")
    assert counted == ("tick", 38, 38)


def test_a_lot_coarser_than_the_market_is_said(tmp_path):
    tapes = write_tape(tmp_path / "tapes", ["100", "100", "101"], size="0.25")
    job = job_of({"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "0.1"}})
    (line,) = run(tapes, tmp_path / "r.duckdb", job)
    assert "the job's lot 0.1 does not fit its market: 3 of 3 volumes" in line
    assert "such as 0.25; the coarsest that fits is 0.05 (orders stay multiples of the lot)" in line


def test_steps_that_fit_or_are_finer_than_the_market_are_not_said(tmp_path):
    tapes = write_tape(
        tmp_path / "tapes", ["61837.63", "61837.64", "0.01", "999999.99"], size="0.3"
    )
    for tick, lot in (("0.01", "0.1"), ("0.00000001", "0.00000001"), ("0.01", "0.3")):
        job = job_of({"BTC-USDT.BINANCE": {"tick": tick, "lot": lot}}, strategies=[])
        assert run(tapes, tmp_path / "r.duckdb", job) == []
        assert rows(tmp_path / "r.duckdb", "FROM off_step") == []


def test_a_print_finer_than_the_tables_is_said(tmp_path):
    tapes = write_tape(tmp_path / "tapes", ["0.00000012345678901"])
    (line,) = run(
        tapes, tmp_path / "r.duckdb", job_of({"BTC-USDT.BINANCE": {"tick": "1e-8", "lot": "1"}})
    )
    assert "the tables hold no step as fine" in line


def test_many_instruments_that_do_not_fit_are_counted_in_one_line(tmp_path):
    names = [f"C{number}" for number in range(8)]
    folder = tmp_path / "tapes"
    folder.mkdir()
    records = [
        b"%d %b\n" % (BEGIN + number, binance_trade(number, at=BEGIN, price="1.5", symbol=f"{name}USDT"))
        for number, name in enumerate(names)
    ]  # fmt: skip
    (folder / "binance-0.tape").write_bytes(b"".join(records))
    job = job_of({f"{name}-USDT.BINANCE": {"tick": "1", "lot": "1"} for name in names})
    lines = run(folder, tmp_path / "r.duckdb", job)
    assert len(lines) == 6
    assert lines[-1] == "3 more ticks and lots do not fit their market: SELECT * FROM off_step"


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=6), st.sampled_from(["1E-8", "0.05", "3"])
)
def test_the_common_step_divides_all_and_no_larger_one_does(multiples, step):
    values = [Decimal(step) * each for each in multiples]
    found = common_step(values)
    assert found is not None
    assert all(value % found == 0 for value in values)
    assert found >= Decimal(step)
    assert all(any(value % (found * more) for value in values) for more in (2, 3, 5, 7))


# --- inverse contracts ---------------------------------------------------------------------------


def inverse_line(lines):
    """Return the line about inverse contracts, if there is one."""
    found = [line for line in lines if "coin-margined" in line]
    assert len(found) <= 1
    return found[0] if found else ""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("name", "native", "more"),
    [
        ("BTC-USD-PERP.BINANCE-USDM", "BTCUSD_PERP", {"multiplier": "100"}),
        ("BTC-USD-PERP.BINANCE-USDM", "BTCUSD_250328", {}),
        ("BTC-USD-PERP.binance-usdm", "btcusd_perp", {}),
        ("BTC-USD-PERP.BINANCE-USDM", "", {}),
        ("BTC-USD.BINANCE-USDM", "BTCUSD_PERP", {}),
        ("BTC-USDT-PERP.BINANCE-USDM", "BTCUSD_PERP", {}),
    ],
)
def test_an_inverse_contract_is_said_to_be_one_and_traded(tmp_path, name, native, more, workers):
    symbol = native or "BTCUSD"
    tapes = write_tape(
        tmp_path / "tapes", [50000, 50000, 50100, 50000, 49900], symbol=symbol, partition="binance-usdm-0"
    )  # fmt: skip
    row = {"tick": "0.1", "lot": "1", "native": native, **more}
    lines = run(tapes, tmp_path / "r.duckdb", job_of({name: row}), workers=workers)
    assert inverse_line(lines).startswith(f"{name} is coin-margined (inverse)")
    results = tmp_path / "r.duckdb"
    assert len(rows(results, "FROM bars")) == 5
    paid = rows(results, "SELECT DISTINCT currency FROM positions")
    assert paid == [("BTC",)]
    currencies = rows(results, "SELECT DISTINCT fee_currency FROM fills")
    assert currencies == [("BTC",)]


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("BTC-USD-PERP.COINBASE", "BTC-PERP"),
        ("BTC-USD.COINBASE", ""),
        ("BTC-USD.BINANCE", "BTCUSD"),
        ("BTC-USDT-PERP.BINANCE-USDM", ""),
        ("BTC-USDT-PERP.BINANCE-USDM", "BTCUSDT_250328"),
        ("BTC-USDC-PERP.BINANCE-USDM", ""),
    ],
)
def test_a_linear_contract_is_traded(name, native):
    table = instrument_table(job_of({name: {"tick": "0.1", "lot": "1", "native": native}}))
    assert not table.get(name).inverse


# --- a kept state whose strategy is gone ---------------------------------------------------------

BTC, ETH = "BTC-USDT.BINANCE", "ETH-USDT.BINANCE"
LISTED = {name: {"tick": "0.01", "lot": "0.001"} for name in (BTC, ETH)}


def held_state(tmp_path):
    """Return the tapes and a state in which `gone` is long 1 BTC, and an order of it rests."""
    tapes = write_tape(tmp_path / "tapes", [100, 100, 101, 101, 102, 102, 100])
    job = job_of(LISTED, strategies=[trend("gone", instruments=["BTC-*"])])
    assert run(tapes, tmp_path / "r.duckdb", job, state=tmp_path / "state") == []
    held = rows(tmp_path / "r.duckdb", "SELECT arg_max(quantity, seq) FROM positions")
    resting = rows(
        tmp_path / "r.duckdb",
        "SELECT side, size FROM orders WHERE id NOT IN (SELECT order_id FROM fills)",
    )
    assert held == [(1,)] and resting == [("SELL", 1)]
    return tapes


@pytest.mark.parametrize("processes", [1, 2])
def test_a_strategy_that_a_job_no_longer_names_is_refused_with_what_it_holds(tmp_path, processes):
    tapes = held_state(tmp_path)
    before = digest(tmp_path / "r.duckdb")
    job = job_of(LISTED, strategies=[trend("other")])
    shape = {"state": tmp_path / "state", "processes": processes}
    for _ in range(2):
        with pytest.raises(TapeflowError) as raised:
            run(tapes, tmp_path / "r.duckdb", job, **shape)
        assert str(raised.value) == (
            "strategy gone of account main holds 1 BTC-USDT.BINANCE, an order to SELL 1 "
            "BTC-USDT.BINANCE, which the job no longer has it trade: nothing would close them. "
            "Name it in the job again, or start with a fresh --state"
        )
    assert digest(tmp_path / "r.duckdb") == before
    again = job_of(LISTED, strategies=[trend("gone", instruments=["BTC-*"]), trend("other")])
    lines = run(tapes, tmp_path / "r.duckdb", again, **shape)
    assert [line for line in lines if line.startswith("under this state strategies: other added")]


def test_a_strategy_that_no_longer_trades_an_instrument_that_it_holds_is_refused(tmp_path):
    tapes = held_state(tmp_path)
    job = job_of(LISTED, strategies=[trend("gone", instruments=["ETH-*"])])
    with pytest.raises(TapeflowError, match=r"gone of account main holds 1 BTC"):
        run(tapes, tmp_path / "r.duckdb", job, state=tmp_path / "state")


def test_a_strategy_that_is_still_there_is_not_said(tmp_path):
    tapes = held_state(tmp_path)
    job = job_of(LISTED, strategies=[trend("gone", size="0.5"), trend("other")])
    lines = run(tapes, tmp_path / "r.duckdb", job, state=tmp_path / "state")
    assert not any("holds" in line for line in lines)
    assert any('strategies.gone.size = "1" changes to strat' in line for line in lines)


def test_an_account_or_instrument_that_is_gone_and_in_which_something_is_held_is_refused(tmp_path):
    tapes = held_state(tmp_path)
    account = {"name": "new", "position_max": 1, "gross_max": 1, "orders_max": 1, "orders_window": "1s"}  # fmt: skip
    strategy = {**trend("gone"), "account": "new"}
    with pytest.raises(TapeflowError, match="gone of account main holds 1 BTC-USDT"):
        run(
            tapes, tmp_path / "r.duckdb",
            job_of(LISTED, accounts=[account], strategies=[strategy]), state=tmp_path / "state",
        )  # fmt: skip
    with pytest.raises(TapeflowError, match="gone of account main holds 1 BTC-USDT"):
        run(tapes, tmp_path / "r.duckdb", job_of({ETH: LISTED[ETH]}), state=tmp_path / "state")


# --- money ---------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 99))
def test_small_money_adds_up_exactly(tmp_path_factory, number):
    folder = tmp_path_factory.mktemp("small")
    price = Decimal(number).scaleb(-8)
    tapes = write_tape(folder / "tapes", [f"{price * each:f}" for each in (1, 1, 3, 3, 3, 2, 2, 2)])
    job = job_of(
        {BTC: {"tick": "0.00000001", "lot": "0.001"}},
        strategies=[trend(size="0.003")], paper={"latency": "0ms", "fee_bps": 0},
    )  # fmt: skip
    assert run(tapes, folder / "r.duckdb", job) == []
    bought_sold = rows(folder / "r.duckdb", "SELECT side, price FROM fills ORDER BY seq")
    cash = sum((-1 if side == "BUY" else 1) * fill * Decimal("0.003") for side, fill in bought_sold)
    ((realized,),) = rows(folder / "r.duckdb", "SELECT arg_max(realized, seq) FROM positions")
    assert len(bought_sold) == 2 and realized == cash != 0
