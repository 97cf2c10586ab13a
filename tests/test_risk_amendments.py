"""What an amended order is asked as a whole: at each limit, a step beyond, and of what reduces."""

from decimal import Decimal as D

import pytest

from tapeflow.schemas.orders import Terms
from tests.desk_stories import ask, buy, decisions, limit, sell, trade
from tests.test_risk_exposure import risk, run_story
from tests.test_trading_states import PERP

ROWS = [trade(number, 100, i=PERP) for number in range(1, 9)]
TO_REST = buy("a", at=0, size=2, i=PERP, terms=limit(90))


def amended(rules, *changes, first=(TO_REST,)):
    """Return what is decided of amendments, one a row."""
    asks = [ask("a", at=2 + at, amends="a", i=PERP, **each) for at, each in enumerate(changes)]
    return decisions(run_story(risk(**rules), ROWS, [*first, *asks]))[len(first) :]


@pytest.mark.parametrize(
    ("rules", "within", "beyond", "code"),
    [
        ({"size_max": D(3)}, {"size": 3}, {"size": "3.5"}, "SIZE_MAX"),
        ({"notional_max": D(300)}, {"size": 3}, {"size": "3.5"}, "NOTIONAL_MAX"),
        ({"notional_max": D(202)}, {"limit": 101}, {"limit": "101.5"}, "NOTIONAL_MAX"),
        ({"approval_above": D(300)}, {"size": 3}, {"size": "3.5"}, "FOUR_EYES"),
        ({"position_max": D(3)}, {"size": 3}, {"size": "3.5"}, "POSITION_LIMIT"),
        ({"gross_max": D(300)}, {"size": 3}, {"size": "3.5"}, "GROSS_LIMIT"),
        ({}, {"size": "1.5"}, {"size": "1.1"}, "LOT"),
        ({}, {"limit": "90.5"}, {"limit": "90.501"}, "TICK"),
        ({"collar_bps": 1000.0}, {"limit": 91}, {"limit": "89.5"}, "COLLAR"),
    ],
)
def test_an_amendment_passes_at_a_limit_and_a_step_beyond_it_is_refused(
    rules, within, beyond, code
):
    assert amended(rules, within) == []
    assert amended(rules, beyond) == [f"a {code}"]


@pytest.mark.parametrize("rules", [{"size_max": D(3)}, {"notional_max": D(300)}])
def test_many_small_amendments_are_no_way_past_a_limit(rules):
    steps = [{"size": size} for size in ("2.5", 3, "3.5", 4)]
    (code,) = rules
    assert amended(rules, *steps) == [f"a {code.upper()}"] * 2


def test_an_order_that_only_reduces_grows_past_the_limits_of_orders():
    bought = [buy("b", at=0, size=2, i=PERP), buy("a", at=0, size=3, i=PERP)]
    more = [buy("a", at=1, size=3, i=PERP)]
    rest = sell("a", at=2, size=1, i=PERP, terms=limit(110))
    wider = ask("a", at=3, amends="a", i=PERP, size=6)
    over = ask("a", at=4, amends="a", i=PERP, size=7)
    facts = run_story(risk(size_max=D(3)), ROWS, [*bought, *more, rest, wider, over])
    assert decisions(facts)[-1] == "a SIZE_MAX"  # 7 of 6 would turn the position
    assert len(decisions(facts)) == len(bought) + len(more) + 2
    clipped = sell("a", at=2, size=1, i=PERP, terms=Terms("limit", D(110), reduce_only=True))
    facts = run_story(risk(size_max=D(3)), ROWS, [*bought, *more, clipped, wider, over])
    assert len(decisions(facts)) == len(bought) + len(more) + 1  # the venue clips it
