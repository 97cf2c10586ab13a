"""One digest wherever a strategy stands: in columns, in the merge, as a class in Python."""

from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.crash import HASTY
from bench.crashing import Crashing
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.signals import Signal
from tests import frames, laws
from tests.laws import run
from tests.plain_flow import JOB as PLAIN_JOB
from tests.plain_flow import desk_batches, flow_steps, interleave
from tests.running import (
    JOB,
    REFERENCE,
    digest,
    job_of,
    loaded,
    replay,
    replay_topics,
    silent,
)

GOLDEN = REFERENCE / "golden"
HEARTBEAT = REFERENCE / "golden-heartbeat"
DIGESTS = {
    GOLDEN: "8007d6b0e0bc170ed29f653b57ba54afffecefc81cb14ec20841abbb03df869b",
    HEARTBEAT: "7a2a0ae254f4625a35c5dcada60f95f0e187f5e4d0df4355cb81a3a98f107678",
}
KERNEL = 'kind = "ema_cross"\n'
ROWS = {
    "kernel in the merge": KERNEL + 'placement = "merge"\n',
    "class": 'kind = "tests.strategies.cross:Cross"\n',
}
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a log
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def job_with(row, folder, **sections):
    """Return the reference job with another row in the place of its strategy."""
    path = folder / "job.toml"
    path.write_text(JOB.read_text().replace(KERNEL, row))
    return job_of(path, **sections)


@every_row
def test_the_golden_tapes_give_the_golden_digest(row, tmp_path):
    job = job_with(row, tmp_path)
    assert replay(GOLDEN, tmp_path / "results.duckdb", job) == DIGESTS[GOLDEN]


@every_row
def test_two_workers_and_small_pages_give_the_golden_digest(row, tmp_path):
    job = job_with(row, tmp_path, source={"page_records": 77, "max_lead": 2 * 10**9})
    results = tmp_path / "results.duckdb"
    assert replay(HEARTBEAT, results, job, workers=2) == DIGESTS[HEARTBEAT]


@pytest.mark.slow
def test_two_processes_give_the_golden_digest(tmp_path):
    job = job_with(ROWS["kernel in the merge"], tmp_path)
    results = tmp_path / "results.duckdb"
    plan = Plan(command="t", log=find_tapes([GOLDEN], job), job=job, results=results, processes=2)
    run_plan(plan, silent, silent)
    assert digest(results) == DIGESTS[GOLDEN]


@pytest.mark.slow
def test_topics_give_the_golden_digest(tmp_path):
    with loaded(HEARTBEAT, job_with(ROWS["class"], tmp_path), packed=(False, True)) as job:
        results = tmp_path / "results.duckdb"
        assert replay_topics(job, results, workers=2, publish=True) == DIGESTS[HEARTBEAT]


@pytest.mark.slow
def test_kills_change_nothing_of_a_class_in_the_merge(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(HASTY.replace(KERNEL, ROWS["class"]))
    crashing = Crashing(tmp_path, [str(HEARTBEAT), "--speed", "40x"], path, seed=5)
    assert crashing.run(kills=2, longest_s=1.5) == DIGESTS[HEARTBEAT]
    assert crashing.kills >= 2


# --- several strategies ---------------------------------------------------------------------------

PLACEMENTS = tuple(product(("columns", "merge"), repeat=3))
NAMES = tuple(permutations(("a", "b", "c")))


def placed(names, placements):
    """Return the steps of the plain job, its strategies under these names, at these places."""
    rows = [
        row.model_copy(update={"name": name, "placement": place})
        for row, name, place in zip(PLAIN_JOB.strategies, names, placements, strict=True)
    ]
    return flow_steps(PLAIN_JOB.model_copy(update={"strategies": tuple(rows)}))


STEPS = {}  # by names and placements


def facts_at(names, placements, log, page_sizes, order):
    """Return what the desk says of a log, plain; but for signals."""
    key = names, placements
    steps = STEPS[key] = STEPS.get(key) or placed(*key)
    values = interleave(desk_batches(log, page_sizes, steps), order)
    return laws.plain([each for each in run(steps["desk"], values)[1] if not is_of_signals(each)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    frames.logs(), frames.page_sizes(1), frames.arrival_orders(), st.sampled_from(NAMES),
    st.sampled_from(PLACEMENTS),
)  # fmt: skip
def test_each_strategy_may_stand_anywhere_under_any_name(log, page_sizes, order, names, placements):
    expected = facts_at(names, ("columns",) * 3, log, page_sizes, order)
    assert facts_at(names, placements, log, page_sizes, order) == expected
    assert facts_at(names, ("merge",) * 3, log, page_sizes, order) == expected


def is_of_signals(fact):
    """Return whether a fact is a signal or counts signals: another step says those of columns."""
    return isinstance(fact, Signal) or type(fact).__name__ not in FACTS


FACTS = {"Decision", "Order", "Fill", "Position", "Equity", "OrderEvent", "Command", "Funding"}


@pytest.mark.parametrize("name", ["a", "z"])
def test_a_kernel_decides_before_what_its_bar_causes_is_handled(tmp_path, name):
    """A class that answers refusals shares the limits of the account with the kernel."""
    stubborn = '\n[[strategies]]\nname = "m"\nkind = "tests.strategies.stubborn:Stubborn"\n'
    digests = set()
    for row in (KERNEL, ROWS["kernel in the merge"]):
        text = JOB.read_text().replace(KERNEL, row).replace("orders_max = 8", "orders_max = 50")
        text = text.replace('name = "ema_cross"', f'name = "{name}"')
        path = tmp_path / "job.toml"
        path.write_text(text + stubborn + 'account = "main"\nsize = 1\n')
        digests.add(replay(HEARTBEAT, tmp_path / "results.duckdb", job_of(path)))
    assert len(digests) == 1
