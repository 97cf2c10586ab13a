"""Features that strategies need: bound to a job, computed in the flow, begun anew behind holes."""

import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec import structs

from bench.feature_equality import compute
from bench.feature_series import make_series
from tapeflow import z_scores
from tapeflow.engine.renumbering import GONE
from tapeflow.flows.job import features, settings, wiring
from tapeflow.flows.job.features import find_first_values
from tapeflow.operators.features.needed import NeededFeature, NeededFold
from tapeflow.operators.features.registry import FOLDS
from tapeflow.operators.features.step import ComputeFeatures
from tapeflow.schemas.errors import StrategyError, TapeflowError, UsageError
from tapeflow.schemas.feature import Feature
from tests import growing
from tests.columns import bar, batch, heartbeat
from tests.frames import MS, S, binance_trade
from tests.laws import plain
from tests.plain_flow import IDS
from tests.running import ROOT
from tests.test_notices import BEGIN, rows, run

SMA = NeededFold("sma:2", "", FOLDS["sma"], {"period": 2}, {"sma:2": 0})
OBV = NeededFold("obv", "", FOLDS["obv"], {}, {"obv": 0})


class Count(Feature):
    """The number of bars so far, None at odd ones."""

    scale: float = 1.0

    def start(self):
        return [0]

    def on_bar(self, state, bar):
        state[0] += 1
        return None if state[0] % 2 else state[0] * self.scale


COUNT = NeededFeature("count", "", "count.py:Count", Count(scale=0.5), {"count": 0})


def compute_all(needed, batches, step=None, restore_each=False):
    """Return each feature at every bar, None where there is none."""
    step = step or ComputeFeatures((needed,), IDS, 5 * S)
    state, found = step.initial(), []
    for each in batches:
        if restore_each:
            state = step.restore(pickle.loads(pickle.dumps(step.snapshot(state))))
        state, (output,) = step.step(state, each)
        found += [*output.features.get(next(iter(needed.outputs)), ())]
    return [None if math.isnan(each) else float(each) for each in found]


def bars_at(*numbers, instrument=IDS[0]):
    """Return a batch for each bar: `numbers` are their seconds, and their closes."""
    return [
        batch(
            heartbeat(number * S),
            first_offset=at,
            last_offset=at - 1,
            bars=(bar(float(number), number=number, instrument=instrument),),
        )
        for at, number in enumerate(numbers)
    ]


@pytest.mark.parametrize("restore_each", [False, True])
def test_behind_a_hole_a_feature_begins_anew(restore_each):
    batches = bars_at(0, 1, 2, 3, 9, 10, 15)  # 4 .. 9 are no longer than 5 s, 11 .. 16 neither
    assert compute_all(SMA, batches, restore_each=restore_each) == [
        None,
        0.5,
        1.5,
        2.5,
        6,
        9.5,
        12.5,
    ]
    batches = bars_at(0, 1, 2, 3, 10, 11, 12)  # 4 .. 10 are longer
    assert compute_all(SMA, batches, restore_each=restore_each) == [
        None,
        0.5,
        1.5,
        2.5,
        None,
        10.5,
        11.5,
    ]
    assert compute_all(COUNT, batches, restore_each=restore_each) == [
        None,
        1,
        None,
        2,
        None,
        1,
        None,
    ]


def test_no_hole_ends_a_feature_where_the_job_says_none():
    step = ComputeFeatures((SMA,), IDS)
    assert compute_all(SMA, bars_at(0, 10**6), step=step) == [None, 10**6 / 2]


def test_a_hole_of_one_instrument_is_none_of_another():
    batches = [
        batch(
            heartbeat(number * S),
            first_offset=number,
            bars=tuple(
                bar(float(number), number=number, instrument=name)
                for name in IDS[:2]
                if name == IDS[0] or number in (0, 20)
            ),
        )
        for number in range(21)
    ]
    step = ComputeFeatures((SMA,), IDS, 5 * S)
    state = step.initial()
    for each in batches:
        state, (output,) = step.step(state, each)
    assert plain(output.features["sma:2"]) == plain(np.array([19.5, math.nan]))


