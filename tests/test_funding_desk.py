"""Funding and fees in a third currency on the desk: at their place in the log, however it is read."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from tapeflow.flows.job.settings import Job
from tapeflow.schemas.accounts import Equity, Funding, Position
from tapeflow.schemas.orders import Fill
from tests import frames, laws
from tests.frames import MS, S, mark_price_frame, trade_frame
from tests.laws import run
from tests.plain_flow import desk_batches, flow_steps, interleave

D = Decimal
PERP, USDM, SPOT = "BTC-USDT-PERP.BINANCE-USDM", "binance-usdm-0", "binance-0"
BEGIN, SECONDS, PERIOD = 1_700_000_000 * S, 60, 10 * S
JOB = Job.model_validate(
    {
        "bars": {"width": "1s", "lateness": "0ms"},
        "market": {"mark_prices": True},
        "paper": {
            "answer_latency": "300ms",
            "fees": {"binance-usdm": {"currency": "BNB", "taker_bps": 4}},
        },
        "results": {"equity_interval": "7s"},
        "instruments": {
            name: {"tick": "0.01", "lot": "0.5"} for name in (PERP, "BTC-USDT.BINANCE", "BNB-USDT.BINANCE")
        },
        "accounts": [
            {"name": name, "position_max": 99, "gross_max": 9e6, "orders_max": 99, "orders_window": "1s"}
            for name in ("main", "other")
        ],
        "strategies": [
            {"name": "trend", "kind": "ema_cross", "fast": 1, "slow": 2, "account": "main", "size": 1,
             "instruments": [PERP]},
            {"name": "more", "kind": "ema_cross", "fast": 1, "slow": 4, "account": "main", "size": "1.5",
             "instruments": [PERP]},
            {"name": "far", "kind": "ema_cross", "fast": 2, "slow": 5, "account": "other", "size": 2,
             "instruments": [PERP]},
        ],
    }
)  # fmt: skip
STEPS = flow_steps(JOB, (USDM, SPOT))


def price_of(second):
    return 100 + (7 * second * second + second) % 13


def mark_of(second):
    return f"{price_of(second)}.5"


def rate_of(second):
    return f"{'-' if second % 3 == 0 else ''}0.00{second % 7 + 1}"


def next_ns(second):
    at = BEGIN + second * S
    return at - at % PERIOD + PERIOD


def log():
    """Return a log of a perpetual, with funding every 10 s, and of BNB in another partition."""
    perp, spot = [], []
    for second in range(SECONDS):
        at = BEGIN + second * S
        perp += [
            (at + 5 * MS, mark_price_frame(mark_of(second), at=at, rate=rate_of(second), next_ns=next_ns(second))),
            *((at + ms * MS, trade_frame(USDM, 2 * second + n, price=price_of(second) + n, at=at + ms * MS))
              for n, ms in enumerate((10, 600))),
        ]  # fmt: skip
        spot += [
            (at + ms * MS, trade_frame(SPOT, 9 * second + ms // 100, pair="BNB", price=600 + (second + ms) % 17, at=at + ms * MS))
            for ms in (0, 100, 200, 450, 800)
        ]  # fmt: skip
    return {USDM: perp, SPOT: spot}


LOG = log()


def facts_of(sizes, order=()):
    return run(STEPS["desk"], interleave(desk_batches(LOG, sizes, STEPS), order))[1]


FACTS = facts_of([1000])


def of_type(kind, facts=FACTS):
    return [fact for fact in facts if type(fact) is kind]


def test_every_position_pays_what_was_due_at_the_row_that_tells_of_it():
    """The oracle: positions by their facts, and the row of a mark price before each new time."""
    held, expected = {}, []
    positions = sorted(of_type(Position), key=lambda fact: fact.time_ns)
    for second in range(1, SECONDS):
        at = BEGIN + second * S + 5 * MS
        if next_ns(second) == next_ns(second - 1):
            continue
        while positions and positions[0].time_ns < at:
            fact = positions.pop(0)
            held[fact.account, fact.strategy] = fact.quantity
        for (account, strategy), quantity in sorted(held.items()):
            if quantity:
                amount = -quantity * D(mark_of(second - 1)) * D(rate_of(second - 1))
                expected.append((at, account, strategy, next_ns(second - 1), quantity, amount))
    found = [
        (fact.time_ns, fact.account, fact.strategy, fact.due_ns, fact.quantity, fact.amount)
        for fact in of_type(Funding)
    ]
    assert len(expected) > 7 and sorted(found) == expected
    assert {fact.amount > 0 for fact in of_type(Funding)} == {True, False}


def test_equity_holds_the_funding_paid_by_then():
    for account in ("main", "other"):
        for equity in (fact for fact in of_type(Equity) if fact.account == account):
            paid = [
                fact.amount
                for fact in of_type(Funding)
                if (fact.account, fact.strategy) == (account, equity.strategy) and fact.time_ns < equity.time_ns
            ]  # fmt: skip
            assert equity.funding == sum(paid)
            assert (
                equity.equity == equity.realized + equity.unrealized - equity.fees + equity.funding
            )


def test_a_fee_in_bnb_is_converted_at_the_last_trade_of_bnb_before_the_desk_hears():
    prices = {}
    for ns, frame in LOG[SPOT]:
        prices[ns] = D(frame.split(b'"p":"')[1].split(b'"')[0].decode())
    time_of = {fact.fill_id: fact.time_ns for fact in of_type(Position)}
    fills = of_type(Fill)
    assert len(fills) > 20 and {fill.fee_currency for fill in fills} == {"BNB"}
    for fill in fills:
        price = prices[max(ns for ns in prices if ns < time_of[fill.id])]
        assert fill.fee_value == fill.price * fill.size * D("0.0004")
        assert fill.fee == pytest.approx(fill.fee_value / price, abs=D("1e-8"))


@settings(max_examples=40, deadline=None)
@given(frames.page_sizes(1), frames.arrival_orders())
def test_no_fact_depends_on_pages_and_arrival(sizes, order):
    assert laws.plain(facts_of(sizes, order)) == laws.plain(FACTS)


@pytest.mark.parametrize("size", [1, 3, 17])
def test_no_fact_depends_on_a_snapshot_between_any_two_batches(size):
    desk = STEPS["desk"]
    state, facts = desk.initial(), []
    for batch in interleave(desk_batches(LOG, [size], STEPS), [0, 1, 1, 0] * 99):
        state, out = desk.step(state, batch)
        facts += out
        state = desk.restore(desk.snapshot(state))
    assert laws.plain(facts) == laws.plain(FACTS)
