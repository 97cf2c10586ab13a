"""Grids of a job: their variants, in order, and what is refused in a line."""

from decimal import Decimal

import pytest

from tapeflow.flows.job import grid_values, settings, wiring
from tapeflow.flows.job.grid_values import VARIANTS_MAX
from tapeflow.flows.job.grids import expand_grids, variant_job
from tapeflow.schemas.errors import UsageError

ACCOUNT = """
[[accounts]]
name = "main"
position_max = 1000
gross_max = 20000
orders_max = 4
orders_window = "10s"
"""
TREND = '\n[[strategies]]\nname = "trend"\nkind = "ema_cross"\naccount = "main"\nsize = "0.1"\n'
BACK = '\n[[strategies]]\nname = "back"\nkind = "reversion"\naccount = "main"\nsize = 1\n'
LISTED = '\n[instruments]\n"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.1" }\n'


def job_with(tmp_path, *rows):
    path = tmp_path / "job.toml"
    path.write_text(ACCOUNT + "".join(rows) + LISTED)
    return settings.load(path, {})


def with_grid(tmp_path, grid, row=TREND):
    return job_with(tmp_path, row, f"[strategies.grid]\n{grid}\n")


def names(job):
    return [each.name for each in expand_grids(job).variants]


def error_of(job):
    with pytest.raises(UsageError) as error:
        expand_grids(job)
    return str(error.value)


def test_the_last_key_of_a_grid_changes_first(tmp_path):
    job = with_grid(tmp_path, "fast = [8, 5]\nslow = { from = 20, to = 40, step = 10 }")
    assert names(job) == [
        f"trend/fast={fast},slow={slow}" for fast in (8, 5) for slow in (20, 30, 40)
    ]


def test_a_variant_has_the_settings_of_its_row_and_its_own_values(tmp_path):
    (first, *_) = expand_grids(with_grid(tmp_path, "fast = [5, 8]")).variants
    assert (first.strategy, first.parameters) == ("trend", {"fast": 5})
    row = first.row.model_dump()
    assert (row["fast"], row["slow"], row["size"]) == (5, 26, Decimal("0.1"))
    assert (first.row.name, first.row.account, first.row.grid) == (*["trend/fast=5"] * 2, None)


def test_each_variant_has_an_account_with_the_limits_of_the_jobs(tmp_path):
    job = with_grid(tmp_path, "fast = [5, 8]")
    swept = variant_job(job, expand_grids(job).variants)
    assert [each.name for each in swept.accounts] == ["trend/fast=5", "trend/fast=8"]
    assert {each.model_copy(update={"name": "main"}) for each in swept.accounts} == {
        job.accounts[0]
    }
    wiring.validate(swept)


def test_the_one_variant_of_a_job_keeps_the_names_of_the_job(tmp_path):
    job = with_grid(tmp_path, "fast = [5]\nslow = [20]")
    (only,) = expand_grids(job).variants
    assert (only.name, only.row.name, only.row.account) == ("trend", "trend", "main")


def test_two_grids_of_one_have_accounts_of_their_own(tmp_path):
    job = job_with(
        tmp_path,
        TREND, "[strategies.grid]\nfast = [5]\n", BACK, "[strategies.grid]\nentry = [2]\n",
    )  # fmt: skip
    assert names(job) == ["trend/fast=5", "back/entry=2"]


def test_combinations_that_the_strategy_refuses_are_left_out_and_counted(tmp_path):
    found = expand_grids(with_grid(tmp_path, "fast = [5, 20, 30]\nslow = [10, 25]"))
    assert [each.name for each in found.variants] == [
        "trend/fast=5,slow=10",
        "trend/fast=5,slow=25",
        "trend/fast=20,slow=25",
    ]
    assert found.refused == {"trend": (3, "fast (20) must be below slow (10)")}


def test_strategies_without_a_grid_are_named(tmp_path):
    job = job_with(tmp_path, TREND, "[strategies.grid]\nfast = [5, 8]\n", BACK)
    assert expand_grids(job).without == ("back",)


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ("fsat = [5]", "strategies.trend.grid.fsat is no setting: did you mean fast?"),
        ("size = [1]", "strategies.trend.grid.size is no setting"),
        ("fast = 5", "write a list [5, 8], or { from = 20, to = 60, step = 5 }"),
        ("fast = []", "strategies.trend.grid.fast has no values"),
        ("fast = [5, 8, 5]", "strategies.trend.grid.fast has 5 twice"),
        ('fast = [5, "5"]', "strategies.trend.grid.fast has 5 twice"),
        ("fast = [[5]]", "[5] is no single value"),
        ("fast = { from = 5, to = 8 }", "strategies.trend.grid.fast.step is missing"),
        ("fast = { from = 5, too = 8, step = 1 }", "fast.too is no setting: did you mean to?"),
        ("fast = { from = 5, to = 8, step = 0 }", "a range goes up"),
        ("fast = { from = 8, to = 5, step = 1 }", "a range goes up"),
        ("fast = { from = 1, to = 900000, step = 1 }", "more than 10,000 values"),
        ('fast = ["five"]', "strategies.trend.grid.fast: five: Input should be a valid integer"),
        ("fast = [0]", "strategies.trend.grid.fast: 0: Input should be greater than 0"),
        ("fast = [30, 40]", "it refuses every one: fast (30) must be below slow (26)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_grid_is_one_line(tmp_path, grid, line):
    assert line in error_of(with_grid(tmp_path, grid))


def test_a_number_that_is_none_is_refused_when_the_job_is_read(tmp_path):
    with pytest.raises(UsageError, match="inf is no number"):
        with_grid(tmp_path, "fast = { from = 5, to = inf, step = 1 }")


def test_a_wrong_grid_is_refused_by_a_replay_too(tmp_path):
    with pytest.raises(UsageError, match="did you mean fast"):
        wiring.validate(with_grid(tmp_path, "fsat = [5]"))


def test_a_grid_has_a_limit(tmp_path):
    values = "{ from = 1, to = 101, step = 1 }"
    line = error_of(with_grid(tmp_path, f"fast = {values}\nslow = {values}"))
    assert f"10,201 combinations in all, at most {VARIANTS_MAX:,}" in line


def test_a_range_of_fractions_is_exact(tmp_path):
    job = with_grid(tmp_path, "entry = { from = 0.1, to = 0.5, step = 0.1 }", BACK)
    assert names(job) == [f"back/entry=0.{digit}" for digit in range(1, 6)]
    rows = [each.row.model_dump() for each in expand_grids(job).variants]
    assert [row["entry"] for row in rows] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_value_is_written_as_the_job_writes_it():
    assert [*map(grid_values.format_value, (True, 2.5, 3.0, 7, "a", 1e-7))] == [
        "true", "2.5", "3", "7", "a", "0.0000001",
    ]  # fmt: skip
