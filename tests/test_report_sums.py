"""The report adds nothing that must not be added, and counts each refusal once."""

import json
import shutil

import duckdb
import pytest

from tapeflow.flows.report.render import render
from tapeflow.flows.report.sums import CURRENCIES, RIVALS
from tests.page_reading import ReadPage
from tests.reporting import JOB, invent


@pytest.fixture
def results(tmp_path):
    """Results of five days, to be changed."""
    path = tmp_path / "days.duckdb"
    invent(path, days=5)
    return path


def change(path, sql, *values):
    """Run a statement on a results file."""
    with duckdb.connect(str(path)) as con:
        con.execute(sql, values)


def words_of(path):
    """The text of the report of results."""
    return " ".join(" ".join(ReadPage(render(path)).texts).split())


def test_accounts_at_par_with_one_currency_are_added_up(results):
    words = words_of(results)
    assert CURRENCIES not in words and RIVALS not in words
    assert "The five longest drawdowns" in words and "fees" in words


def test_accounts_with_different_currencies_at_par_are_not_added_up(results):
    other = {"name": "euros", "capital": "5000", "at_par": ["EUR"]}
    job = {**JOB, "accounts": [*JOB["accounts"], other]}
    change(results, "UPDATE runs SET job = ?", json.dumps(job))
    words = words_of(results)
    assert CURRENCIES in words
    for sum_of_all in (
        "The five longest drawdowns",
        "Buy and hold:",
        "over the capital of the job",
    ):
        assert sum_of_all not in words


def test_a_refusal_that_was_approved_later_is_counted_once(demo_run, tmp_path):
    path = tmp_path / "demo.duckdb"
    shutil.copyfile(demo_run.results, path)
    before = words_of(path)
    assert "25 of 77 decisions of the risk checks were refusals" in before
    change(
        path,
        "INSERT INTO internal.decisions BY NAME SELECT * REPLACE ("
        "'APPROVED' AS decision, '' AS reason, '' AS detail, seq + 1000 AS seq) "
        "FROM internal.decisions WHERE decision = 'DENIED' LIMIT 1",
    )
    assert "25 of 78 decisions of the risk checks were refusals" in words_of(path)
