"""Inverse and quanto contracts, booked in the currency in which they pay: venues' own examples."""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.books import NO_POSITION, Books
from tapeflow.operators.desk.contracts import (
    average_entry,
    exact_value,
    fill_value,
    notional,
    position_value,
)
from tapeflow.operators.desk.positions import PositionState, apply_fill
from tapeflow.operators.desk.rates import Rates, foreign_instruments
from tapeflow.operators.desk.worth import Worth, format_amounts, strategy_worth
from tapeflow.schemas.decimals import DECIMAL_CONTEXT, round_to_digits
from tapeflow.schemas.errors import UsageError
from tests.test_notices import job_of, rows, run, trend, write_tape

D = Decimal
PAR = ("USD", "USDT")
ROWS: dict[str, dict[str, Any]] = {
    "BTC-USD-PERP.COINBASE": {"contract": "inverse", "venue_symbol": "BTC-PERP"},
    "ETH-USD-PERP.COINBASE": {"contract": "quanto", "settle": "BTC", "multiplier": "0.0001"},
    "SOL-USDT-PERP.BINANCE-USDM": {"multiplier": 10},
    "BTC-USD.COINBASE": {},
    "BTC-USDT.BINANCE": {},
}
TABLE = instrument_table(
    Job.model_validate(
        {"instruments": {name: {"tick": "0.01", "lot": "1", **row} for name, row in ROWS.items()}}
    )
)
INVERSE, QUANTO, LINEAR = (TABLE.get(name) for name in [*ROWS][:3])
COIN_M = replace(INVERSE, multiplier=D(100))  # as Binance's BTCUSD_PERP


def after(row, *fills, digits=8, position=NO_POSITION):
    """Return the position after fills of (signed size, price)."""
    with localcontext(DECIMAL_CONTEXT):
        for signed, price in fills:
            worth = fill_value(row, abs(D(signed)), D(str(price)), digits)
            position = apply_fill(position, D(signed), worth, D(0), digits, inverse=row.inverse)
    return position


# --- inverse --------------------------------------------------------------------------------------


def test_a_long_of_100_000_contracts_from_10_000_to_10_500_earns_what_bitmex_says():
    """BitMEX, "Inverse Futures Guide": 100,000 * 1 * (1/10,000 - 1/10,500) = 0.476 XBT."""
    long = after(INVERSE, (100_000, 10_000))
    assert (long.quantity, abs(long.cost)) == (100_000, 10)  # contracts worth 10 XBT
    assert after(INVERSE, (100_000, 10_000), (-100_000, 10_500)).realized == D("0.47619048")
    assert after(INVERSE, (-100_000, 10_000), (100_000, 10_500)).realized == D("-0.47619048")


def test_ten_contracts_of_100_usd_lose_satoshis_where_the_price_falls_by_100_usd():
    #   Binance COIN-M, BTCUSD_PERP: 10 * 100 USD * (1/50,000 - 1/49,900)
    closed = after(COIN_M, (10, 50_000), (-10, 49_900))
    assert (closed.quantity, closed.cost, closed.realized) == (0, 0, D("-0.00004008"))


def test_the_average_entry_of_an_inverse_contract_is_harmonic():
    """BitMEX, "Inverse Perpetual Contracts Guide": contracts are worth Multiplier / Price.

    1 contract at 10,000 and 1 at 20,000 are worth 0.00015 XBT: on average 2 / 0.00015 = 13,333.3,
    and not 15,000.
    """
    position = after(INVERSE, (10_000, 10_000), (10_000, 20_000))
    with localcontext(DECIMAL_CONTEXT):
        assert round_to_digits(average_entry(INVERSE, position), 2) == D("13333.33")
    assert (
        after(INVERSE, (10_000, 10_000), (10_000, 20_000), (-20_000, "13333.33333333")).realized
        == 0
    )


def test_an_inverse_long_gains_less_than_it_may_lose():
    def profit(exit_price):
        position = after(INVERSE, (50_000, 10_000))
        return position_value(INVERSE, position, D(exit_price), 8) - position.cost

    assert profit(11_000) == D("0.45454545")
    assert profit(9_000) == D("-0.55555556")


