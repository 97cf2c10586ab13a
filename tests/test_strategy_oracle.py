"""Strategies in the merge decide and are filled as by an oracle that sorts all records.

More of them: TAPEFLOW_MARKETS=100000 pytest tests/test_strategy_oracle.py
"""

import os
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.venue.rules import Latency
from tests import frames
from tests.frames import MS
from tests.plain_flow import IDS
from tests.strategies.again import Again
from tests.strategies.pairs import Pairs
from tests.strategy_desks import BASE, decided_of, declare_row, desk_of, facts_of
from tests.strategy_oracle import Oracle, records_of, summaries

MARKETS = int(os.environ.get("TAPEFLOW_MARKETS", "60"))  # random logs of each test
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a log
SPOT, COINBASE = "BTC-USDT.BINANCE", "BTC-USD.COINBASE"
many = settings(
    max_examples=MARKETS, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
latencies = st.sampled_from([0, 1 * MS, 100 * MS, 250 * MS, 900 * MS])


def pairs(name, entry, *, account, first=SPOT, second=COINBASE, size="1"):
    """Return a row that trades a spread."""
    strategy = Pairs(first=first, second=second, units=Decimal(size), entry=entry)
    return declare_row(name, strategy, account=account, instruments=(first, second))


def again(name, distance, *, account="wide", instruments=IDS, size="1"):
    """Return a row that enters again after its stop."""
    strategy = Again(distance=Decimal(distance))
    return declare_row(name, strategy, account=account, instruments=instruments, size=size)


def check(strategies, log, page_sizes, order, latency_ns):
    """Assert that a desk says of each account what the oracle says; return its facts."""
    paper = replace(BASE.paper, entry=Latency(latency_ns), cancel=Latency(latency_ns))
    desk = desk_of(*strategies, paper=paper)
    decided = decided_of(log, page_sizes)
    facts = facts_of(desk, decided, order)
    expected = Oracle(desk.settings).run(records_of(decided, IDS))
    for account in desk.settings.accounts:
        output = summaries(facts, account)
        compared = [
            (*each[:-1], wanted[-1] and each[-1]) if each[0] in ("decision", "order") else each
            for each, wanted in zip(output, expected[account], strict=False)
        ]  # the oracle knows no id of a fill, so none of a signal that a fill caused
        assert compared == expected[account][: len(compared)]
        assert len(output) == len(expected[account])
    return facts


@many
@given(frames.logs(), frames.page_sizes(1), frames.arrival_orders(), latencies, st.data())
def test_pairs_over_two_partitions_trade_as_in_the_oracle(log, page_sizes, order, latency_ns, data):
    entry = data.draw(st.sampled_from([0.5, 2.0, 4.0]))
    rows = [
        pairs("spread", entry, account="main"),
        pairs("other", 1.0, account="main", first=COINBASE, second=IDS[1]),
        pairs("large", 1.0, account="wide", size="2.5"),
    ]
    check(rows, log, page_sizes, order, latency_ns)


@many
@given(frames.logs(), frames.page_sizes(1), frames.arrival_orders(), latencies, st.data())
def test_what_enters_again_after_its_own_stop_trades_as_in_the_oracle(
    log, page_sizes, order, latency_ns, data
):
    distance = data.draw(st.sampled_from(["0.25", "2", "4"]))
    check(
        [again("again", distance), again("b", "1", size="0.5")], log, page_sizes, order, latency_ns
    )
