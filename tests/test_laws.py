"""Every step under every law; the whole flow without an engine; the engine in every shape."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import partial
from inspect import isclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tapeflow import operators
from tapeflow.connectors.duckdb.query import digest, digests, query
from tapeflow.engine.rungs import are_compiled
from tapeflow.flows.job import declared
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.paper import Paper
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.operators.features.needed import NeededFold
from tapeflow.operators.features.registry import FOLDS
from tapeflow.operators.features.step import ComputeFeatures
from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HEARTBEAT, LATE
from tapeflow.schemas.registry import FACT_TYPES
from tests import frames, laws
from tests.frames import PARTITIONS, S, to_pages
from tests.laws import AnyStep, run
from tests.plain_flow import DEFAULT_JOB, IDS, JOB, desk_batches, flow_steps, inputs_of, interleave

STEPS = flow_steps()
MORE = {"more": ("2s", "5s", "1m", "tick:3", "volume:2.5", "dollar:150", "quote:1s")}
MORE_STEPS = flow_steps(JOB.model_copy(update={"bars": JOB.bars.model_copy(update=MORE)}))


class KernelStep(Struct, frozen=True):
    """A strategy's kernel as a step: a value is (instrument, close, score), the output forecasts."""

    VERSION: ClassVar[int] = 0

    kernel: Callable[..., None]
    width: int
    params: dict[str, float]

    def initial(self):
        return np.zeros((len(IDS), self.width))

    def step(self, state, value):
        forecasts = np.zeros(len(value[0]))
        self.kernel(state, *value, forecasts, **self.params)
        return state, forecasts.tolist()

    def snapshot(self, state):
        return state.tobytes()

    def restore(self, snapshot):
        return np.frombuffer(snapshot).reshape(-1, self.width).copy()


def bars_and_scores(pages):
    batches = inputs_of("signals", pages, STEPS)
    return [(each.bars.instrument, each.bars.close, each.scores) for each in batches]


def all_features():
    """Return a step of every feature with a short window, of bars of two kinds with holes."""
    needed = []
    for number, (name, fold) in enumerate(FOLDS.items()):
        short = {
            key: min(2 + at, each.most) for at, (key, each) in enumerate(fold.parameters.items())
        }
        params = fold.complete([*short.values()])
        outputs = {f"{name}.{each}": at for at, each in enumerate(fold.outputs)}
        needed.append(NeededFold(name, ("", "5s")[number % 2], fold, params, outputs))
    return ComputeFeatures(tuple(needed), IDS, 20 * S)


# by name in `operators`: the step, and its values for some pages
LAWS: dict[str, tuple[AnyStep, Callable[[Sequence[Page]], list[Any]]]] = {
    **{
        name: (STEPS[step], partial(inputs_of, step, steps=STEPS))
        for name, step in {
            "decode.step.step": "decode",
            "dedupe.step.Dedupe": "dedupe",
            "sequence.judge.JudgeTrades": "judge",
            "bars.step.TimeBars": "bars",
            "sequence.settle.SettleGaps": "settle",
            "features.normalise.Normalise": "normalise",
            "strategies.step.EvaluateStrategies": "signals",
            "quality.step.CountQuality": "quality",
            "unlisted.CountUnlisted": "unlisted",
            "batch_facts.step": "batch_facts",
            "records.step": "records",
        }.items()
    },
    "bars.other_bars.OtherBars": (
        MORE_STEPS["other_bars"],
        partial(inputs_of, "other_bars", steps=MORE_STEPS),
    ),
    "features.step.ComputeFeatures": (
        all_features(),
        partial(inputs_of, "features", steps=MORE_STEPS),
    ),
    "strategies.ema_cross.step": (
        KernelStep(ema_cross.step, ema_cross.WIDTH, {"fast": 1, "slow": 2}),
        bars_and_scores,
    ),
    "strategies.reversion.step": (
        KernelStep(reversion.step, reversion.WIDTH, {"entry": 1.0}),
        bars_and_scores,
    ),
}
DESK_LAWS = {"desk.step.Desk"}  # its values come from several partitions: see below
SWEEP_LAWS = {  # of several partitions too; a sweep is never resumed: tests/test_sweep.py
    "sweep.desks.VariantDesk",
    "sweep.forecasts.EvaluateVariants",
    "sweep.light.LightPortfolios",
}
NEEDS_KERNELS = {"tapeflow.operators.decode.kernel"}
STEP_MEMBERS = ("VERSION", "initial", "step", "snapshot", "restore")