@pytest.mark.parametrize("name", FOLDS)
@examples(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(0, 40))
def test_instruments_and_cuts_change_no_value_of_a_feature(name, order, cut):
    fold, whole = FOLDS[name], make_series("walk", 40)
    short = {key: min(2 + at, each.most) for at, (key, each) in enumerate(fold.parameters.items())}
    params = fold.complete([*short.values()])
    instrument = np.array(order)
    mixed = whole.take(np.arange(len(order)))
    known, out = np.zeros((3, fold.width(**params))), np.empty((len(fold.outputs), len(order)))
    for part in (slice(0, cut), slice(cut, None)):
        some = mixed.take(part)
        found = np.empty((len(fold.outputs), len(some)))
        columns = [getattr(some, each) for each in fold.columns]
        fold.kernel(
            known, instrument[part], np.zeros(len(some), np.bool_), *columns, found, **params
        )
        out[:, part] = found
    for number in range(3):
        own = np.flatnonzero(instrument == number)
        alone = compute(fold, mixed.take(own), params)
        assert plain(np.ascontiguousarray(out[:, own])) == plain(alone)


def test_features_of_other_kinds_are_of_their_own_bars():
    own = NeededFold("obv@1m", "1m", FOLDS["obv"], {}, {"obv@1m": 0})
    step = ComputeFeatures((OBV, own), IDS)
    one = batch(bars=(bar(1.0, number=0), bar(2.0, number=1)))
    wide = batch(bars=(bar(2.0, number=0),)).bars
    _, (output,) = step.step(step.initial(), one.replace(other_bars={"1m": wide}))
    assert {need: len(each) for need, each in output.features.items()} == {"obv": 2, "obv@1m": 1}
    _, (output,) = step.step(step.initial(), one)
    assert output.features.keys() == {"obv"}


def test_a_state_that_has_missed_records_begins_anew():
    step = ComputeFeatures((SMA,), IDS)
    state, _ = step.step(step.initial(), bars_at(0)[0])
    snapshot = step.snapshot(state)
    later = bars_at(0, 1, 2, 3)
    _, (output,) = step.step(step.restore(snapshot), later[1])
    assert output.features["sma:2"].tolist() == [0.5]
    _, (output,) = step.step(step.restore(snapshot), later[3])  # two records passed without it
    assert math.isnan(output.features["sma:2"][0])


def test_features_come_and_go_under_a_state():
    first = ComputeFeatures((SMA, COUNT), IDS)
    state, _ = first.step(first.initial(), bars_at(0)[0])
    second = ComputeFeatures((OBV, SMA), IDS)
    _, (output,) = second.step(second.restore(first.snapshot(state)), bars_at(0, 1)[1])
    assert output.features["sma:2"].tolist() == [0.5]
    assert output.features["obv"].tolist() == [output.bars.volume[0]]


@pytest.mark.parametrize("needed", [SMA, COUNT], ids=["compiled", "a class"])
def test_a_snapshot_is_renumbered(needed):
    step = ComputeFeatures((needed,), IDS)
    state = step.initial()
    for each in bars_at(7, 8, 9, instrument=IDS[2]):
        state, _ = step.step(state, each)
    numbers = np.array([GONE, 0, 1, *range(2, len(IDS) - 1)], np.int64)
    moved = step.renumber(step.snapshot(state), numbers)
    restored = step.restore(pickle.loads(pickle.dumps(moved)))
    later = bars_at(7, 8, 9, 10, instrument=IDS[1])[3]
    _, (output,) = step.step(restored, later)
    assert next(iter(output.features.values())).tolist() == [9.5 if needed is SMA else 2.0]
    gone = step.renumber(step.snapshot(state), np.full(len(IDS), GONE, np.int64))
    _, (output,) = step.step(step.restore(gone), later)
    assert math.isnan(next(iter(output.features.values()))[0])


