"""A trade seen before in its partition is a duplicate, for `memory` records of the partition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators import dedupe
from tapeflow.operators.dedupe import Dedupe
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HISTORICAL, OFF_MARKET
from tests.frames import S, batch, batches, heartbeat, junk, tick
from tests.laws import plain, rows, run


def verdicts(given_batches, memory=100, resume_each=False):
    """The verdict on every trade."""
    step = Dedupe(memory)
    state, said = step.initial(), []
    for each in given_batches:
        if resume_each:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, each)
        for one in out:
            said += one.market.trades.verdict.tolist()
    return said


def by_dict(given_batches, memory):
    """The same, slowly: a dict of the offset that each trade was last seen at."""
    seen, said = {}, []
    for each in given_batches:
        for trade in rows(each.market.trades):
            verdict, key = trade.verdict, (trade.instrument, trade.trade_id)
            if verdict == ACCEPTED:
                if trade.offset - seen.get(key, -(2**62)) <= memory:
                    verdict = DUPLICATE
                seen[key] = trade.offset
            said.append(verdict)
    return said


def test_a_copy_is_a_duplicate_and_the_first_of_its_kind_is_not():
    #   a1 b1 a2 a1 b1
    log = [tick(S, trade_id=1), tick(S, of=1, trade_id=1), tick(S, trade_id=2), tick(S, trade_id=1)]
    log.append(tick(S, of=1, trade_id=1))
    assert verdicts(batches(log)) == [ACCEPTED, ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE]


@pytest.mark.parametrize(
    ("records_later", "verdict"), [(1, DUPLICATE), (4, DUPLICATE), (5, ACCEPTED)]
)
def test_a_copy_exactly_memory_records_later_is_a_duplicate(records_later, verdict):
    #   a1 . . . a1     memory = 4 records, whatever they are
    between = [heartbeat(S), junk(S), tick(S, trade_id=99), heartbeat(S)][: records_later - 1]
    log = [tick(S, trade_id=1), *between, tick(S, trade_id=1)]
    assert verdicts(batches(log), memory=4)[-1] == verdict
    assert verdicts(batches(log, range(9)), memory=4, resume_each=True)[-1] == verdict


def test_a_copy_of_a_copy_counts_from_the_copy():
    #   a1 . . a1 . . a1        memory = 3
    log = [tick(S, trade_id=1), heartbeat(S), heartbeat(S)] * 2 + [tick(S, trade_id=1)]
    assert verdicts(batches(log), memory=3) == [ACCEPTED, DUPLICATE, DUPLICATE]


def test_a_trade_that_is_forgotten_is_accepted_once():
    log = [tick(S, trade_id=1), *[heartbeat(S)] * 9, tick(S, trade_id=1), tick(S, trade_id=1)]
    assert verdicts(batches(log), memory=4) == [ACCEPTED, ACCEPTED, DUPLICATE]


def test_a_copy_within_one_record_is_a_duplicate():
    assert verdicts(batches([[tick(S, trade_id=1), tick(S, trade_id=1)]])) == [ACCEPTED, DUPLICATE]


def test_what_something_else_spoke_against_is_neither_judged_nor_remembered():
    log = [
        tick(S, trade_id=1, verdict=each) for each in (HISTORICAL, OFF_MARKET, ACCEPTED, HISTORICAL)
    ]
    assert verdicts(batches(log)) == [HISTORICAL, OFF_MARKET, ACCEPTED, HISTORICAL]


def test_the_time_of_a_copy_does_not_matter():
    assert verdicts(batches([tick(9 * S, trade_id=1), tick(S, 7.0, trade_id=1)])) == [
        ACCEPTED,
        DUPLICATE,
    ]


def test_ids_that_differ_far_left_or_by_instrument_only_are_not_confused():
    ids = [0, 1, 2**31, 2**31 - 1, 2**32, 2**62, 2**63 - 1, 1 << 20, 5 << 20]
    log = [tick(S, trade_id=each, of=of) for of in range(6) for each in ids]
    assert verdicts(batches([*log, *log], [20])) == [ACCEPTED] * len(log) + [DUPLICATE] * len(log)


def test_the_table_grows_past_its_first_size_and_forgets():
    log = [tick(S, trade_id=number, of=number % 3) for number in range(6_000)]
    log += log[1_000:1_010] + log[-10:]
    said = verdicts(batches(log, range(0, 6_000, 777)), memory=4_096)
    assert said == by_dict(batches(log), 4_096)
    assert said[-20:] == [ACCEPTED] * 10 + [DUPLICATE] * 10


def test_what_is_kept_is_bounded_by_memory():
    step, log = Dedupe(64), [tick(S, trade_id=number) for number in range(5_000)]
    state, _ = run(step, batches(log, range(0, 5_000, 500)))
    assert len(step.snapshot(state)) == 65 * 3 * 8
    assert state.tables.shape[2] == dedupe.CAPACITY_MIN


RECORD = st.one_of(
    st.builds(
        tick,
        st.just(S),
        trade_id=st.sampled_from([*range(12), 2**63 - 1]),
        of=st.integers(0, 2),
        verdict=st.sampled_from([ACCEPTED] * 8 + [HISTORICAL]),
    ),
    st.just(heartbeat(S)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(RECORD, max_size=9) | st.lists(RECORD, min_size=30, max_size=120),
    st.lists(st.integers(0, 120)),
    st.integers(1, 40),
    st.booleans(),
)
def test_as_a_dict_would_say(log, cuts, memory, resume_each):
    mine = batches(log, cuts)
    assert verdicts(mine, memory, resume_each) == by_dict(mine, memory)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(RECORD, min_size=30, max_size=200),
    st.lists(st.integers(0, 200)),
    st.sampled_from([1, 2, 5, 9, 40, 2**61]),
    st.booleans(),
)
def test_small_tables_grow_wrap_and_change_places_and_say_the_same(log, cuts, memory, resume_each):
    mine = batches(log, cuts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dedupe, "CAPACITY_MIN", 8)
        assert verdicts(mine, memory, resume_each) == by_dict(mine, memory)


def test_the_old_table_grows_with_the_young_one(monkeypatch):
    #   0 1 2 3 4 | 5 6 7 8 .. grows .. 3 of the old table is known still
    monkeypatch.setattr(dedupe, "CAPACITY_MIN", 8)
    log = [tick(S, trade_id=number) for number in (*range(9), 3)]
    assert verdicts(batches(log), memory=6) == [ACCEPTED] * 9 + [DUPLICATE]


@pytest.mark.parametrize(("later", "verdict"), [(4, DUPLICATE), (5, ACCEPTED)])
def test_a_table_gives_way_only_beyond_memory(later, verdict):
    log = [tick(S, trade_id=number) for number in (0, *range(1, later), 0)]
    assert verdicts(batches(log), memory=4)[-1] == verdict


def test_only_the_verdict_of_a_batch_changes():
    given_batch = batch(tick(S, trade_id=1), tick(2 * S, trade_id=1), lo=7)
    _, (output,) = run(Dedupe(9), [given_batch])
    assert output.market.trades.verdict.tolist() == [ACCEPTED, DUPLICATE]
    assert plain(output.with_verdict(given_batch.market.trades.verdict)) == plain(given_batch)
