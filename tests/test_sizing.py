"""Sizes: what an order may be worth, in lots, never more; and what is not known is None."""

from decimal import Decimal, localcontext
from math import isclose, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.operators.desk.contracts import notional
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.sizing import (
    SIZE_CAP,
    YEAR_NS,
    EquityShare,
    Kelly,
    Notional,
    VolatilityTarget,
    compute_size,
    floor_to_lot,
    kelly_fraction,
    yearly_volatility,
)

DAY = 86_400 * 10**9
D = Decimal
ONE, HUNDRED, TEN_THOUSAND = D(1), D(100), D(10_000)


def row(contract="linear", lot="0.001", multiplier="1"):
    return Instrument(
        id="BTC-USD-PERP.X", venue="X", base="BTC", quote="USD", kind="perp", venue_symbol="B",
        tick=D("0.1"), lot=D(lot), multiplier=D(multiplier), contract=contract,
        settle={"inverse": "BTC", "quanto": "BNB"}.get(contract, ""),
    )  # fmt: skip


class Facts:
    """What a size depends on; what is asked for is counted."""

    def __init__(self, equity=TEN_THOUSAND, closes=(), step_ns=DAY, returns=()):
        self.value, self.close, self.step_ns, self.made = equity, closes, step_ns, returns
        self.calls = []

    def equity(self):
        self.calls.append("equity")
        return self.value

    def closes(self, kind, count):
        self.calls.append(f"closes {kind} {count}")
        close = np.array(self.close[-count:], float)
        return close, np.arange(len(close), dtype=np.int64) * self.step_ns

    def trade_returns(self, count):
        self.calls.append(f"trades {count}")
        return self.made[-count:]


def size(sizing, price=HUNDRED, rate=ONE, facts=None, **of_row):
    return compute_size(sizing, row(**of_row), price, rate, facts or Facts())


positive = st.decimals(D("0.00001"), D(10**9), places=5)
lots = st.decimals(D("0.00000001"), D(100), places=8).filter(lambda lot: lot > 0)


@given(
    positive, positive, lots, positive, st.sampled_from(["linear", "inverse", "quanto"]), positive
)
def test_an_order_is_worth_no_more_than_declared_and_one_lot_more_would_be(
    worth, price, lot, multiplier, contract, rate
):
    rate = rate if contract == "quanto" else D(1)
    instrument = row(contract, lot=str(lot), multiplier=str(multiplier))
    found = compute_size(Notional(worth), instrument, price, rate, Facts())
    with localcontext(DECIMAL_CONTEXT):
        assert found % lot == 0
        assert notional(instrument, found, price) * rate <= worth or found == 0
        more = notional(instrument, found + lot, price) * rate
        assert more > worth or found + lot > SIZE_CAP


@given(st.decimals(-(10**9), 10**9, places=6), lots)
def test_flooring_is_toward_zero_and_the_same_for_both_signs(quantity, lot):
    with localcontext(DECIMAL_CONTEXT):
        found = floor_to_lot(quantity, lot)
        assert found % lot == 0
        assert abs(found) <= abs(quantity) < abs(found) + lot
        assert floor_to_lot(-quantity, lot) == -found


@given(positive, positive)
def test_the_size_of_an_inverse_contract_does_not_depend_on_the_price(price, other):
    of_row = {"contract": "inverse", "lot": "1", "multiplier": "100"}
    assert (
        size(Notional(D(1050)), price, **of_row) == size(Notional(D(1050)), other, **of_row) == 10
    )


def test_a_share_of_equity_is_of_what_there_is_now():
    sizing = EquityShare(D("0.02"))
    assert size(sizing, facts=Facts(D(10_000))) == 2
    assert size(sizing, facts=Facts(D(12_345))) == D("2.469")
    assert size(sizing, facts=Facts(D(0))) == 0
    assert size(sizing, facts=Facts(D(-5))) == 0, "debts buy nothing"