def test_a_state_of_another_class_or_version_is_refused():
    step = ComputeFeatures((COUNT,), IDS)
    state, _ = step.step(step.initial(), bars_at(0)[0])
    changed = type("Changed", (Count,), {"version": 2, "__annotations__": {}})
    other = NeededFeature("count", "", "count.py:Count", changed(), {"count": 0})
    with pytest.raises(
        TapeflowError, match=r"version 2, and its state is of count\.py:Count, version 1"
    ):
        ComputeFeatures((other,), IDS).restore(step.snapshot(state))


def test_what_is_no_number_is_refused_with_the_feature():
    class Wrong(Count):
        def on_bar(self, state, bar):
            return "7"

    step = ComputeFeatures((NeededFeature("w", "", "w.py:W", Wrong(), {"w": 0}),), IDS)
    with pytest.raises(
        StrategyError, match=r"on_bar gave a str: return a number.*in on_bar of feature w"
    ):
        step.step(step.initial(), bars_at(0)[0])


def test_a_hole_in_the_offsets_of_a_topic_is_no_missed_record():
    step = ComputeFeatures((SMA,), IDS)
    one, two = bars_at(0, 1)
    _, (output,) = step.step(step.step(step.initial(), one)[0], two.replace(first_offset=7))
    assert output.features["sma:2"].tolist() == [0.5]


# --- a job ---------------------------------------------------------------------------------------

JOB = """\
[bars]
width = "1s"
lateness = "0ms"
{more}
[paper]
latency = "0ms"
[[accounts]]
name = "main"
position_max = 1000000
gross_max = 1000000000
orders_max = 1000
orders_window = "1s"
[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "1" }}
[[strategies]]
name = "dip"
kind = "dip.py:Dip"
account = "main"
size = 1
"""
DIP = """\
from tapeflow import BUY, Bar, Feature, Strategy, Submit

NEEDS = {needs}

class Dip(Strategy):
    def needs(self):
        return NEEDS

    def on_bar(self, state, bar, context):
        for need in NEEDS:
            value = context.feature(need, bar.instrument)
            if value is not None:
                yield Submit(bar.instrument, BUY, strength=value)

class Range(Feature):
    period: int = 3
    factor: float = 1.0

    def start(self):
        return []

    def on_bar(self, state, bar):
        state.append(bar.close)
        del state[:-self.period]
        return self.factor * (max(state) - min(state)) if len(state) == self.period else None

class Broken(Feature):
    def on_bar(self, state, bar):
        return 1 / 0
"""
SMALL_PAGES = '[source]\npage_records = 25\n[recovery]\nepoch = "100ms"\n'
OWN = '[features]\nmy_range = "dip.py:Range"\nbroken = "dip.py:Broken"\n'


def job_in(folder, *needs, more=""):
    (folder / "dip.py").write_text(DIP.format(needs=repr(needs)))
    (folder / "job.toml").write_text(JOB.format(more=more))
    return settings.load(folder / "job.toml", {})


