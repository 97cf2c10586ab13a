"""A trade seen within the last `window` records of its partition is a duplicate."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.dedupe import step as dedupe
from tapeflow.operators.dedupe.step import Dedupe
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HISTORICAL, OFF_MARKET
from tests.columns import batch, batches, heartbeat, no_tick, tick
from tests.frames import S
from tests.laws import plain, rows, run
from tests.plain_flow import IDS


def verdicts(values, window=100, restore_each=False, history=False):
    """Return the verdict on every trade; with a restart before each batch, or none."""
    step = Dedupe(window, len(IDS), history)
    state, outputs = step.initial(), []
    for value in values:
        if restore_each:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, value)
        outputs += out
    return [verdict for each in outputs for verdict in each.market.trades.verdict.tolist()]


def oracle(values, window, history=False):
    """Return the same verdicts from a dict of the offset at which each trade was last seen."""
    seen, expected, live = {}, [], set()
    for value in values:
        for trade in rows(value.market.trades):
            verdict, key = trade.verdict, (trade.instrument, trade.trade_id)
            if verdict != HISTORICAL and history:
                live.add(trade.instrument)
            if verdict == ACCEPTED or (verdict == HISTORICAL and trade.instrument in live):
                if trade.offset - seen.get(key, -(2**62)) <= window:
                    verdict = DUPLICATE
                seen[key] = trade.offset
            expected.append(verdict)
    return expected


def test_a_copy_is_a_duplicate_and_its_original_is_not():
    #   a1 b1 a2 a1 b1
    log = [
        tick(S, trade_id=1),
        tick(S, instrument=1, trade_id=1),
        tick(S, trade_id=2),
        tick(S, trade_id=1),
    ]
    log.append(tick(S, instrument=1, trade_id=1))
    assert verdicts(batches(log)) == [ACCEPTED, ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE]


@pytest.mark.parametrize(
    ("records_later", "verdict"), [(1, DUPLICATE), (4, DUPLICATE), (5, ACCEPTED)]
)
def test_a_copy_exactly_window_records_later_is_a_duplicate(records_later, verdict):
    #   a1 . . . a1     window = 4 records, whatever they are
    between = [heartbeat(S), no_tick(S), tick(S, trade_id=99), heartbeat(S)][: records_later - 1]
    log = [tick(S, trade_id=1), *between, tick(S, trade_id=1)]
    assert verdicts(batches(log), window=4)[-1] == verdict
    assert verdicts(batches(log, range(9)), window=4, restore_each=True)[-1] == verdict


def test_a_copy_starts_the_window_anew():
    #   a1 . . a1 . . a1        window = 3
    log = [tick(S, trade_id=1), heartbeat(S), heartbeat(S)] * 2 + [tick(S, trade_id=1)]
    assert verdicts(batches(log), window=3) == [ACCEPTED, DUPLICATE, DUPLICATE]


def test_a_trade_beyond_the_window_is_accepted_again_once():
    log = [tick(S, trade_id=1), *[heartbeat(S)] * 9, tick(S, trade_id=1), tick(S, trade_id=1)]
    assert verdicts(batches(log), window=4) == [ACCEPTED, ACCEPTED, DUPLICATE]


def test_a_copy_within_one_record_is_a_duplicate():
    assert verdicts(batches([[tick(S, trade_id=1), tick(S, trade_id=1)]])) == [ACCEPTED, DUPLICATE]


def test_trades_with_another_verdict_are_left_alone_and_not_remembered():
    expected = [HISTORICAL, OFF_MARKET, ACCEPTED, HISTORICAL]
    log = [tick(S, trade_id=1, verdict=verdict) for verdict in expected]
    assert verdicts(batches(log)) == expected


def test_an_old_trade_is_remembered_once_its_instrument_is_live():
    #   old 1, trade 1, old 1, old 2, trade 2
    log = [tick(S, trade_id=1, verdict=HISTORICAL), tick(S, trade_id=1)]
    log += [tick(S, trade_id=each, verdict=HISTORICAL) for each in (1, 2)]
    values = batches([*log, tick(S, trade_id=2)])
    assert verdicts(values, history=True) == [
        HISTORICAL, ACCEPTED, DUPLICATE, HISTORICAL, DUPLICATE,
    ]  # fmt: skip
    assert verdicts(values) == [HISTORICAL, ACCEPTED, HISTORICAL, HISTORICAL, ACCEPTED]


def test_the_time_of_a_copy_does_not_matter():
    assert verdicts(batches([tick(9 * S, trade_id=1), tick(S, 7.0, trade_id=1)])) == [
        ACCEPTED,
        DUPLICATE,
    ]


def test_similar_ids_and_equal_ids_of_instruments_are_not_confused():
    ids = [0, 1, 2**31, 2**31 - 1, 2**32, 2**62, 2**63 - 1, 1 << 20, 5 << 20]
    log = [tick(S, trade_id=each, instrument=number) for number in range(6) for each in ids]
    assert verdicts(batches([*log, *log], [20])) == [ACCEPTED] * len(log) + [DUPLICATE] * len(log)


def test_the_table_grows_and_still_forgets():
    log = [tick(S, trade_id=number, instrument=number % 3) for number in range(6_000)]
    log += log[1_000:1_010] + log[-10:]
    found = verdicts(batches(log, range(0, 6_000, 777)), window=4_096)
    assert found == oracle(batches(log), 4_096)
    assert found[-20:] == [ACCEPTED] * 10 + [DUPLICATE] * 10


def test_a_snapshot_is_bounded_by_the_window():
    step, log = Dedupe(64, len(IDS)), [tick(S, trade_id=number) for number in range(5_000)]
    state, _ = run(step, batches(log, range(0, 5_000, 500)))
    assert len(step.snapshot(state)[0]) == 65 * 3 * 8
    assert state.tables.shape[2] == dedupe.CAPACITY_MIN


RECORD = st.one_of(
    st.builds(
        tick,
        st.just(S),
        trade_id=st.sampled_from([*range(12), 2**63 - 1]),
        instrument=st.integers(0, 2),
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
    st.booleans(),
)
def test_verdicts_equal_the_oracle(log, splits, window, restore_each, history):
    values = batches(log, splits)
    assert verdicts(values, window, restore_each, history) == oracle(values, window, history)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(RECORD, min_size=30, max_size=200),
    st.lists(st.integers(0, 200)),
    st.sampled_from([1, 2, 5, 9, 40, 2**61]),
    st.booleans(),
)
def test_small_tables_that_grow_and_alternate_give_the_same(log, splits, window, restore_each):
    values = batches(log, splits)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dedupe, "CAPACITY_MIN", 8)
        assert verdicts(values, window, restore_each) == oracle(values, window)


def test_the_old_table_grows_with_the_young_one(monkeypatch):
    #   0 1 2 3 4 | 5 6 7 8 .. grows .. 3 of the old table is still known
    monkeypatch.setattr(dedupe, "CAPACITY_MIN", 8)
    log = [tick(S, trade_id=number) for number in (*range(9), 3)]
    assert verdicts(batches(log), window=6) == [ACCEPTED] * 9 + [DUPLICATE]


@pytest.mark.parametrize(("later", "verdict"), [(4, DUPLICATE), (5, ACCEPTED)])
def test_a_table_is_replaced_only_beyond_the_window(later, verdict):
    log = [tick(S, trade_id=number) for number in (0, *range(1, later), 0)]
    assert verdicts(batches(log), window=4)[-1] == verdict


def test_only_the_verdict_of_a_batch_changes():
    value = batch(tick(S, trade_id=1), tick(2 * S, trade_id=1), first_offset=7)
    _, (output,) = run(Dedupe(9, len(IDS)), [value])
    assert output.market.trades.verdict.tolist() == [ACCEPTED, DUPLICATE]
    assert plain(output.with_verdict(value.market.trades.verdict)) == plain(value)
