"""Four checks: the first that fails decides; exactly at a limit passes."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.exact_sum import ExactSum
from tapeflow.operators.desk.risk import net as risk
from tapeflow.operators.desk.risk.net import ApprovedExposure, ProposedOrder
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tests.frames import S

LIMITS = Limits(
    position_max=Decimal(2), gross_max=Decimal(1000), orders_max=3, orders_window_ns=10 * S
)
WIDE = Limits(Decimal(10**9), Decimal(10**12), 10**9, S)


def proposed(
    after, *, units=0, price=100, instrument="A", at=100 * S, step=Decimal("1E-8"), unpriced=""
):
    after, price = Decimal(str(after)), Decimal(str(price))
    units = Decimal(str(units))
    notional, order_notional = abs(after) * price, abs(after - units) * price
    return ProposedOrder(
        instrument, at, price, units, after, notional, order_notional, step, unpriced
    )


def exposure(*times_s, **notional):
    """Return what was approved: times of approvals in s, and notional by instrument."""
    approved = ApprovedExposure(
        notional={name: Decimal(str(value)) for name, value in notional.items()}
    )
    approved.times_ns.extend(at * S for at in times_s)
    return approved


def reason(approved, order, limits=LIMITS):
    """Return the code of the check that denies an order, or an empty string."""
    return risk.run_checks(approved, order, limits)[0]


# --- position ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "denied"),
    [
        ("2", ""),
        ("-2", ""),
        ("2.00000001", "POSITION_LIMIT"),
        ("-2.00000001", "POSITION_LIMIT"),
        ("0", ""),
    ],
)
def test_a_position_exactly_at_the_limit_passes(after, denied):
    assert reason(ApprovedExposure(), proposed(after)) == denied


def test_limits_of_zero_allow_no_order():
    zero = Limits(Decimal(0), Decimal(0), 0, S)
    assert reason(ApprovedExposure(), proposed(1), zero) == "POSITION_LIMIT"


# --- gross --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "denied"), [("900", ""), ("900.01", "GROSS_LIMIT")])
def test_gross_notional_exactly_at_the_limit_passes(others, denied):
    assert reason(exposure(B=others), proposed(1, price=100)) == denied


def test_gross_counts_the_orders_instrument_once_at_the_new_price():
    assert reason(exposure(A=950), proposed(2, units=1, price=500)) == ""
    assert reason(exposure(A=0, B=1), proposed(2, units=1, price=500)) == "GROSS_LIMIT"


@pytest.mark.parametrize(("units", "after"), [(2, 1), (-2, -1), (1, 0), (1, -1), (-1, 1)])
def test_an_order_that_adds_nothing_passes_beyond_the_gross_limit(units, after):
    assert reason(exposure(B=10**6), proposed(after, units=units)) == ""


def test_a_flip_to_a_larger_position_is_checked_against_gross():
    assert reason(exposure(B=1000), proposed(-2, units=1)) == "GROSS_LIMIT"


NOTIONAL = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(0, 10**17),  # what a float64 tells apart
    st.integers(-28, 3),  # of a price of 1e-12 with all of its digits, and of 1e20 in lots of 1000
)
CHANGES = st.lists(st.tuples(st.sampled_from("ABCDE"), NOTIONAL), max_size=30)


@settings(max_examples=300, deadline=None)
@given(CHANGES, st.sampled_from("ABCDE"))
def test_the_running_sum_is_written_as_the_sum_over_all_instruments(changes, left_out):
    """The oracle is the sum that every decision took before: equal to the last zero."""
    notional, gross = {}, ExactSum()
    with localcontext(DECIMAL_CONTEXT):
        for name, term in changes:
            gross.replace(notional.get(name), term)
            notional[name] = term
            others = sum((each for of, each in notional.items() if of != left_out), Decimal(0))
            assert str(gross.without(notional.get(left_out))) == str(others)
            assert ExactSum(notional.values()).totals == gross.totals


# --- rate ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "denied"),
    [
        ((95, 96), ""),  # this one is the third of three
        ((95, 96, 97), "RATE_LIMIT"),
        ((90, 96, 97), ""),  # one exactly a window ago no longer counts
        ((91, 96, 97), "RATE_LIMIT"),
        ((100, 100, 100), "RATE_LIMIT"),  # at the same time
    ],
)
def test_the_rate_counts_approvals_in_the_window_that_ends_now(times, denied):
    assert reason(exposure(*times), proposed(1, at=100 * S)) == denied


def test_an_approval_one_ns_inside_the_window_counts():
    approved = exposure(96, 97)
    approved.times_ns.appendleft(90 * S + 1)
    assert reason(approved, proposed(1, at=100 * S)) == "RATE_LIMIT"


def test_an_order_that_reduces_is_still_checked_against_the_rate():
    assert reason(exposure(95, 96, 97), proposed(0, units=1)) == "RATE_LIMIT"


def test_denied_orders_do_not_count_against_the_rate():
    approved = exposure(95, 96)
    for _ in range(9):
        assert reason(approved, proposed(3)) == "POSITION_LIMIT"
    assert reason(approved, proposed(1)) == ""


# --- all together -------------------------------------------------------------------------------


def test_the_first_check_that_fails_decides():
    used_up = exposure(97, 98, 99, B=10**6)
    assert reason(used_up, proposed(3)) == "POSITION_LIMIT"
    assert reason(used_up, proposed(1)) == "GROSS_LIMIT"
    assert reason(used_up, proposed(0, units=1)) == "RATE_LIMIT"


def test_the_detail_names_what_was_observed_and_the_limit():
    denied, detail = risk.run_checks(exposure(B=950), proposed(1), LIMITS)
    assert (denied, detail) == ("GROSS_LIMIT", "GROSS_LIMIT: observed=1050, limit=1000")
    _, detail = risk.run_checks(exposure(95), proposed(1), LIMITS)
    assert detail == (
        "PRICE_RANGE: observed=100, limit=1000000000000; "
        "POSITION_LIMIT: observed=1, limit=2; GROSS_LIMIT: observed=100, limit=1000; "
        "RATE_LIMIT: observed=2, limit=3"
    )


def test_an_approved_order_is_added_to_the_exposure():
    approved = ApprovedExposure()
    approved.add(proposed(1, price=70))
    approved.add(proposed(-1, price=80, instrument="B", at=101 * S))
    assert approved.units == {"A": Decimal(1), "B": Decimal(-1)}
    assert approved.notional == {"A": Decimal(70), "B": Decimal(80)}
    assert list(approved.times_ns) == [100 * S, 101 * S]


PROPOSED = st.lists(
    st.tuples(
        st.sampled_from("ABC"),
        st.sampled_from([1, -1]),
        st.sampled_from([90, 100, 110, 250]),
        st.integers(0, 4),
    ),
    min_size=12,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(PROPOSED)
def test_checks_equal_section_6_of_the_reference_job(drawn):
    """The oracle: a(i), r(i) and D of SPEC.md over plain dicts, one unit at a time."""
    limits = Limits(Decimal(1), Decimal(260), 4, 10 * S)
    approved, units, notional, times, now = ApprovedExposure(), {}, {}, [], 0
    for name, side, price, later in drawn:
        now += later * S
        before = units.get(name, 0)
        others = sum(value for other, value in notional.items() if other != name)
        if abs(before + side) > 1:
            expected = "POSITION_LIMIT"
        elif abs(before + side) > abs(before) and others + price > 260:
            expected = "GROSS_LIMIT"
        elif sum(at > now - 10 * S for at in times) >= 4:
            expected = "RATE_LIMIT"
        else:
            expected = ""
            units[name], notional[name] = before + side, abs(before + side) * price
            times.append(now)
        order = proposed(before + side, units=before, price=price, instrument=name, at=now)
        assert reason(approved, order, limits) == expected
        if not expected:
            approved.add(order)


def test_with_wide_limits_every_order_passes():
    assert reason(exposure(*range(99), B=10**9), proposed(10**6, at=99 * S), WIDE) == ""


@pytest.mark.parametrize(
    ("price", "denied"),
    [("1e-12", ""), ("9.9e-13", "PRICE_RANGE"), ("999999999999", ""), ("1e12", "PRICE_RANGE")],
)
def test_a_price_out_of_the_range_of_money_is_denied(price, denied):
    order = proposed(1, price=price, step=Decimal("1E-12"))
    assert reason(ApprovedExposure(), order, WIDE) == denied


# --- what cannot be computed right --------------------------------------------------------------


def test_an_order_whose_currency_has_no_price_is_denied_before_every_limit():
    zero = Limits(Decimal(0), Decimal(0), 0, S)
    for limits in (zero, WIDE):
        found = risk.run_checks(ApprovedExposure(), proposed(1, unpriced="BTC"), limits)
        assert found == ("NO_RATE", "NO_RATE: no price of BTC is known yet")


@pytest.mark.parametrize(
    ("price", "denied"), [("1E-8", ""), ("9.9E-9", "MONEY_STEP"), ("4E-9", "MONEY_STEP")]
)
def test_an_order_worth_less_than_the_step_of_money_is_denied(price, denied):
    assert reason(ApprovedExposure(), proposed(1, price=price), WIDE) == denied
    assert reason(ApprovedExposure(), proposed(0, units=1, price=price), WIDE) == ""  # an exit


def test_an_approval_names_only_the_four_checks():
    _, detail = risk.run_checks(ApprovedExposure(), proposed(1), LIMITS)
    names = [part.partition(":")[0] for part in detail.split("; ")]
    assert names == ["PRICE_RANGE", "POSITION_LIMIT", "GROSS_LIMIT", "RATE_LIMIT"]


@pytest.mark.parametrize("price", [float("nan"), float("inf"), float("-inf")])
def test_a_reference_price_that_is_no_number_is_denied(price):
    order = proposed(1, price=risk.reference_price(price))
    assert reason(ApprovedExposure(), order, WIDE) == "PRICE_RANGE"
