"""Every step of the flow under every law; the flow without an engine; the flow run in every shape."""

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
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.run import log as logs
from tapeflow.flows.run import run as runs
from tapeflow.flows.run.plan import Plan
from tapeflow.operators.strategies import ema_cross, reversion
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import ACCEPTED, DUPLICATE, HEARTBEAT, LATE
from tapeflow.schemas.registry import FACT_TYPES
from tests import frames, laws
from tests.frames import (
    JOB,
    NAMES,
    PARTITIONS,
    account_batches,
    cut,
    flow_steps,
    inputs_of,
    interleaved,
)
from tests.laws import AnyStep, run

STEPS = flow_steps()
ACCOUNTS = [each.name for each in JOB.accounts]


class KernelStep(Struct, frozen=True):
    """A strategy's kernel as a step: a value is (instrument, close, score), the output forecasts."""

    VERSION: ClassVar[int] = 0

    kernel: Callable[..., None]
    width: int
    params: dict[str, float]

    def initial(self):
        return np.zeros((len(NAMES), self.width))

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


# by name in `operators`: the step, and its values for some pages
LAWS: dict[str, tuple[AnyStep, Callable[[Sequence[Page]], list[Any]]]] = {
    **{
        name: (STEPS[step], partial(inputs_of, step, steps=STEPS))
        for name, step in {
            "decode.step.step": "decode",
            "dedupe.Dedupe": "dedupe",
            "bars.step.TimeBars": "bars",
            "features.normalise.Normalise": "normalise",
            "strategies.step.EvaluateStrategies": "signals",
            "quality.CountQuality": "quality",
            "batch_facts.step": "batch_facts",
            "records.step": "records",
        }.items()
    },
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
STEP_MEMBERS = ("VERSION", "initial", "step", "snapshot", "restore")

every_step = pytest.mark.parametrize("name", LAWS)
some = settings(max_examples=60, deadline=None)
one_partition = frames.some_records().map(
    lambda drawn: frames.records_of("binance-0", drawn, floored=False)
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
        importlib.import_module(each.name)
        for each in pkgutil.walk_packages(operators.__path__, root)
    ]
    found = {
        f"{module.__name__.removeprefix(root)}.{name}"
        for module in modules
        for name in steps_in(module)
    }
    assert found == {*LAWS, *DESK_LAWS}


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
@some
@given(one_partition, frames.sizes(), st.integers(0, 100))
def test_a_step_kept_and_resumed_anywhere_says_the_same(name, log, sizes, cut_at):
    machine, values_of = LAWS[name]
    values = values_of(cut("binance-0", log, sizes))
    laws.same_when_resumed(machine, values, cut_at % (len(values) + 1))


@every_step
@some
@given(one_partition, frames.sizes(), frames.sizes())
def test_the_cutting_into_pages_changes_nothing_that_is_said(name, log, sizes, others):
    machine, values_of = LAWS[name]
    laws.batching_changes_nothing(
        machine, values_of(cut("binance-0", log, sizes)), values_of(cut("binance-0", log, others))
    )


@every_step
@some
@given(one_partition, frames.sizes(), st.integers(0, 100))
def test_a_step_never_rewrites_the_past(name, log, sizes, cut_at):
    machine, values_of = LAWS[name]
    values = values_of(cut("binance-0", log, sizes))
    laws.never_rewrites_the_past(machine, values, cut_at % (len(values) + 1))


@every_step
@some
@given(one_partition, frames.sizes())
def test_a_step_leaves_its_values_and_its_words_alone(name, log, sizes):
    machine, values_of = LAWS[name]
    laws.leaves_its_input_alone(machine, values_of(cut("binance-0", log, sizes)))


# --- the desk -----------------------------------------------------------------------------

DESK = STEPS["desk"]
of_each_account = pytest.mark.parametrize("account", ACCOUNTS)


@of_each_account
@settings(max_examples=150, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.turns(), frames.turns())
def test_the_order_of_arrival_changes_nothing_for_the_desk(account, log, sizes, turns, others):
    said = account_batches(log, sizes, STEPS, account)
    laws.order_of_arrival_changes_nothing(DESK, interleaved(said, turns), interleaved(said, others))


@of_each_account
@settings(max_examples=100, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.sizes(1), frames.turns())
def test_the_cutting_into_pages_changes_no_fact_of_the_desk_nor_its_number(
    account, log, sizes, others, turns
):
    one = interleaved(account_batches(log, sizes, STEPS, account), turns)
    another = interleaved(account_batches(log, others, STEPS, account), turns)
    laws.order_of_arrival_changes_nothing(DESK, one, another)


@of_each_account
@settings(max_examples=100, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.turns(), st.integers(0, 200))
def test_the_desk_kept_and_resumed_anywhere_says_the_same(account, log, sizes, turns, cut_at):
    values = interleaved(account_batches(log, sizes, STEPS, account), turns)
    laws.same_when_resumed(DESK, values, cut_at % (len(values) + 1))


@of_each_account
@settings(max_examples=20, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.turns(), st.integers(0, 200))
def test_the_desk_never_rewrites_the_past_and_leaves_it_alone(account, log, sizes, turns, cut_at):
    values = interleaved(account_batches(log, sizes, STEPS, account), turns)
    laws.never_rewrites_the_past(DESK, values, cut_at % (len(values) + 1))
    laws.leaves_its_input_alone(DESK, values)


@of_each_account
def test_an_empty_page_changes_nothing_for_the_desk(account):
    full, thin = (account_batches(long_log(), sizes, STEPS, account) for sizes in ([5], [0, 5]))
    turns = [*range(300)] * 9
    laws.order_of_arrival_changes_nothing(DESK, interleaved(full, turns), interleaved(thin, turns))


# --- the whole flow -----------------------------------------------------------------------


def long_log():
    """Three partitions over a few minutes, whole seconds as log times, from fixed bytes."""
    drawn = {
        name: bytes((7 * i * i + 31 * i * k + k) % 251 for i in range(2400))
        for k, name in enumerate(PARTITIONS)
    }
    return {name: frames.records_of(name, mine, floored=True) for name, mine in drawn.items()}


def folded(log, sizes, turns=()):
    """All facts of the flow, by table, without the engine."""
    said = []
    for name, mine in log.items():
        batches = inputs_of("desk", cut(name, mine, sizes), STEPS)
        said += run(STEPS["batch_facts"], batches)[1] + run(STEPS["quality"], batches)[1]
    for account in ACCOUNTS:
        said += run(DESK, interleaved(account_batches(log, sizes, STEPS, account), turns))[1]
    return {
        topic.table: [each for each in said if type(each) is topic.type] for topic in FACT_TYPES
    }


@settings(max_examples=15, deadline=None)
@given(frames.logs(), frames.sizes(1), frames.sizes(1), frames.turns(), frames.turns())
def test_the_facts_of_the_flow_do_not_depend_on_how_it_is_fed(log, sizes, others, turns, more):
    one, another = folded(log, sizes, turns), folded(log, others, more)
    assert laws.plain(one) == laws.plain(another)


def test_the_long_log_says_something_of_every_kind():
    log = long_log()
    told = folded(log, [100])
    assert {table for table, facts in told.items() if not facts} == set()
    reasons = {each.reason for each in told["decisions"]}
    assert reasons == {"", "POSITION_LIMIT", "GROSS_LIMIT", "RATE_LIMIT"}
    quality = told["data_quality_minutes"]
    for count in (
        "heartbeats",
        "ignored",
        "malformed",
        "unlisted",
        "quotes",
        "duplicate",
        "late",
    ):
        assert sum(getattr(each, count) for each in quality) > 10, count
    assert sum(each.records for each in quality) == sum(map(len, log.values()))
    verdicts, status = [], []
    for name, mine in log.items():
        for each in inputs_of("desk", cut(name, mine, [50]), STEPS):
            verdicts += each.market.trades.verdict.tolist()
            status += each.status.tolist()
    assert {ACCEPTED, DUPLICATE, LATE} <= set(verdicts) and HEARTBEAT in status


SHAPES = [(workers, page) for workers in (1, 2, 3) for page in (1, 7, 1000)]


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tapes")
    for name, mine in long_log().items():
        (folder / f"{name}.tape").write_bytes(b"".join(b"%d %b\n" % each for each in mine))
    return folder


@pytest.fixture(scope="module")
def answers(tapes, tmp_path_factory):
    """Results of the engine in every shape."""
    folder = tmp_path_factory.mktemp("results")
    for workers, page in SHAPES:
        job = JOB.model_copy(
            update={"source": JOB.source.model_copy(update={"page_records": page})}
        )
        plan = Plan(
            command="test",
            log=logs.tapes([tapes], job),
            job=job,
            results=folder / f"{workers}-{page}.duckdb",
            workers=workers,
        )
        runs.run(plan, lambda _: None, lambda _: None)
    return {shape: folder / f"{shape[0]}-{shape[1]}.duckdb" for shape in SHAPES}


@pytest.mark.parametrize(("workers", "page"), SHAPES)
def test_workers_and_page_sizes_do_not_change_the_digest(answers, workers, page):
    assert digests(answers[workers, page]) == digests(answers[1, 1000])
    assert len(digest(digests(answers[workers, page]))) == 64


def test_the_engine_says_what_the_plain_folds_say(answers):
    told = folded(long_log(), [13])
    for topic in FACT_TYPES:
        answer = query(answers[3, 7], f"SELECT count(*) FROM {topic.table}")
        assert answer is not None and answer.rows == [(len(told[topic.table]),)], topic.table
    answer = query(answers[3, 7], "SELECT seq, id, price::VARCHAR FROM fills ORDER BY account, seq")
    assert answer is not None
    fills = [(each.seq, each.id, f"{each.price:.12f}") for each in told["fills"]]
    assert [tuple(row) for row in answer.rows] == fills


def test_the_job_of_these_tests_is_a_job():
    table = jobs.instruments(JOB)
    assert [each.id for each in table] == sorted(NAMES)
    assert len(jobs.strategies(JOB, table)) == 3
