"""The merge of all partitions in log order, against an oracle; rules that it must not follow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job import portfolio
from tapeflow.operators.desk import merge as merge_module
from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.merge import Merge, rows_before
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.schemas.market import Trades
from tapeflow.schemas.time import MAX_NS
from tests import frames
from tests.account_oracle import expected_facts, summaries
from tests.columns import batch, heartbeat, tick, with_quotes
from tests.frames import PARTITIONS, S
from tests.laws import rows, run
from tests.plain_flow import (
    INSTRUMENTS,
    JOB,
    decided_batches,
    desk_batches,
    facts_of_account,
    flow_steps,
    interleave,
)

STEPS = flow_steps()
SETTINGS = portfolio.desk_settings(JOB, INSTRUMENTS, PARTITIONS)
LAST_NAME = chr(0x10FFFF)  # a partition that sorts behind all others


@settings(max_examples=200, deadline=None)
@given(
    frames.logs(),
    frames.page_sizes(1),
    frames.arrival_orders(),
    st.sampled_from([*SETTINGS.accounts]),
)
def test_the_desk_gives_the_facts_of_the_oracle(log, sizes, order, account):
    received = desk_batches(log, sizes, STEPS)
    facts = facts_of_account(run(STEPS["desk"], interleave(received, order))[1], account)
    decided = decided_batches(log, sizes, STEPS)
    assert summaries(facts) == expected_facts(SETTINGS, account, decided)


# --- a log full of equal log times, and rules that are wrong -------------------------------------


@pytest.fixture(scope="module")
def log():
    """A log at whole seconds: most records share their log time across partitions."""
    drawn = {
        name: bytes((11 * i * i + 17 * i * k + 5 * k) % 241 for i in range(1500))
        for k, name in enumerate(PARTITIONS)
    }
    return {
        name: frames.records_from_bytes(name, each, whole_seconds=True)
        for name, each in drawn.items()
    }


@pytest.fixture(scope="module")
def received(log):
    """The log in pages of 7, as the desk receives it."""
    return desk_batches(log, [7], STEPS)


@pytest.fixture(scope="module")
def expected(log):
    """The facts of the oracle."""
    return expected_facts(SETTINGS, "main", decided_batches(log, [7], STEPS))


ORDERS = [[], [0, 1, 2] * 300, [2, 1, 0, 1] * 300, [(i * i + i // 7) % 3 for i in range(900)]]


def facts_by_order(received):
    """Return the facts of the desk for each order of arrival."""
    return [
        summaries(facts_of_account(run(STEPS["desk"], interleave(received, order))[1], "main"))
        for order in ORDERS
    ]


def test_with_equal_log_times_every_order_gives_the_same_facts(received, expected):
    assert len(expected) > 100
    assert facts_by_order(received) == [expected] * len(ORDERS)


def least_frontier(merge):
    return min(merge.frontier.values())


def advance_by(rule):
    """Return `Merge.advance` with another rule for the horizon."""

    def advance(self):
        if len(self.frontier) < len(self.partitions):
            return False
        horizon = rule(self)
        moved = horizon != self.horizon
        self.horizon = horizon
        return moved

    return advance


def test_a_horizon_that_is_too_far_is_noticed(monkeypatch, received, expected):
    #   all with log_ns <= the least frontier's: a smaller name may still send a record of that time
    too_far = advance_by(lambda merge: (least_frontier(merge)[0], LAST_NAME, MAX_NS))
    monkeypatch.setattr(Merge, "advance", too_far)
    assert any(facts != expected for facts in facts_by_order(received))


def test_rows_at_the_horizon_counted_as_below_it_are_noticed(monkeypatch, received, expected):
    def at_or_before(position, partition, ticks):
        return int(np.searchsorted(ticks.log_ns, position[0], "right"))

    monkeypatch.setattr(merge_module, "rows_before", at_or_before)
    try:
        noticed = any(facts != expected for facts in facts_by_order(received))
    except IndexError:  # a row was released before it was met
        noticed = True
    assert noticed


def test_a_horizon_that_waits_for_the_next_log_time_is_right_too(monkeypatch, received, expected):
    #   all with log_ns < the least frontier's: it only waits longer
    later = advance_by(lambda merge: (least_frontier(merge)[0], "", -1))
    monkeypatch.setattr(Merge, "advance", later)
    assert facts_by_order(received) == [expected] * len(ORDERS)


# --- the parts -----------------------------------------------------------------------------------


def merge_of(*partitions):
    return Merge(partitions, Marks.empty(len(INSTRUMENTS)))


def add(merge, *records, partition, first_offset=0, end_of_log=False):
    """Add a batch to the merge; return whether the horizon moved."""
    added = batch(*records, partition=partition, first_offset=first_offset, end_of_log=end_of_log)
    merge.add(desk_batch(added, SETTINGS))
    return merge.advance()


def trades_below_horizon(merge, partition):
    """Return how many pending trades of each chunk are below the horizon, chunks without one left out."""
    trades = merge.pending[partition][0].chunks
    counts = [rows_before(merge.horizon, partition, chunk) for chunk in trades]
    return [count for count in counts if count]


def test_nothing_is_below_the_horizon_before_every_partition_has_a_record():
    merge = merge_of("a-0", "b-0")
    assert not add(merge, tick(5 * S), partition="a-0")
    assert add(merge, heartbeat(3 * S), partition="b-0")
    assert merge.horizon == (3 * S, "b-0", 1)


def test_a_single_partition_never_waits():
    merge = merge_of("a-0")
    assert add(merge, tick(5 * S), tick(5 * S), partition="a-0")
    assert trades_below_horizon(merge, "a-0") == [2]


def test_the_horizon_is_the_least_position_that_can_still_come():
    #   a-0  5 5 .      b-0  5 .        a-0 may send another record of 5, which comes before b-0's
    merge = merge_of("a-0", "b-0")
    add(merge, tick(5 * S), tick(5 * S), partition="a-0")
    add(merge, tick(5 * S), partition="b-0")
    assert merge.horizon == (5 * S, "a-0", 2)
    assert trades_below_horizon(merge, "a-0") == [2]
    assert not trades_below_horizon(merge, "b-0")


def test_at_equal_times_a_partition_waits_only_for_smaller_names():
    #   a-0  5 6 .      b-0  5 .        only b-0 itself can still send a record of 5
    merge = merge_of("a-0", "b-0")
    add(merge, tick(5 * S), tick(6 * S), partition="a-0")
    add(merge, tick(5 * S), partition="b-0")
    assert merge.horizon == (5 * S, "b-0", 1)
    assert trades_below_horizon(merge, "a-0") == [1]
    assert trades_below_horizon(merge, "b-0") == [1]


def test_a_partition_that_has_ended_holds_back_no_other():
    merge = merge_of("a-0", "b-0")
    add(merge, tick(5 * S), partition="a-0")
    add(merge, partition="a-0", first_offset=1, end_of_log=True)
    add(merge, tick(9 * S), partition="b-0")
    assert merge.horizon == (9 * S, "b-0", 1) and not merge.ended
    add(merge, partition="b-0", first_offset=1, end_of_log=True)
    assert merge.ended


def test_an_empty_page_does_not_move_the_horizon_back():
    merge = merge_of("a-0")
    add(merge, tick(5 * S), partition="a-0")
    add(merge, partition="a-0", first_offset=1)
    assert merge.horizon == (5 * S, "a-0", 1)


def test_an_empty_page_releases_no_tick_at_the_horizon():
    #   a-0  9 .  (empty)      b-0  5 .      the trade at 9 waits for b-0
    merge = merge_of("a-0", "b-0")
    add(merge, tick(9 * S), partition="a-0")
    add(merge, heartbeat(5 * S), partition="b-0")
    add(merge, partition="a-0", first_offset=1)
    assert not trades_below_horizon(merge, "a-0")


@pytest.mark.parametrize("first_offset", [0, 2])
def test_a_missing_or_repeated_page_is_refused(first_offset):
    merge = merge_of("a-0")
    add(merge, heartbeat(5 * S), partition="a-0")
    with pytest.raises(AssertionError, match="came where 1 was due"):
        add(merge, heartbeat(6 * S), partition="a-0", first_offset=first_offset)


def test_a_partition_that_is_not_of_this_run_is_refused():
    with pytest.raises(AssertionError, match="not of this run"):
        add(merge_of("a-0"), heartbeat(S), partition="c-0")


TRADES = Trades.concat(
    [batch(tick(4 * S), tick(5 * S), tick(5 * S), tick(6 * S), first_offset=10).market.trades]
)


@pytest.mark.parametrize(
    ("position", "count"),
    [
        ((5 * S, "m-0", 11), 1),  # its own partition: by offset, that record not included
        ((5 * S, "m-0", 12), 2),
        ((7 * S, "m-0", 14), 4),
        ((5 * S, "a-0", 0), 1),  # of a smaller name: all before that time
        ((5 * S, "z-0", 0), 3),  # of a greater name: that time too
        ((MAX_NS, "m-0", 11), 4),  # its own end: everything
        ((MAX_NS, "a-0", 0), 4),
        ((MAX_NS, "z-0", 0), 4),
        ((4 * S, "a-0", 0), 0),
    ],
)
def test_rows_before_a_position_are_counted(position, count):
    assert rows_before(position, "m-0", TRADES) == count
    assert sum((row.log_ns, "m-0", row.offset) < position for row in rows(TRADES)) == (
        4 if position[0] == MAX_NS else count
    )


def test_a_position_is_marked_at_the_price_it_can_be_closed_at():
    merge = merge_of("a-0")
    quoted = [(0, 5 * S, 1, 99.0, 101.0), (1, 6 * S, 1, 98.0, float("nan"))]
    trades = batch(
        tick(5 * S, 100.0, instrument=0), [tick(6 * S, 104.0, instrument=1)], partition="a-0"
    )
    merge.add(desk_batch(with_quotes(trades, *quoted), SETTINGS))
    merge.release_before((6 * S, "a-0", 1))
    assert merge.marks.closing_price(1, long=True).price == 99.0  # the bid
    assert merge.marks.closing_price(1, long=False).price == 101.0  # the ask
    assert merge.marks.closing_price(0, long=True).price == 100.0  # no quote: the last trade
    merge.release_before((7 * S, "", -1))
    assert merge.marks.closing_price(1, long=True).price == 98.0
    assert merge.marks.closing_price(1, long=False).price == 104.0  # no ask: the last trade


def test_ticks_before_a_position_are_released_and_no_others():
    merge = merge_of("a-0")
    add(merge, tick(0, 0.0), tick(S, 1.0), tick(2 * S, 2.0), partition="a-0")
    add(
        merge, tick(3 * S, 3.0), tick(4 * S, 4.0), tick(5 * S, 5.0), partition="a-0", first_offset=3
    )
    merge.release_before((4 * S, "", -1))
    pending = merge.pending["a-0"][0]
    assert [chunk.offset[pending.begin :].tolist() for chunk in pending.chunks] == [[4, 5]]
    assert merge.marks.last[0] == 3.0
