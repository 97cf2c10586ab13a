"""When an order enters the paper venue, and what it takes there: docs/paper.md 2, 3."""

import pytest

from tapeflow.schemas.sides import BUY
from tests.venue_market import outcome, paper, place, quote, trade

MODELS = ("trade", "sized", "touch")


@pytest.mark.parametrize(("log_ns", "fills"), [(14, False), (15, True), (16, True)])
def test_an_order_sees_a_row_from_its_arrival_on(log_ns, fills):
    reports = outcome(paper("trade", entry=5), place(10, "o", BUY, 1), trade(log_ns, 100))
    assert reports == (["o ACCEPTED", "o FILL 1 @ 100 TAKER"] if fills else [])


def test_a_market_order_fills_whole_at_the_first_trade_in_model_trade():
    steps = place(10, "o", BUY, 5), quote(11, 99, 101), trade(12, 100, 1), trade(13, 90)
    assert outcome(paper("trade"), *steps) == ["o ACCEPTED", "o FILL 5 @ 100 TAKER"]


def test_sized_takes_from_trade_after_trade_while_there_is_no_touch():
    steps = place(10, "o", BUY, 5), trade(11, 100, 2.5), trade(12, 101, 9)
    assert outcome(paper(), *steps) == [
        "o ACCEPTED",
        "o FILL 2 @ 100 TAKER",
        "o FILL 3 @ 101 TAKER",
    ]
