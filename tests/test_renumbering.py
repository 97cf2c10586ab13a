"""A snapshot of a table that has changed since: rows that are still there keep what they had."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.engine.fold import fold
from tapeflow.engine.renumbering import GONE, find_numbers, keep_rows, move_rows
from tapeflow.flows.job.instruments import instrument_table
from tests.frames import PARTITIONS, arrival_orders, logs, page_sizes, to_pages
from tests.laws import plain, run, run_on
from tests.plain_flow import JOB, desk_batches, flow_steps, inputs_of, interleave

# Instruments without a tick in any log: before, between and behind those of the job.
MORE = ("AAA-USDT.BINANCE", "BTC-USDC.COINBASE", "ZZZ-USDT-PERP.BINANCE-USDM")
ROW = next(iter(JOB.instruments.values())).model_copy(update={"venue_symbol": ""})
OTHERS = JOB.bars.model_copy(
    update={"more": ("2s", "5s", "1m", "tick:3", "volume:2.5", "quote:1s")}
)
SMALLER = JOB.model_copy(update={"bars": OTHERS})
LARGER = SMALLER.model_copy(update={"instruments": {**JOB.instruments, **dict.fromkeys(MORE, ROW)}})
NUMBERED = ("dedupe", "judge", "bars", "settle", "other_bars", "normalise", "signals")
NAMED = ("quality",)
JOBS = {job: (flow_steps(SMALLER if job == "few" else LARGER)) for job in ("few", "more")}
IDS = {"few": instrument_table(JOB).ids, "more": instrument_table(LARGER).ids}
names = st.lists(st.text("abc", min_size=1, max_size=2), unique=True)


@settings(deadline=None)
@given(names, names)
def test_what_is_in_both_tables_gets_the_number_of_its_name(was, now):
    numbers = find_numbers(was, now)
    assert [None if n == GONE else now[n] for n in numbers] == [
        n if n in now else None for n in was
    ]
    rows = np.arange(2 * len(was), dtype=np.int64).reshape(-1, 2)
    moved = move_rows(rows, numbers, np.full((len(now), 2), -7))
    expected = [rows[was.index(name)].tolist() if name in was else [-7, -7] for name in now]
    assert moved.tolist() == expected
    here = numbers != GONE
    assert keep_rows(rows.tobytes(), here) == rows[here].tobytes()


def through_fold(name, was, now, values, more):
    """Fold values with the steps of one job, and go on with those of another; return outputs."""
    rows = {job: IDS[job] if name in NUMBERED else None for job in (was, now)}
    logic = fold(JOBS[was][name], rows=rows[was])(None)
    outputs = list(logic.on_batch(values)[0])
    snapshot = pickle.loads(pickle.dumps(logic.snapshot()))
    resumed = fold(JOBS[now][name], rows=rows[now])(snapshot)
    again = fold(JOBS[now][name], rows=rows[now])(pickle.loads(pickle.dumps(resumed.snapshot())))
    return outputs, list(resumed.on_batch(more)[0]), list(again.on_batch(more)[0])


@pytest.mark.parametrize("name", [*NUMBERED, *NAMED])
@pytest.mark.parametrize(("was", "now"), [("few", "more"), ("more", "few")])
@settings(max_examples=15, deadline=None)
@given(log=logs(), sizes=page_sizes(1), cut=st.integers(0, 30))
def test_a_step_goes_on_where_instruments_without_a_tick_come_or_go(
    name, was, now, log, sizes, cut
):
    for partition, records in log.items():
        pages = to_pages(partition, records, sizes)
        before, after = (inputs_of(name, pages, JOBS[job]) for job in (was, now))
        _, resumed, again = through_fold(name, was, now, before[:cut], after[cut:])
        state, _ = run(JOBS[now][name], after[:cut])
        expected = plain(run_on(JOBS[now][name], state, after[cut:])[1])
        assert plain(resumed) == plain(again) == expected


@pytest.mark.parametrize(("was", "now"), [("few", "more"), ("more", "few")])
@settings(max_examples=15, deadline=None)
@given(log=logs(), sizes=page_sizes(1), order=arrival_orders(), cut=st.integers(0, 60))
def test_the_desk_goes_on_where_instruments_without_a_tick_come_or_go(
    was, now, log, sizes, order, cut
):
    before, after = (interleave(desk_batches(log, sizes, JOBS[job]), order) for job in (was, now))
    outputs, resumed, again = through_fold("desk", was, now, before[:cut], after[cut:])
    assert plain(resumed) == plain(again)
    assert plain(outputs + resumed) == plain(run(JOBS[now]["desk"], after)[1])


def test_the_logs_of_these_laws_have_ticks_of_every_partition():
    assert {name.partition(".")[2] for name in MORE} <= {
        each.partition(".")[2] for each in JOB.instruments
    }
    assert len(PARTITIONS) == 3
