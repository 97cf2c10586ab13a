"""Three checks, the first that fails decides; exactly at the limit passes."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk import risk
from tapeflow.operators.desk.risk import ApprovedExposure, ProposedOrder
from tapeflow.schemas.accounts import Limits
from tests.frames import S

LIMITS = Limits(
    position_max=Decimal(2), gross_max=Decimal(1000), orders_max=3, orders_window_ns=10 * S
)
WIDE = Limits(Decimal(10**9), Decimal(10**12), 10**9, S)


def wish(after, *, units=0, price=100, instrument="A", at=100 * S):
    after, price = Decimal(str(after)), Decimal(str(price))
    return ProposedOrder(instrument, at, price, Decimal(str(units)), after, abs(after) * price)


def holding(*times_s, **notional):
    approved = ApprovedExposure(
        notional={name: Decimal(str(value)) for name, value in notional.items()}
    )
    approved.times_ns.extend(at * S for at in times_s)
    return approved


def reason(approved, asked, limits=LIMITS):
    return risk.run_checks(approved, asked, limits)[0]


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
    assert reason(ApprovedExposure(), wish(after)) == denied


def test_a_limit_of_nothing_allows_nothing():
    nothing = Limits(Decimal(0), Decimal(0), 0, S)
    assert reason(ApprovedExposure(), wish(1), nothing) == "POSITION_LIMIT"


# --- gross --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "denied"), [("900", ""), ("900.01", "GROSS_LIMIT")])
def test_a_gross_exactly_at_the_limit_passes(others, denied):
    assert reason(holding(B=others), wish(1, price=100)) == denied


def test_gross_counts_the_instrument_itself_once_at_the_new_price():
    assert reason(holding(A=950), wish(2, units=1, price=500)) == ""
    assert reason(holding(A=0, B=1), wish(2, units=1, price=500)) == "GROSS_LIMIT"


@pytest.mark.parametrize(("units", "after"), [(2, 1), (-2, -1), (1, 0), (1, -1), (-1, 1)])
def test_what_does_not_grow_a_position_passes_beyond_the_gross_limit(units, after):
    assert reason(holding(B=10**6), wish(after, units=units)) == ""


def test_a_flip_to_more_is_growth():
    assert reason(holding(B=1000), wish(-2, units=1)) == "GROSS_LIMIT"


# --- rate ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "denied"),
    [
        ((95, 96), ""),  # this one is the third of three
        ((95, 96, 97), "RATE_LIMIT"),
        ((90, 96, 97), ""),  # one exactly a window ago counts no more
        ((91, 96, 97), "RATE_LIMIT"),
        ((100, 100, 100), "RATE_LIMIT"),  # of the same moment
    ],
)
def test_orders_in_the_window_that_ends_now(times, denied):
    assert reason(holding(*times), wish(1, at=100 * S)) == denied


def test_one_ns_inside_the_window_counts():
    approved = holding(96, 97)
    approved.times_ns.appendleft(90 * S + 1)
    assert reason(approved, wish(1, at=100 * S)) == "RATE_LIMIT"


def test_reducing_is_not_exempt_from_the_rate():
    assert reason(holding(95, 96, 97), wish(0, units=1)) == "RATE_LIMIT"


def test_what_is_denied_does_not_count():
    approved = holding(95, 96)
    for _ in range(9):
        assert reason(approved, wish(3)) == "POSITION_LIMIT"
    assert reason(approved, wish(1)) == ""


# --- all together -------------------------------------------------------------------------------


def test_the_first_check_that_fails_decides():
    full = holding(97, 98, 99, B=10**6)
    assert reason(full, wish(3)) == "POSITION_LIMIT"
    assert reason(full, wish(1)) == "GROSS_LIMIT"
    assert reason(full, wish(0, units=1)) == "RATE_LIMIT"


def test_a_decision_says_what_was_seen_and_what_the_limit_is():
    denied, detail = risk.run_checks(holding(B=950), wish(1), LIMITS)
    assert (denied, detail) == ("GROSS_LIMIT", "GROSS_LIMIT: observed=1050, limit=1000")
    _, detail = risk.run_checks(holding(95), wish(1), LIMITS)
    assert detail == (
        "PRICE_RANGE: observed=100, limit=1000000000000; "
        "POSITION_LIMIT: observed=1, limit=2; GROSS_LIMIT: observed=100, limit=1000; "
        "RATE_LIMIT: observed=2, limit=3"
    )


def test_what_is_allowed_is_remembered():
    approved = ApprovedExposure()
    approved.add(wish(1, price=70))
    approved.add(wish(-1, price=80, instrument="B", at=101 * S))
    assert approved.units == {"A": Decimal(1), "B": Decimal(-1)}
    assert approved.notional == {"A": Decimal(70), "B": Decimal(80)}
    assert list(approved.times_ns) == [100 * S, 101 * S]


WISHES = st.lists(
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
@given(WISHES)
def test_as_section_6_of_the_reference_job_says(drawn):
    """SPEC: a(i), r(i) and D over plain dicts, one unit at a time."""
    limits = Limits(Decimal(1), Decimal(260), 4, 10 * S)
    approved, units, notional, times, now = ApprovedExposure(), {}, {}, [], 0
    for name, side, price, later in drawn:
        now += later * S
        was = units.get(name, 0)
        others = sum(value for other, value in notional.items() if other != name)
        if abs(was + side) > 1:
            expected = "POSITION_LIMIT"
        elif abs(was + side) > abs(was) and others + price > 260:
            expected = "GROSS_LIMIT"
        elif sum(at > now - 10 * S for at in times) >= 4:
            expected = "RATE_LIMIT"
        else:
            expected = ""
            units[name], notional[name] = was + side, abs(was + side) * price
            times.append(now)
        asked = wish(was + side, units=was, price=price, instrument=name, at=now)
        assert reason(approved, asked, limits) == expected
        if not expected:
            approved.add(asked)


def test_without_limits_in_the_way_everything_passes():
    assert reason(holding(*range(99), B=10**9), wish(10**6, at=99 * S), WIDE) == ""


@pytest.mark.parametrize(
    ("price", "reason"),
    [("1e-12", ""), ("9.9e-13", "PRICE_RANGE"), ("999999999999", ""), ("1e12", "PRICE_RANGE")],
)
def test_a_price_that_money_is_not_counted_at_is_denied(price, reason):
    assert risk.run_checks(ApprovedExposure(), wish(1, price=price), WIDE)[0] == reason