@pytest.mark.parametrize(
    ("price", "rate"), [(None, D(1)), (D(0), D(1)), (D(-1), D(1)), (D(100), None), (D(100), D(0))]
)
@pytest.mark.parametrize("contract", ["linear", "inverse", "quanto"])
def test_without_a_price_or_a_rate_no_size_is_known(price, rate, contract):
    facts = Facts()
    for sizing in (Notional(D(1000)), EquityShare(D("0.02"))):
        assert size(sizing, price, rate, facts, contract=contract) is None
    assert facts.calls == []


def test_without_equity_only_a_notional_is_known():
    facts = Facts(None, closes=[100, 101, 99, 103], returns=[D(1), D(2), D(-1)])
    assert size(Notional(D(1000)), facts=facts) == 10
    assert facts.calls == []
    for sizing in (EquityShare(D(1)), VolatilityTarget(D(1), 3), Kelly(D(1), D(1), 3)):
        assert size(sizing, facts=facts) is None


closes = st.lists(st.floats(1, 1e6), min_size=3, max_size=30).filter(lambda c: len({*c}) > 1)


@given(closes, st.sampled_from([60 * 10**9, 3600 * 10**9, DAY]))
def test_volatility_of_even_bars_is_the_textbooks(close, step_ns):
    found = yearly_volatility(np.array(close), np.arange(len(close)) * step_ns)
    returns = np.diff(close) / np.array(close[:-1])
    expected = sqrt(float(np.mean(returns**2)) * (YEAR_NS / step_ns))
    assert found is None or isclose(found, expected, rel_tol=1e-9)
    assert (found is None) == (expected == 0)


def test_a_volatility_target_is_a_part_of_equity_over_volatility():
    facts = Facts(D(10_000), closes=[1, 2, 100, 101, 100])
    volatility = yearly_volatility(*facts.closes("1d", 3))
    sizing = VolatilityTarget(D("0.2"), 2, "1d")
    assert sizing.bars_need == "bars:3@1d"
    assert float(size(sizing, facts=facts)) == pytest.approx(
        10_000 * 0.2 / volatility / 100, abs=1e-3
    )
    assert facts.calls[-2:] == ["closes 1d 3", "equity"]


@pytest.mark.parametrize(
    "closes", [[], [100], [100, 101], [100, 100, 100], [100, 101, float("nan")]]
)
def test_a_volatility_that_is_not_known_is_no_size(closes):
    assert size(VolatilityTarget(D("0.2"), 2), facts=Facts(closes=closes)) is None


returns = st.lists(st.decimals(-1, 1, places=4), min_size=1, max_size=60)


@given(returns)
def test_the_kelly_fraction_is_that_of_the_textbooks(made):
    gains, losses = [r for r in made if r > 0], [-r for r in made if r < 0]
    found = kelly_fraction(made)
    if not gains:
        assert found == 0
    elif not losses:
        assert found == D(len(gains)) / len(made)
    else:
        won, lost = len(gains) / len(made), len(losses) / len(made)
        ratio = float(sum(gains) / len(gains)) / float(sum(losses) / len(losses))
        assert isclose(found, won - lost / ratio, rel_tol=1e-9, abs_tol=1e-9)
    assert found <= 1


@given(returns, st.decimals(D("0.01"), 1, places=2), st.decimals(D("0.01"), 1, places=2))
def test_kelly_is_capped_and_never_below_nothing(made, fraction, most):
    sizing = Kelly(fraction, most, len(made))
    found = size(sizing, facts=Facts(D(10_000), returns=made), lot="0.00000001")
    assert 0 <= found <= 100 * most
    assert size(Kelly(fraction, most, len(made) + 1), facts=Facts(returns=made)) is None


@given(returns)
def test_the_order_of_trades_and_their_scale_do_not_change_the_kelly_fraction(made):
    assert kelly_fraction(made[::-1]) == kelly_fraction(made)
    assert isclose(kelly_fraction([3 * each for each in made]), kelly_fraction(made))


def test_a_size_beyond_all_limits_is_one_that_every_limit_refuses():
    assert size(Notional(D(10) ** 23), D("0.000001")) == SIZE_CAP