@pytest.mark.parametrize(
    ("need", "line"),
    [
        ("rsii:14", "no feature rsii: did you mean rsi?"),
        ("zzz", "no feature zzz: docs/reference/features.md lists all"),
        ("my_rang:3", "no feature my_rang: did you mean my_range?"),
        ("rsi:1", "period is 1: write one from 2 to 10000"),
        ("rsi:nan", "'nan' has a number that is not finite"),
        ("rsi:14.5", "period is 14.5: write a whole number"),
        ("rsi:14,3", "rsi takes period: 2 are too many"),
        ("obv:3", "obv takes no parameters: 1 are too many"),
        ("macd:26,12", "fast is 26: write one below slow, 12"),
        ("macd.signa:12", "macd has no output signa, but macd, signal, hist: did you mean signal?"),
        ("sma.x", "sma has no output x, but one, without a name"),
        ("rsi:14@1500ms", "1500ms is no multiple of the job's 1s"),
        ("rsi:14@wide", "'wide' is no kind of bars"),
        ("score:20", "score is of the bars of the job's own width and the window of [normalise]"),
        ("my_range.x:3", "my_range has one output, and no name for it"),
        ("my_range:3,1,7", "my_range takes period, factor: 3 are too many"),
        ("my_range:3.5", "Expected `int`, got `float`"),
    ],
)
def test_a_need_that_cannot_be_is_one_line_with_its_place(tmp_path, need, line):
    job = job_in(tmp_path, need, more=OWN)
    with pytest.raises(UsageError) as caught:
        wiring.validate(job)
    assert str(caught.value).startswith("strategies.dip: ")
    assert need in str(caught.value) and line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ('rsi = "dip.py:Range"', "features.rsi: rsi comes with the package: take another name"),
        ('r = "dip.py:Rang"', "did you mean Range?"),
        ('r = "di.py:Range"', "did you mean dip.py?"),
        ('r = "dip.py:Dip"', "is no feature: write class Dip(Feature), with Feature from tapeflow"),
        ('r = "dip.py"', "which class of it? write dip.py:Broken"),
        ('r = "Range"', "Range: write file.py:Class, or package.module:Class"),
        ('r = "no.module:Range"', "there is no module no"),
    ],
)  # fmt: skip
def test_a_class_that_there_is_not_is_one_line(tmp_path, row, line):
    job = job_in(tmp_path, "rsi:14", more=f"[features]\n{row}\n")
    with pytest.raises(UsageError) as caught:
        wiring.validate(job)
    assert str(caught.value).startswith("features.") and line in str(caught.value)


def test_outputs_of_one_feature_are_computed_once_and_the_own_width_has_no_name(tmp_path):
    job = job_in(tmp_path, "macd:12,26", "macd.hist@1s", "macd.hist@2s", "obv")
    step = features.compute_features(job, *declared_of(job))
    assert [(each.name, each.kind, each.outputs) for each in step.needed] == [
        ("macd:12,26,9", "", {"macd:12,26": 0, "macd.hist@1s": 2}),
        ("macd:12,26,9@2s", "2s", {"macd.hist@2s": 2}),
        ("obv", "", {"obv": 0}),
    ]


def test_a_job_without_needs_has_no_step(tmp_path):
    job = job_in(tmp_path)
    assert features.compute_features(job, *declared_of(job)) is None


def declared_of(job):
    from tapeflow.flows.job import declared  # noqa: PLC0415
    from tapeflow.flows.job.instruments import instrument_table  # noqa: PLC0415

    table = instrument_table(job)
    return table, declared.strategies(job, table)


PRICES = [100 + (7 * number * number) % 13 for number in range(60)]


def write_tape(folder, prices, hole_at=99, hole_ns=0):
    """Write a trade a second; those from `hole_at` on are later by `hole_ns`."""
    folder.mkdir()
    lines = [
        b"%d %b\n" % (at + 5 * MS, binance_trade(number, at=at, price=price))
        for number, price in enumerate(prices)
        for at in [BEGIN + number * S + (hole_ns if number >= hole_at else 0)]
    ]
    (folder / "binance-0.tape").write_bytes(b"".join(lines))
    return folder


def strengths(results):
    return [each for (each,) in rows(results, "SELECT strength FROM signals ORDER BY time, id")]


@pytest.mark.parametrize(("workers", "page"), [(1, 20_000), (2, 7)])
def test_a_strategy_reads_the_features_that_it_needs(tmp_path, workers, page):
    more = f"{OWN}[source]\npage_records = {page}\n"
    job = job_in(tmp_path, "rsi:14", "my_range:5,2", "sma:3@2s", more=more)
    results = tmp_path / "r.duckdb"
    run(write_tape(tmp_path / "tapes", PRICES), results, job, workers=workers)
    closes = np.array(PRICES, float)
    bars = structs.replace(make_series("walk", len(PRICES)), close=closes)
    rsi = compute(FOLDS["rsi"], bars, {"period": 14})[0]
    ranges = [2 * np.ptp(closes[at - 4 : at + 1]) for at in range(4, len(closes))]
    found = strengths(results)
    assert {each for each in rsi[14:].tolist() if each} <= set(found)
    assert {each for each in ranges if each} <= set(found)
    assert closes[1::2][:3].mean() in found


