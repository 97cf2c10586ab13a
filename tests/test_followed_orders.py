"""A state with orders that follow bars or quotes goes on only where the desk is sent these."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tapeflow.flows.job import portfolio
from tapeflow.operators.desk.held import check_followed
from tapeflow.operators.desk.snapshot import restore, snapshot
from tapeflow.operators.desk.state import initial_state
from tapeflow.operators.desk.working import DONE, Sliced, begin
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.orders import Order
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.signals import Slicing
from tests.plain_flow import IDS, INSTRUMENTS, JOB

DESK = replace(portfolio.desk_settings(JOB, INSTRUMENTS, ("binance-0",)), stores_quotes=False)
STRATEGY = JOB.strategies[0]
LOT = INSTRUMENTS.get(IDS[0]).lot


def living(**terms):
    """Return an order that was sent in no way yet."""
    order = Order(
        1, "o", "s", STRATEGY.account, STRATEGY.name, IDS[0], BUY, terms.pop("type", "market"),
        LOT, Decimal(100), 5, 6, "binance-0", 7, **terms,
    )  # fmt: skip
    return begin(order)


def slice_job(kind):
    return Sliced("o", Slicing(kind, count=2, every_ns=5, share=Decimal(1)), LOT, None)


def test_an_order_that_follows_bars_needs_a_job_that_sends_them():
    working = living()
    for kind, reads_bars in (("participation", True), ("twap", False), ("twap", True)):
        check_followed([working], [slice_job(kind)], replace(DESK, reads_bars=reads_bars))
    line = f"strategy {STRATEGY.name} of account {STRATEGY.account} .* follows the volume of bars"
    with pytest.raises(TapeflowError, match=line):
        check_followed([working], [slice_job("participation")], replace(DESK, reads_bars=False))
    working.phase = DONE
    check_followed([working], [slice_job("participation")], replace(DESK, reads_bars=False))


def test_an_order_with_a_trigger_needs_a_job_that_sends_every_quote():
    by_trades = replace(
        DESK, venue_clock=False, has_triggers=False, paper=replace(DESK.paper, model="trade")
    )
    stop = living(type="stop", trigger=Decimal(101))
    check_followed([stop], [], replace(by_trades, venue_clock=True))
    check_followed([stop], [], replace(by_trades, has_triggers=True))
    check_followed([living()], [], by_trades)
    with pytest.raises(
        TapeflowError, match=r"waits for a trigger, and no strategy .* fresh --state"
    ):
        check_followed([stop], [], by_trades)


def test_a_state_is_asked_when_it_is_restored():
    state = initial_state(DESK)
    state.orders.add(living())
    state.orders.slices["o"] = slice_job("participation")
    encoded = snapshot(state)
    gone_on = restore(encoded, replace(DESK, reads_bars=True))
    assert gone_on.orders.slices["o"] == slice_job("participation")
    with pytest.raises(TapeflowError, match="follows the volume of bars"):
        restore(encoded, replace(DESK, reads_bars=False))