every_step = pytest.mark.parametrize("name", LAWS)
sixty_examples = settings(max_examples=60, deadline=None)
one_partition = frames.record_bytes().map(
    lambda drawn: frames.records_from_bytes("binance-0", drawn, whole_seconds=False)
)


def steps_in(module):
    """Return what a module defines as a step: classes of the protocol, and a function `step`."""
    own = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    }
    return {
        name
        for name, value in own.items()
        if (isclass(value) and all(hasattr(value, member) for member in STEP_MEMBERS))
        or (name == "step" and callable(value))
    }


def test_every_step_is_under_the_laws():
    root = f"{operators.__name__}."
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(operators.__path__, root)
        if are_compiled() or module.name not in NEEDS_KERNELS
    ]
    found = {
        f"{module.__name__.removeprefix(root)}.{name}"
        for module in modules
        for name in steps_in(module)
    }
    assert found == {*LAWS, *DESK_LAWS, *SWEEP_LAWS}


def test_a_new_step_without_a_law_is_found():
    module, members = ModuleType("new"), dict.fromkeys(STEP_MEMBERS)
    vars(module).update(
        NewStep=type("NewStep", (), {"__module__": "new", **members}),
        NotAStep=type("NotAStep", (), {"__module__": "new", "VERSION": 1, "step": None}),
        Imported=type("Imported", (), {"__module__": "elsewhere", **members}),
    )
    assert steps_in(module) == {"NewStep"}
    exec("def step(value): ...", vars(module))
    assert steps_in(module) == {"NewStep", "step"}


@every_step
@sixty_examples
@given(one_partition, frames.page_sizes(), st.integers(0, 100))
def test_a_step_restored_from_a_snapshot_gives_the_same_outputs(name, log, sizes, cut_at):
    step, values_of = LAWS[name]
    values = values_of(to_pages("binance-0", log, sizes))
    laws.same_when_resumed(step, values, cut_at % (len(values) + 1))


@every_step
@sixty_examples
@given(one_partition, frames.page_sizes(), frames.page_sizes())
def test_page_sizes_change_no_output(name, log, sizes, other_sizes):
    step, values_of = LAWS[name]
    laws.batching_changes_nothing(
        step,
        values_of(to_pages("binance-0", log, sizes)),
        values_of(to_pages("binance-0", log, other_sizes)),
    )


@every_step
@sixty_examples
@given(one_partition, frames.page_sizes(), st.integers(0, 100))
def test_later_values_change_no_earlier_output(name, log, sizes, cut_at):
    step, values_of = LAWS[name]
    values = values_of(to_pages("binance-0", log, sizes))
    laws.never_rewrites_the_past(step, values, cut_at % (len(values) + 1))


@every_step
@sixty_examples
@given(one_partition, frames.page_sizes())
def test_a_step_changes_neither_its_values_nor_its_outputs(name, log, sizes):
    step, values_of = LAWS[name]
    laws.changes_no_value(step, values_of(to_pages("binance-0", log, sizes)))


# --- the desk -----------------------------------------------------------------------------

DESK = STEPS["desk"]
TOUCH_JOB = DEFAULT_JOB.model_copy(update={"paper": Paper(model="touch", answer_latency="100ms")})
FLOWS = {"log": STEPS, "sized": flow_steps(DEFAULT_JOB), "touch": flow_steps(TOUCH_JOB)}
every_flow = pytest.mark.parametrize("flow", FLOWS)


