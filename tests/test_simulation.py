"""The simulation: random jobs in every shape and history equal a slow model, table by table.

The long form: python -m bench.simulate --seeds 1000
"""

import subprocess
import sys
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from importlib import import_module
from operator import attrgetter

import pytest

from bench.paths import ROOT
from bench.simulate import simulate
from bench.simulation.comparison import is_same, table_differences
from bench.simulation.gap_model import BeyondModelError
from bench.simulation.generator import make_case
from bench.simulation.lives import POINTS
from bench.simulation.model import tables_of
from bench.simulation.mutants import MUTANTS, plant
from tapeflow.schemas.quality import Metric
from tapeflow.schemas.registry import BY_TYPE, FACT_TYPES

SEEDS = range(100, 140)
RUNS = range(500, 503)  # each some 15 s
FAULT_SEEDS = 60  # within which a planted fault is found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_without_an_engine_any_history_of_a_random_job_equals_the_model(tmp_path, seed):
    assert simulate(seed, tmp_path, Counter(), only="steps") == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", RUNS)
def test_run_as_users_run_it_random_jobs_equal_the_model_in_every_shape_and_history(tmp_path, seed):
    # a process of its own: it forks, and so it may have no threads
    options = ["--seeds", "1", "--seed", str(seed), "--only", "runs", "--keep", tmp_path]
    command = [sys.executable, "-m", "bench.simulate", *options]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    print(ran.stdout)
    assert ran.returncode == 0, f"seed {seed}\n{ran.stdout}{ran.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_fault_is_found_within_some_seeds(tmp_path, mutant):
    with plant(mutant):
        found = (simulate(seed, tmp_path, Counter(), only="steps") for seed in range(FAULT_SEEDS))
        assert any(found), f"the simulation does not see {mutant}"


def test_every_point_at_which_a_run_is_killed_exists():
    for module, name in POINTS:
        assert callable(attrgetter(name)(import_module(module))), f"{module} {name}"


def test_a_seed_gives_the_same_case_and_the_same_model_again():
    assert make_case(7) == make_case(7) != make_case(8)
    assert tables_of(make_case(7)) == tables_of(make_case(7))


def test_the_cases_of_some_seeds_fill_every_table():
    rows = Counter()
    for seed in range(30):
        with suppress(BeyondModelError):
            tables = tables_of(make_case(seed))
            rows.update({name: len(several) for name, several in tables.items()})
    of_defaults = {"order_events", "commands", "funding"}  # the model has the first rules only
    of_defaults |= {"other_bars"}  # its bars are of one width
    of_defaults |= {"states", "control"}  # nothing changes a state
    assert {each.table for each in FACT_TYPES} - of_defaults == {
        name for name in rows if rows[name]
    }


@pytest.mark.parametrize("change", [{"value": 2.1}, {"name": "bars"}, {"time_ns": 1}])
def test_a_row_that_differs_is_named(change):
    row = {"partition": "binance-0", "name": "trades", "time_ns": 0, "value": 2.0}
    kind = BY_TYPE[Metric]
    assert [*table_differences(kind, [row], [dict(row)])] == []
    (line,) = table_differences(kind, [row | change], [row])
    assert line.startswith("metrics.")
    (line,) = table_differences(kind, [row], [])
    assert line.startswith("metrics: 1 rows, model 0")


def test_only_sums_may_differ_in_their_last_digits():
    nan = float("nan")
    assert is_same(nan, nan, close=False) and not is_same(nan, 1.0, close=True)
    assert is_same(1.0, 1.0 + 1e-12, close=True) and not is_same(1.0, 1.0 + 1e-12, close=False)
    assert is_same(Decimal("1.0"), Decimal(1), close=False)
