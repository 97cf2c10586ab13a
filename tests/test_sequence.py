"""Trades judged by stamp and id, gaps and pauses: against a slow model of one set of ids.

ids   7 8 9 13 14 11      missing 10-12, then 10 and 12; bars that they may belong to are not complete
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.dedupe.step import Dedupe
from tapeflow.operators.sequence import judge, layout, ranges
from tapeflow.operators.sequence.judge import JudgeTrades
from tapeflow.operators.sequence.ranges import PATIENCE_NS, RANGES_MAX
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.gaps import NO_INSTRUMENT
from tapeflow.schemas.market import ACCEPTED, AHEAD, DUPLICATE, HISTORICAL, LATE, OFF_MARKET
from tests.columns import batches, heartbeat, no_tick, tick
from tests.frames import MS, S
from tests.laws import plain, rows, run
from tests.plain_flow import IDS

LATENESS, AHEAD_NS, PAUSE_NS, WINDOW = 200 * MS, 10 * S, 30 * S, 1000
WIDTH = BarWidth(S)
NUMBERED = (True,) * len(IDS)


def steps(width=WIDTH, numbered=NUMBERED):
    return (
        Dedupe(WINDOW, len(IDS)),
        JudgeTrades(numbered, AHEAD_NS, PAUSE_NS, LATENESS),
        TimeBars(width, LATENESS, len(IDS)),
        SettleGaps(width),
    )


def outputs_of(log, splits=(), restore_each=False, **settings):
    """Return the batches after `settle`; with a restart of all steps before each batch, or none."""
    chain = steps(**settings)
    states, outputs = [step.initial() for step in chain], []
    for value in batches(log, splits):
        if restore_each:
            snapshots = [step.snapshot(state) for step, state in zip(chain, states, strict=True)]
            states = [step.restore(each) for step, each in zip(chain, snapshots, strict=True)]
        passed = value
        for number, step in enumerate(chain):
            states[number], (passed,) = step.step(states[number], passed)
        outputs.append(passed)
    return outputs


def result_of(log, splits=(), **settings):
    """Return the verdicts, the bars as (instrument, start, count, complete), and the gaps."""
    outputs = outputs_of(log, splits, **settings)
    verdicts = [each for batch in outputs for each in batch.market.trades.verdict.tolist()]
    bars = [row for batch in outputs for row in rows(batch.bars)]
    gaps = [row for batch in outputs for row in rows(batch.gaps)]
    return SimpleNamespace(
        verdicts=verdicts,
        bars=[(bar.instrument, bar.open_ns // S, bar.count, bar.complete) for bar in bars],
        ids=[(gap.first_id, gap.last_id, gap.missing) for gap in gaps],
        gaps=gaps,
    )


def trades(*seconds_and_ids, **more):
    """Return trades of (event time in s, id)."""
    return [tick(round(at * S), trade_id=number, **more) for at, number in seconds_and_ids]


def incomplete(log, **settings):
    """Return the starts (s) of the bars that are not complete."""
    return [start for _, start, _, whole in result_of(log, **settings).bars if not whole]


# --- trades ahead of the log --------------------------------------------------------------


def test_a_trade_ahead_of_its_log_time_is_set_aside_and_moves_no_watermark():
    odd = tick(86_400 * S, trade_id=7, instrument=1, log_ns=6 * S)
    result = result_of([*trades((5, 1), (5.5, 2)), odd, *trades((6.5, 3), (7.5, 4))])
    assert result.verdicts == [ACCEPTED, ACCEPTED, AHEAD, ACCEPTED, ACCEPTED]
    assert result.bars == [(0, 5, 2, True), (0, 6, 1, True), (0, 7, 1, False)]


@pytest.mark.parametrize(("ahead_ns", "verdict"), [(AHEAD_NS, ACCEPTED), (AHEAD_NS + 1, AHEAD)])
def test_exactly_the_limit_is_not_ahead(ahead_ns, verdict):
    assert result_of([tick(5 * S + ahead_ns, trade_id=1, log_ns=5 * S)]).verdicts == [verdict]


def test_a_first_trade_that_is_ahead_begins_nothing():
    odd = tick(86_400 * S, trade_id=1, log_ns=5 * S)
    result = result_of([odd, *trades((5, 2), (5.9, 3), (6.5, 4))])
    assert result.verdicts == [AHEAD, ACCEPTED, ACCEPTED, ACCEPTED]
    assert [bar[1:] for bar in result.bars] == [(5, 2, True), (6, 1, False)]


def test_a_trade_ahead_has_its_id_and_closes_no_gap_with_its_stamp():
    #   1 2 odd:3 6       4 and 5 lie between the log time of 3 and the event time of 6
    odd = tick(10**6 * S, trade_id=3, log_ns=round(5.6 * S))
    result = result_of([*trades((5, 1), (5.5, 2)), odd, *trades((7.1, 6), (9, 7))])
    assert result.ids == [(4, 5, 2)]
    assert [(gap.before_ns, gap.after_ns) for gap in result.gaps] == [(5_600 * MS, 7_100 * MS)]


# --- gaps in ids --------------------------------------------------------------------------


def test_bars_that_a_gap_touches_are_not_complete_and_the_gap_is_a_fact():
    log = trades((5, 10), (5.9, 11), (6.1, 12), (8.2, 20), (9, 21), (9.9, 22), (10.5, 23))
    result = result_of(log)
    assert [(start, whole) for _, start, _, whole in result.bars] == [
        (5, True), (6, False), (8, False), (9, True), (10, False),
    ]  # fmt: skip
    assert result.ids == [(13, 19, 7)]
    (gap,) = result.gaps
    assert (gap.offset, gap.log_ns, gap.before_ns, gap.after_ns, gap.open_ns) == (
        3, 8_200 * MS, 6_100 * MS, 8_200 * MS, 6 * S,
    )  # fmt: skip


def test_the_first_trade_of_an_instrument_has_no_gap_before_it():
    assert result_of(trades((5, 10**9), (5.9, 10**9 + 1), (6.5, 10**9 + 2))).gaps == []


def test_ids_out_of_order_leave_no_gap():
    log = trades((5, 1), (5.2, 4), (5.15, 3), (5.1, 2), (5.4, 5), (6.5, 6))
    assert result_of(log).gaps == [] and incomplete(log) == [6]


def test_a_trade_that_comes_when_its_bar_has_closed_leaves_a_late_trade_and_no_gap():
    #   3 happened in bar 5, which 4 has closed
    log = trades((5, 1), (5.5, 2), (6.5, 4), (5.6, 3), (7.9, 5))
    result = result_of(log)
    assert result.verdicts == [ACCEPTED, ACCEPTED, ACCEPTED, LATE, ACCEPTED]
    assert result.gaps == [] and incomplete(log) == [5, 7]


def test_what_is_left_of_a_gap_is_several_gaps():
    log = trades((5, 1), (5.9, 9), (5.5, 5), (5.8, 8), (7, 10))
    assert result_of(log).ids == [(2, 4, 3), (6, 7, 2)]


@pytest.mark.parametrize("verdict", [OFF_MARKET, LATE, AHEAD])
def test_a_trade_that_is_not_used_has_its_id(verdict):
    log = trades((5, 1), (5.5, 2))
    log += trades((5.6, 3), verdict=verdict)
    log += trades((5.7, 4), (6.5, 5))
    assert result_of(log).gaps == []


def test_a_copy_makes_no_gap_and_fills_none():
    log = trades((5, 1), (5.1, 4), (5.1, 4), (5, 1), (6.5, 5))
    assert result_of(log).ids == [(2, 3, 2)]


def test_gaps_are_of_one_instrument():
    log = trades((5, 1), (5.5, 9), (6.5, 10))
    log[1:1] = trades((5.1, 100), (5.2, 101), (5.7, 102), (6.4, 103), instrument=1)
    result = result_of(sorted(log, key=lambda each: each.log_ns))
    assert {gap.instrument for gap in result.gaps} == {0}
    assert [bar[0] for bar in result.bars if bar[1] == 5 and not bar[3]] == [0]


def test_an_instrument_without_numbered_trades_has_no_gaps():
    log = trades((5, 1), (5.5, 9), (6.5, 70))
    result = result_of(log, numbered=(False,) * len(IDS))
    assert result.gaps == [] and result.bars[0] == (0, 5, 2, True)


def test_a_gap_is_a_fact_a_minute_after_its_bars_and_not_earlier():
    log = trades((5, 1), (5.5, 9))
    log += trades(*((6 + number, 10 + number) for number in range(120)))
    (gap,) = result_of(log).gaps
    closed_ns = log[gap.settled_offset].event_ns - LATENESS
    assert PATIENCE_NS < closed_ns - gap.after_ns <= PATIENCE_NS + 2 * S


def test_many_gaps_at_a_time_are_bounded_and_counted_exactly():
    log = trades(*((5 + number / 1000, 2 * number) for number in range(900)), (6.5, 1800))
    result = result_of(log)
    assert len(result.ids) <= RANGES_MAX
    assert sum(missing for _, _, missing in result.ids) == 900
    assert incomplete(log)[0] == 5


def test_many_gaps_of_closed_bars_do_not_wait_for_the_end():
    log = trades(*((5 + number / 10, 2 * number) for number in range(1000)))
    outputs = outputs_of(log, range(0, 1000, 10))
    assert sum(len(each.gaps) for each in outputs[:-1]) > 900
    assert sum(int(each.gaps.missing.sum()) for each in outputs) == 999


def test_a_feed_that_loses_trades_all_the_time_shows_it_while_it_runs():
    #   a hundred gaps a second, while bars wait two seconds for late trades
    log = trades(*((5 + number / 100, 2 * number) for number in range(3000)))
    slow = BarWidth(2 * S)
    outputs = outputs_of(log, range(0, 3000, 100), width=slow)
    shown = sum(int(each.gaps.missing.sum()) for each in outputs[:-1])
    assert 2000 < shown < 2999 == shown + int(outputs[-1].gaps.missing.sum())


@pytest.mark.parametrize("numbers", [(1, 2, 3), (10**12, 10**12 + 1, 10**12 + 2)])
def test_another_numbering_is_one_gap_of_unknown_size_and_all_goes_on(numbers):
    log = trades(
        (5, 500), (5.5, 501), *zip((6.1, 6.5, 7.5), numbers, strict=True), (8.5, numbers[2] + 3)
    )
    result = result_of(log)
    assert result.ids == [(501, numbers[0], 0), (numbers[2] + 1, numbers[2] + 2, 2)]
    assert result.verdicts == [ACCEPTED] * 6
    assert incomplete(log) == [5, 6, 7, 8]


def test_one_odd_id_does_not_make_later_bars_incomplete():
    odd = [(5.5, 10**18)]
    log = trades((5, 1), *odd, *((6 + number, 2 + number) for number in range(9)))
    assert incomplete(log) == [5, 6, 14]


def test_a_trade_from_before_the_first_one_begins_no_numbering():
    assert result_of(trades((5.1, 8), (5, 7), (5.2, 9), (6.5, 10))).gaps == []


def test_ids_at_the_end_of_64_bits_break_nothing():
    last = 2**63 - 1
    log = trades((5, last - 1), (5.1, last), (5.2, last), (5.6, 0), (6.5, 1))
    assert result_of(log).ids == [(last, 0, 0)]


# --- old trades that a snapshot brings ----------------------------------------------------


def old(*seconds_and_ids, log_s):
    return [
        each._replace(log_ns=round(log_s * S))
        for each in trades(*seconds_and_ids, verdict=HISTORICAL)
    ]


def test_a_snapshot_after_a_reconnect_brings_the_trades_that_were_missed():
    snapshot = old((4, 4), (5, 5), (5.1, 6), (5.2, 7), (5.3, 8), log_s=5.5)
    log = [*trades((5, 5), (5.1, 6)), snapshot, *trades((5.6, 9), (6.5, 10))]
    result = result_of(log)
    assert result.verdicts[2:7] == [HISTORICAL, DUPLICATE, DUPLICATE, ACCEPTED, ACCEPTED]
    assert result.gaps == [] and result.bars[0] == (0, 5, 5, True)


def test_a_snapshot_that_is_newest_first_brings_the_same():
    snapshot = old((5.3, 8), (5.2, 7), (5.1, 6), (5, 5), log_s=5.5)
    result = result_of([*trades((5, 5), (5.1, 6)), snapshot, *trades((5.6, 9), (6.5, 10))])
    assert result.verdicts[2:6] == [ACCEPTED, ACCEPTED, DUPLICATE, DUPLICATE]
    assert result.gaps == []


def test_a_snapshot_before_the_first_trade_is_old_and_hides_no_trade():
    snapshot = old((4, 4), (5, 5), log_s=5.1)
    result = result_of([snapshot, *trades((5, 5), (5.2, 6), (6.5, 7))])
    assert result.verdicts == [HISTORICAL, HISTORICAL, ACCEPTED, ACCEPTED, ACCEPTED]


def test_a_trade_that_a_snapshot_has_brought_is_a_duplicate_later():
    log = [*trades((5, 5)), old((5.2, 6), log_s=5.3), *trades((5.2, 6), (5.4, 7))]
    assert result_of(log).verdicts == [ACCEPTED, ACCEPTED, DUPLICATE, ACCEPTED]


def test_a_snapshot_may_fill_a_gap_that_was_found_before():
    log = [
        *trades((5, 5), (5.4, 8)),
        old((5.2, 6), (5.3, 7), (5.4, 8), log_s=5.5),
        *trades((6.5, 9)),
    ]
    result = result_of(log)
    assert result.verdicts[2:5] == [ACCEPTED, ACCEPTED, DUPLICATE] and result.gaps == []


def test_a_missed_trade_whose_bar_has_closed_is_late():
    log = [*trades((5, 5), (8, 9)), old((5.2, 6), log_s=8.1), *trades((9.5, 10))]
    assert result_of(log).verdicts == [ACCEPTED, ACCEPTED, LATE, ACCEPTED]


def test_old_trades_stay_old_where_ids_do_not_follow_one_another():
    log = [*trades((5, 5)), old((5.2, 6), (5, 5), log_s=5.3)]
    unnumbered = JudgeTrades((False,) * len(IDS), AHEAD_NS, PAUSE_NS, LATENESS)
    (output,) = run(unnumbered, run(Dedupe(9, len(IDS), history=False), batches(log))[1][:1])[1]
    assert output.market.trades.verdict.tolist() == [ACCEPTED, HISTORICAL, HISTORICAL]


# --- pauses of the log --------------------------------------------------------------------


def test_bars_around_a_pause_of_the_log_are_not_complete():
    log = trades((5, 1), (5.9, 2), (6.5, 3), (99.5, 4), (100.1, 5), (101.9, 6))
    result = result_of(log)
    assert incomplete(log) == [6, 99, 101]
    (gap,) = result.gaps
    assert (gap.instrument, gap.missing, gap.offset) == (NO_INSTRUMENT, 0, 3)
    assert (gap.before_ns, gap.after_ns) == (6_500 * MS, 99_500 * MS)


def test_heartbeats_and_frames_without_ticks_show_that_the_log_goes_on():
    log = [*trades((5, 1), (5.9, 2)), heartbeat(20 * S), no_tick(45 * S), heartbeat(70 * S)]
    log += trades((95, 3), (96.5, 4))
    assert result_of(log).gaps == []
    assert incomplete(log) == [96]


def test_a_pause_ends_with_the_first_record_after_it():
    #   nothing is missing in bar 150: the log goes on since 100
    log = [*trades((5, 1), (6.5, 2)), *(heartbeat(each * S) for each in (100, 120, 140))]
    log += trades((150, 3), (151.5, 4), (152.5, 5))
    (gap,) = result_of(log).gaps
    assert gap.after_ns == 100 * S
    assert incomplete(log) == [6, 152]


@pytest.mark.parametrize(("later_ns", "pauses"), [(PAUSE_NS, 0), (PAUSE_NS + 1, 1)])
def test_exactly_the_limit_is_no_pause(later_ns, pauses):
    log = [tick(5 * S, trade_id=1), tick(5 * S + later_ns, trade_id=2)]
    assert len(result_of(log).gaps) == pauses


def test_a_log_that_begins_slowly_has_not_paused():
    assert result_of([heartbeat(S), heartbeat(99 * S), *trades((99.5, 1), (99.9, 2))]).gaps == []


# --- equal to a slow model, on random logs ------------------------------------------------


class Model:
    """What is missing, id by id: for each its interval, in which it happened."""

    def __init__(self):
        self.seen = defaultdict(set)
        self.first, self.newest, self.at, self.missing = {}, {}, {}, defaultdict(dict)
        self.unknown = defaultdict(list)  # intervals of which nobody can say what is missing

    def touched(self, instrument, open_ns, close_ns):
        intervals = [*self.missing[instrument].values(), *self.unknown[instrument]]
        intervals += self.unknown[NO_INSTRUMENT]
        return any(low < close_ns and high >= open_ns for low, high in intervals)

    def judge(self, trade, log_ns):
        """Return the verdict on a trade that is not known as a duplicate, and note its id."""
        i, number, verdict = trade.instrument, trade.trade_id, trade.verdict
        missing = self.missing[i]
        if verdict == HISTORICAL:
            if i not in self.newest or (number < self.first[i] and number not in missing):
                return HISTORICAL
            if number <= self.newest[i] and number not in missing:
                return DUPLICATE
            verdict = ACCEPTED
        if verdict == ACCEPTED and trade.event_ns - log_ns > AHEAD_NS:
            verdict = AHEAD
        at = log_ns if verdict == AHEAD else trade.event_ns
        if i not in self.newest:
            self.first[i] = number
        elif number <= self.newest[i]:
            if verdict != ACCEPTED or at - self.at[i] <= LATENESS:
                self.fill(missing, number, at)
                return verdict
            self.unknown[i] += [*missing.values(), (self.at[i], at)]
            missing.clear()
            self.first[i] = number
        else:
            interval = (min(self.at[i], at), max(self.at[i], at))
            missing.update(dict.fromkeys(range(self.newest[i] + 1, number), interval))
        self.newest[i], self.at[i] = number, at
        return verdict

    @staticmethod
    def fill(missing, number, at):
        if number not in missing:
            return
        low, high = missing.pop(number)
        at = min(max(at, low), high)
        below, above = number - 1, number + 1
        while below in missing:
            missing[below] = (low, at)
            below -= 1
        while above in missing:
            missing[above] = (at, high)
            above += 1


def modelled(log):
    """Return verdicts after `judge`, whether each (instrument, start) is complete, missing ids."""
    model, verdicts, complete = Model(), [], {}
    (deduped, *_) = run(Dedupe(WINDOW, len(IDS)), batches(log))[1]
    bars_by_offset = defaultdict(list)
    judged = run(steps()[1], run(steps()[0], batches(log))[1])[1]
    for batch in run(steps()[2], judged)[1]:
        for bar in rows(batch.bars):
            bars_by_offset[bar.offset].append(bar)
    newest_ns, newest_log, last_log = None, None, None
    by_offset = defaultdict(list)
    for trade in rows(deduped.market.trades):
        by_offset[trade.offset].append(trade)
    for offset, log_ns in enumerate(deduped.log_ns.tolist()):
        if newest_ns is not None and log_ns - last_log > PAUSE_NS:
            low = newest_ns + last_log - newest_log
            model.unknown[NO_INSTRUMENT].append((low, low + log_ns - last_log))
        last_log = log_ns
        for trade in by_offset[offset]:
            verdict = trade.verdict
            if verdict != DUPLICATE:
                verdict = model.judge(trade, log_ns)
            if verdict == ACCEPTED and (newest_ns is None or trade.event_ns > newest_ns):
                newest_ns, newest_log = trade.event_ns, log_ns
            verdicts.append(verdict)
        for bar in bars_by_offset[offset]:
            whole = bar.complete and not model.touched(bar.instrument, bar.open_ns, bar.close_ns)
            complete[bar.instrument, bar.open_ns] = whole
    missing = {(i, number) for i, ids in model.missing.items() for number in ids}
    return verdicts, complete, missing


TRADES = st.builds(
    tick,
    st.integers(0, 60).map(lambda tenths: 100 * S + tenths * 100 * MS),
    instrument=st.integers(0, 1),
    trade_id=st.integers(0, 14),
    verdict=st.sampled_from([ACCEPTED] * 6 + [HISTORICAL] * 2 + [OFF_MARKET]),
)
IN_ORDER = st.lists(st.sampled_from([1, 1, 1, 2, 3]), min_size=5, max_size=40).map(
    lambda jumps: [
        tick(100 * S + number * 130 * MS, trade_id=sum(jumps[: number + 1]))
        for number in range(len(jumps))
    ]
)
RECORDS = st.lists(
    TRADES | st.lists(TRADES, min_size=1, max_size=4) | st.just("heartbeat"), max_size=40
)


def logged(drawn, gaps):
    """Return the records with log times that never decrease."""
    log, now = [], 100 * S
    for number, record in enumerate(drawn):
        now += gaps[number % len(gaps)] if gaps else 0
        parts = record if isinstance(record, list) else [record]
        ticks = [part._replace(log_ns=now) for part in parts if part != "heartbeat"]
        log.append(ticks or heartbeat(now))
    return log


LOG_GAPS = st.lists(st.sampled_from([0, 0, 10 * MS, 100 * MS, S, 31 * S]), max_size=6)


@settings(max_examples=400, deadline=None)
@given(RECORDS | IN_ORDER, LOG_GAPS, st.lists(st.integers(0, 40), max_size=4))
def test_verdicts_gaps_and_complete_bars_equal_the_model(drawn, log_gaps, splits):
    log = logged(drawn, log_gaps)
    verdicts, whole, missing = modelled(log)
    result = result_of(log, splits)
    used = [each if each != LATE else ACCEPTED for each in result.verdicts]
    assert used == verdicts
    assert {(i, start * S): each for i, start, _, each in result.bars} == whole
    counted = [gap for gap in result.gaps if gap.missing]
    found = [
        (gap.instrument, number)
        for gap in counted
        for number in range(gap.first_id, gap.last_id + 1)
    ]
    assert len(found) == sum(gap.missing for gap in counted)
    if all(gap.missing or gap.instrument == NO_INSTRUMENT for gap in result.gaps):
        assert set(found) == missing and len(found) == len(missing)


@settings(max_examples=200, deadline=None)
@given(RECORDS | IN_ORDER, LOG_GAPS, st.lists(st.integers(0, 40)), st.booleans())
def test_batches_and_restarts_change_no_verdict_bar_or_gap(drawn, log_gaps, splits, small):
    log = logged(drawn, log_gaps)
    with pytest.MonkeyPatch.context() as patched:
        if small:  # the two oldest ranges become one
            patched.setattr(ranges, "RANGES_MAX", 2)
        expected = vars(result_of(log))
        assert plain(vars(result_of(log, splits))) == plain(expected)
        assert plain(vars(result_of(log, splits, restore_each=True))) == plain(expected)


@settings(max_examples=100, deadline=None)
@given(RECORDS, LOG_GAPS)
def test_the_loop_in_python_judges_the_same(drawn, log_gaps):
    log = logged(drawn, log_gaps)
    compiled, kernel = vars(result_of(log)), vars(judge)["find_breaks"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judge, "find_breaks", kernel.__wrapped__)
        assert plain(vars(result_of(log))) == plain(compiled)


def test_ranges_of_an_instrument_have_a_bound():
    step = JudgeTrades(NUMBERED, AHEAD_NS, PAUSE_NS, LATENESS)
    log = trades(*((5 + number / 1000, 3 * number) for number in range(5_000)))
    state, _ = run(step, batches(log, range(0, 5_000, 70)))
    assert state.held[0] == layout.RANGES_MAX
    assert int(state.ranges["missing"][0].sum()) == 2 * 4_999