def test_the_notional_of_an_inverse_contract_does_not_depend_on_the_price():
    assert notional(INVERSE, D(500), D(3)) == notional(INVERSE, D(500), D(90_000)) == 500
    assert exact_value(INVERSE, D(500), D(50_000)) == D("0.01")


# --- quanto ---------------------------------------------------------------------------------------


def test_a_quanto_contract_pays_bitcoin_for_each_dollar_as_bitmex_says():
    """BitMEX, "ETHUSD Series Guide": 1,000 contracts at $500 are worth 50 XBT.

    The Bitcoin multiplier is 0.0001 XBT for each dollar and contract, whatever bitcoin costs.
    """
    position = after(QUANTO, (1000, 500))
    assert position.cost == 50
    assert average_entry(QUANTO, position) == 500
    assert position_value(QUANTO, position, D(505), 8) - position.cost == D("0.5")
    assert after(QUANTO, (1000, 500), (-1000, 490)).realized == -1


# --- all three ------------------------------------------------------------------------------------

FILLS = st.lists(
    st.tuples(
        st.integers(-(10**4), 10**4).filter(bool),
        st.integers(1, 10**9).map(lambda ticks: D(ticks).scaleb(-4)),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([INVERSE, QUANTO, LINEAR]), FILLS, st.sampled_from([4, 8, 12]))
def test_cash_adds_up_exactly_in_the_settlement_currency_at_every_fill(row, fills, digits):
    position, cash, sign = PositionState(), Fraction(0), -1 if row.inverse else 1
    for signed, price in fills:
        position = after(row, (signed, price), digits=digits, position=position)
        worth = Fraction(fill_value(row, D(abs(signed)), price, digits))
        cash -= worth * sign * (1 if signed > 0 else -1)
        assert Fraction(position.realized) - Fraction(position.cost) == cash
        assert position.cost * position.quantity * sign >= 0
        assert position.cost == 0 or position.quantity != 0


@settings(max_examples=200, deadline=None)
@given(FILLS)
def test_inverse_profit_equals_the_venue_formula_with_a_harmonic_entry(fills):
    """The oracle: size * (1/entry - 1/exit) of what is closed, in exact fractions."""
    position, quantity, owed, realized = PositionState(), Fraction(0), Fraction(0), Fraction(0)
    for signed, price in fills:
        size, inverse_price = Fraction(signed), 1 / Fraction(price)
        if quantity * size >= 0:
            owed += size * inverse_price  # quantity / entry
        else:
            closing = min(abs(size), abs(quantity)) * (1 if quantity > 0 else -1)
            realized += closing * (owed / quantity - inverse_price)
            owed -= closing * owed / quantity
            if abs(size) > abs(quantity):
                owed = (quantity + size) * inverse_price
        quantity += size
        position = after(INVERSE, (signed, price), digits=12, position=position)
        assert position.quantity == quantity
        assert abs(Fraction(position.realized) - realized) <= Fraction(2 * len(fills), 10**12)


# --- in the currencies at par ---------------------------------------------------------------------


def worth_of(positions, prices, digits=8):
    """Return what a strategy is worth: positions by id, and prices of instruments by id."""
    books = Books(foreign_instruments(TABLE, PAR))
    for name, position in positions.items():
        books.put("s", name, position)
    rates = Rates(TABLE, PAR, lambda number: prices.get(TABLE.ids[number]))
    marks = {TABLE.number[name]: (price, 7) for name, price in prices.items()}
    with localcontext(DECIMAL_CONTEXT):
        return strategy_worth(books.sums["s"], rates, lambda number, long: marks[number], digits)


BTC_PERP, ETH_QUANTO, SOL, BTC_COINBASE, BTC_BINANCE = ROWS


def test_what_an_inverse_contract_made_is_worth_what_its_own_mark_says():
    worth = worth_of(
        {BTC_PERP: after(INVERSE, (1000, 10_000), (-500, 20_000))}, {BTC_PERP: D(40_000)}
    )
    #   realized 500/10,000 - 500/20,000 = 0.025, open 500/10,000 - 500/40,000 = 0.0375 BTC
    assert (worth.realized, worth.unrealized, worth.gross) == (1000, 1500, 500)
    assert worth.equity == 2500 and not worth.unvalued


def test_what_was_made_in_bitcoin_is_worth_less_where_bitcoin_falls_also_when_nothing_is_open():
    closed = {BTC_PERP: after(INVERSE, (1000, 10_000), (-1000, 20_000))}
    assert worth_of(closed, {BTC_PERP: D(40_000)}).equity == 2000
    assert worth_of(closed, {BTC_PERP: D(10_000)}).equity == 500


def test_a_quanto_is_converted_at_the_mark_of_spot_and_named_without_one():
    held = {ETH_QUANTO: after(QUANTO, (1000, 500)), SOL: after(LINEAR, (2, 30))}
    prices = {ETH_QUANTO: D(505), SOL: D(31)}
    worth = worth_of(held, {**prices, BTC_COINBASE: D(60_000)})
    assert (worth.equity, worth.gross, worth.unvalued) == (30_000 + 20, 505 * 6000 + 620, {})
    alone = worth_of(held, prices)
    assert (alone.equity, format_amounts(alone.unvalued)) == (20, "0.5 BTC")


def test_what_the_tables_could_not_hold_is_named_and_in_no_sum():
    total = Worth()
    total.add_converted(Worth(D(10**20)), "BTC", D(10**11), 8)
    assert (total.equity, format_amounts(total.unvalued)) == (0, f"{10**20} BTC")


def test_a_currency_is_valued_at_spot_before_contracts():
    assert TABLE.ids[TABLE.number_of_pair("BTC", PAR)] == BTC_COINBASE
    assert TABLE.number_of_pair("BTC", ("EUR",)) is TABLE.number_of_pair("DOGE", PAR) is None


# --- in a job -------------------------------------------------------------------------------------


def test_a_quanto_whose_currency_no_instrument_prices_is_refused():
    quanto = {"contract": "quanto", "settle": "BTC", "tick": "0.01", "lot": 1}
    job = job_of({"ETH-USD-PERP.COINBASE": quanto})
    with pytest.raises(UsageError, match="pays in BTC, of which no instrument of the job says the"):
        wiring.validate(job)
    assert wiring.validate(
        job_of({"ETH-USD-PERP.COINBASE": quanto, "BTC-USD.COINBASE": {"tick": "0.01", "lot": 1}},
               strategies=[trend(instruments=("ETH-*",))])
    )  # fmt: skip


def test_a_replay_books_an_inverse_contract_in_its_coin(tmp_path):
    """What is lost is 0.00004008 BTC and never 100,000 USD."""
    tapes = write_tape(
        tmp_path / "tapes", [50000, 50000, 50100, 50000, 50000, 49900, 49900], symbol="BTCUSD_PERP",
        partition="binance-usdm-0",
    )  # fmt: skip
    row = {"tick": "0.1", "lot": "1", "multiplier": "100", "venue_symbol": "BTCUSD_PERP"}
    job = job_of(
        {"BTC-USD-PERP.BINANCE-USDM": row}, strategies=[trend(size="10")],
        paper={"latency": "0ms", "fee_bps": 5, "model": "trade", "clock": "log"},
    )  # fmt: skip
    results = tmp_path / "r.duckdb"
    run(tapes, results, job)
    fills = rows(results, "SELECT side, price, fee, fee_currency FROM fills ORDER BY seq")
    assert {currency for *_, currency in fills} == {"BTC"}
    sides = rows(results, "SELECT quantity, cost, realized, currency FROM positions ORDER BY seq")
    cash = D(0)
    for side, price, fee, _ in fills:
        worth = fill_value(COIN_M, D(10), price, 8)
        assert fee == round_to_digits(worth * D("0.0005"), 8)
        cash += worth if side == "BUY" else -worth
    *_, (_, cost, realized, currency) = sides
    assert (realized - cost, currency) == (cash, "BTC")
    assert abs(realized) < D("0.0001")