@every_flow
@settings(max_examples=80, deadline=None)
@given(frames.logs(), frames.page_sizes(1), frames.arrival_orders(), frames.arrival_orders())
def test_the_order_of_arrival_changes_no_fact_of_the_desk(flow, log, sizes, order, other_order):
    steps = FLOWS[flow]
    received = desk_batches(log, sizes, steps)
    laws.arrival_order_changes_nothing(
        steps["desk"], interleave(received, order), interleave(received, other_order)
    )


@every_flow
@settings(max_examples=60, deadline=None)
@given(frames.logs(), frames.page_sizes(1), frames.page_sizes(1), frames.arrival_orders())
def test_page_sizes_change_no_fact_of_the_desk_and_no_number(flow, log, sizes, other_sizes, order):
    steps = FLOWS[flow]
    values = interleave(desk_batches(log, sizes, steps), order)
    repaged = interleave(desk_batches(log, other_sizes, steps), order)
    laws.arrival_order_changes_nothing(steps["desk"], values, repaged)


@every_flow
@settings(max_examples=60, deadline=None)
@given(frames.logs(), frames.page_sizes(1), frames.arrival_orders(), st.integers(0, 200))
def test_a_desk_restored_from_a_snapshot_gives_the_same_facts(flow, log, sizes, order, cut_at):
    steps = FLOWS[flow]
    values = interleave(desk_batches(log, sizes, steps), order)
    laws.same_when_resumed(steps["desk"], values, cut_at % (len(values) + 1))


@every_flow
@settings(max_examples=15, deadline=None)
@given(frames.logs(), frames.page_sizes(1), frames.arrival_orders(), st.integers(0, 200))
def test_the_desk_never_looks_ahead_and_changes_no_value(flow, log, sizes, order, cut_at):
    steps = FLOWS[flow]
    values = interleave(desk_batches(log, sizes, steps), order)
    laws.never_rewrites_the_past(steps["desk"], values, cut_at % (len(values) + 1))
    laws.changes_no_value(steps["desk"], values)


def test_an_empty_page_changes_nothing_for_the_desk():
    without, with_empty = (desk_batches(long_log(), sizes, STEPS) for sizes in ([5], [0, 5]))
    order = [*range(300)] * 9
    laws.arrival_order_changes_nothing(
        DESK, interleave(without, order), interleave(with_empty, order)
    )


# --- the whole flow -----------------------------------------------------------------------


def long_log():
    """Return a fixed log of three partitions over a few minutes, logged at whole seconds."""
    drawn = {
        name: bytes((7 * i * i + 31 * i * k + k) % 251 for i in range(2400))
        for k, name in enumerate(PARTITIONS)
    }
    return {
        name: frames.records_from_bytes(name, each, whole_seconds=True)
        for name, each in drawn.items()
    }


def facts_by_table(log, sizes, order=(), steps=STEPS):
    """Return all facts of the flow, by table, without the engine."""
    facts = []
    for name, records in log.items():
        batches = inputs_of("desk", to_pages(name, records, sizes), steps)
        for step in ("batch_facts", "quality", "unlisted"):
            facts += run(steps[step], batches)[1]
    facts += run(steps["desk"], interleave(desk_batches(log, sizes, steps), order))[1]
    return {kind.table: [fact for fact in facts if type(fact) is kind.type] for kind in FACT_TYPES}


@settings(max_examples=15, deadline=None)
@given(
    frames.logs(),
    frames.page_sizes(1),
    frames.page_sizes(1),
    frames.arrival_orders(),
    frames.arrival_orders(),
)
def test_the_facts_do_not_depend_on_page_sizes_and_arrival(log, sizes, other_sizes, order, other):
    facts = facts_by_table(log, sizes, order)
    assert laws.plain(facts) == laws.plain(facts_by_table(log, other_sizes, other))