def test_a_run_that_stops_and_goes_on_gives_the_same_features(tmp_path, monkeypatch):
    job = job_in(tmp_path, "rsi:5", "my_range:4", "kama:3@2s", "obv", more=OWN + SMALL_PAGES)
    tapes = growing.write_tape(tmp_path / "tapes", growing.records_of(["BTC"], 300))
    found = {}
    for name, stops in (("whole", ()), ("parts", (75, 160))):
        (tmp_path / name).mkdir()
        for records in stops:
            with growing.stop_at(records, monkeypatch):
                assert growing.run_on(tmp_path / name, tapes, job)[-1] == "stopped"
        growing.run_on(tmp_path / name, tapes, job)
        found[name] = growing.facts(tmp_path / name, "signals")
    assert found["whole"] == found["parts"] and len(found["whole"]) > 60


@pytest.mark.parametrize(("hole", "known"), [("10s", 16), ("none", 18)])
def test_no_strategy_reads_a_feature_across_a_hole(tmp_path, hole, known):
    #   20 bars, of which sma:3 has none at 2; behind a hole of 30 s it has none at 2 more
    job = job_in(tmp_path, "sma:3", more=f'[normalise]\nhole = "{hole}"\n')
    tapes = write_tape(tmp_path / "tapes", range(100, 120), hole_at=10, hole_ns=30 * S)
    run(tapes, tmp_path / "r.duckdb", job)
    assert len(strengths(tmp_path / "r.duckdb")) == known


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_users_feature_names_file_line_and_feature(tmp_path, workers):
    job = job_in(tmp_path, "broken", more=OWN)
    with pytest.raises(StrategyError) as caught:
        run(write_tape(tmp_path / "tapes", PRICES), tmp_path / "r.duckdb", job, workers=workers)
    file = tmp_path / "dip.py"
    assert str(caught.value) == (
        f"{file} line 29: ZeroDivisionError: division by zero, in on_bar of feature broken"
    )


def test_the_example_of_the_documents_is_a_feature(tmp_path):
    text = (ROOT / "docs" / "reference" / "features.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "range.py").write_text(code)
    (row,) = re.findall(r'my_range = "range.py:Range"', text)
    job = job_in(tmp_path, "my_range:5", more=f"[features]\n{row}\n")
    run(write_tape(tmp_path / "tapes", PRICES), tmp_path / "r.duckdb", job)
    closes = np.array(PRICES, float)
    expected = [
        np.ptp(closes[at - 4 : at + 1]) / closes[at] * 10_000 for at in range(4, len(closes))
    ]
    assert strengths(tmp_path / "r.duckdb") == pytest.approx([each for each in expected if each])


def test_features_are_first_known_where_the_documents_say():
    for name, fold in FOLDS.items():
        bars = make_series("walk", 100)
        found = ~np.isnan(compute(fold, bars, fold.complete(())))
        if name != "roll":  # prices that walk have none at first
            assert find_first_values(fold) == tuple(found.argmax(axis=1) + 1), name


VALUES = st.dictionaries(st.text(max_size=2), st.none() | st.floats(-1e6, 1e6) | st.just(math.nan))


@given(VALUES)
def test_scores_among_instruments_are_those_of_numpy(values):
    scores = z_scores(values)
    assert [*scores] == [*values]
    known = {name: each for name, each in values.items() if each is not None and each == each}  # noqa: PLR0124
    column = np.array([*known.values()])
    if len(column) < 2 or np.ptp(column) == 0:
        assert set(scores.values()) <= {None}
    elif column.std() > 1e-6:
        expected = (column - column.mean()) / column.std()
        assert [scores[name] for name in known] == pytest.approx(expected, abs=1e-6)
        assert all(scores[name] is None for name in values.keys() - known.keys())