def test_the_long_log_gives_every_kind_of_fact():
    log = long_log()
    facts = facts_by_table(log, [100])
    assert {table for table, rows in facts.items() if not rows} == {
        "order_events",
        "commands",
        "funding",
        "other_bars",  # tests/test_other_bars.py
        "states",  # tests/test_trading_states.py
        "control",  # tests/test_control.py
    }
    by_default = facts_by_table(log, [100], steps=FLOWS["sized"])
    none = {table for table, rows in by_default.items() if not rows}
    assert none == {"funding", "other_bars", "states", "control"}, (
        "no mark price of these names a time to come"
    )
    reasons = {decision.reason for decision in facts["decisions"]}
    assert reasons == {"", "POSITION_LIMIT", "GROSS_LIMIT", "RATE_LIMIT"}
    quality = facts["data_quality_minutes"]
    for count in (
        "heartbeats",
        "recognised",
        "malformed",
        "unlisted",
        "quotes",
        "duplicate",
        "late",
    ):
        assert sum(getattr(each, count) for each in quality) > 10, count
    assert sum(each.records for each in quality) == sum(map(len, log.values()))
    verdicts, status = [], []
    for name, records in log.items():
        for batch in inputs_of("desk", to_pages(name, records, [50]), STEPS):
            verdicts += batch.market.trades.verdict.tolist()
            status += batch.status.tolist()
    assert {ACCEPTED, DUPLICATE, LATE} <= set(verdicts) and HEARTBEAT in status
    marks = [each.value for each in facts["metrics"] if each.name == "mark_prices"]
    assert sum(marks) > 10


SHAPES = [(workers, page) for workers in (1, 2, 3) for page in (1, 7, 1000)]


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tapes")
    for name, records in long_log().items():
        (folder / f"{name}.tape").write_bytes(b"".join(b"%d %b\n" % record for record in records))
    return folder


@pytest.fixture(scope="module")
def results(tapes, tmp_path_factory):
    """The result files of the engine, by workers and page size."""
    folder = tmp_path_factory.mktemp("results")
    for workers, page in SHAPES:
        job = JOB.model_copy(
            update={"source": JOB.source.model_copy(update={"page_records": page})}
        )
        plan = Plan(
            command="test",
            log=find_tapes([tapes], job),
            job=job,
            results=folder / f"{workers}-{page}.duckdb",
            workers=workers,
        )
        run_plan(plan, lambda _: None, lambda _: None)
    return {shape: folder / f"{shape[0]}-{shape[1]}.duckdb" for shape in SHAPES}


@pytest.mark.parametrize(("workers", "page"), SHAPES)
def test_workers_and_page_sizes_do_not_change_the_digest(results, workers, page):
    assert digests(results[workers, page]) == digests(results[1, 1000])
    assert len(digest(digests(results[workers, page]))) == 64


def test_the_engine_gives_the_facts_of_the_plain_folds(results):
    facts = facts_by_table(long_log(), [13])
    for kind in FACT_TYPES:
        counted = query(results[3, 7], f"SELECT count(*) FROM {kind.table}")
        assert counted is not None and counted.rows == [(len(facts[kind.table]),)], kind.table
    stored = query(results[3, 7], "SELECT seq, id, price::VARCHAR FROM fills ORDER BY account, seq")
    assert stored is not None
    in_order = sorted(facts["fills"], key=lambda fill: (fill.account, fill.seq))
    fills = [(fill.seq, fill.id, f"{fill.price:.12f}") for fill in in_order]
    assert [tuple(row) for row in stored.rows] == fills


def test_the_job_of_these_tests_is_valid():
    instruments = instrument_table(JOB)
    assert [*instruments.ids] == sorted(IDS)
    assert len(declared.strategies(JOB, instruments)) == 3
