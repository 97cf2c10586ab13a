"""`tapeflow.open`: results of a file or a run as relations, and charts that load nothing."""

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from html import unescape

import duckdb
import pytest

import tapeflow
from tapeflow.connectors.duckdb.flight import QueryServer
from tapeflow.connectors.duckdb.query import digest, digests, query
from tapeflow.flows.notebook.results import Results
from tapeflow.flows.report.render import render
from tapeflow.flows.run.version import package_version
from tapeflow.schemas.errors import TapeflowError
from tests.running import ROOT

CHANGES = (
    "DELETE FROM fills", "INSERT INTO fills FROM fills", "UPDATE runs SET id = 1",
    "CREATE TABLE made AS SELECT 1", "DROP VIEW fills",
)  # fmt: skip
OUTSIDE = (
    "FROM read_text('/etc/hostname')", "FROM glob('/*')", "COPY fills TO 'copied.csv'",
    "ATTACH 'other.duckdb'", "FROM local_variable", "INSTALL httpfs", "SET threads = 1",
)  # fmt: skip
MANY_TYPES = """
SELECT 1::BIGINT AS n, 1.5::DOUBLE AS x, true AS yes, 12.340000000001::DECIMAL(38,12) AS money,
    make_timestamp_ns(1767225600123456789) AS time, 9::HUGEINT * 10 ** 0 AS power,
    sum(range) AS total, '\\x00\\xFFa'::BLOB AS bytes, [1, 2] AS list, {'a': 'it''s'} AS record,
    INTERVAL 90 MINUTES AS span, NULL::DECIMAL(38,12) AS none, 'ü "' AS "a ""name" FROM range(3)
"""


@pytest.fixture
def results(demo_run, tmp_path_factory):
    """A copy of the demo's results that may be replaced, and that nothing else has open."""
    return shutil.copy(demo_run.results, tmp_path_factory.mktemp("copy") / "results.duckdb")


@pytest.fixture
def opened(results):
    with tapeflow.open(results) as handle:
        yield handle


@pytest.fixture
def serving(results):
    """A run that answers for these results."""
    with duckdb.connect(str(results), read_only=True) as con:
        server = QueryServer(con, results)
        yield server
        if results.with_name(results.name + ".live").exists():
            server.close()


def test_every_table_and_view_is_an_attribute_and_an_item(opened, results):
    counts = query(results, "SELECT view_name FROM duckdb_views() WHERE NOT internal")
    names = {name for (name,) in counts.rows}
    assert {"fills", "bars", "order_states"} <= names <= set(dir(opened))
    listed = {name for name, _comment in opened.tables.fetchall()}
    assert names <= listed
    for name in sorted(listed):
        rows = opened[name].count("*").fetchall()
        assert rows == query(results, f'SELECT count(*) FROM "{name}"').rows, name
        assert getattr(opened, name).columns == opened[name].columns


def test_no_table_hides_behind_a_method(opened):
    assert not set(dir(Results)) & {name for name, _comment in opened.tables.fetchall()}


def test_tables_and_columns_come_with_their_comments(opened):
    comments = dict(opened.tables.fetchall())
    assert comments["fills"].startswith("An order, or a part of one, executed")
    columns = {name: (kind, comment) for name, kind, comment in opened.columns("fills").fetchall()}
    assert columns["price"][0] == "DECIMAL(38,12)"
    assert columns["order_id"][1] == "id of the order"


def test_pandas_polars_and_arrow_hold_what_the_query_prints(opened, results):
    sql = "SELECT id, price, epoch_ns(log_time) AS log_ns FROM fills ORDER BY id"
    expected = query(results, sql).rows
    rows = [(name, Decimal(price), log_ns) for name, price, log_ns in expected]
    relation = opened.sql(sql)
    assert relation.pl().rows() == rows
    assert [tuple(row.values()) for row in relation.to_arrow_table().to_pylist()] == rows
    frame = relation.df()
    assert list(frame["log_ns"]) == [row[2] for row in rows]
    assert list(frame["price"]) == [float(row[1]) for row in rows]


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(opened):
    with pytest.raises(AttributeError, match=r"holds no table 'fils': is it fills\?"):
        _ = opened.fils
    with pytest.raises(TapeflowError, match=r"no table 'xyz': see results\.tables"):
        _ = opened["xyz"]
    assert not hasattr(opened, "_ipython_canary_method_should_not_exist_")


@pytest.mark.parametrize("sql", CHANGES)
def test_nothing_can_be_changed(results, sql):
    before = results.read_bytes()
    with tapeflow.open(results) as handle, pytest.raises(TapeflowError, match="the query failed"):
        handle.sql(sql)
    assert results.read_bytes() == before


@pytest.mark.parametrize("sql", OUTSIDE)
def test_nothing_outside_can_be_read_or_written(opened, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    local_variable = opened.fills.to_arrow_table()
    with pytest.raises(TapeflowError, match="the query failed"):
        opened.sql(sql)
    assert len(local_variable) > 0
    assert os.listdir(tmp_path) == []


def test_results_that_are_replaced_are_seen_by_the_next_opening(results, tmp_path):
    before = tapeflow.open(results)
    changed = shutil.copy(results, tmp_path / "changed.duckdb")
    with duckdb.connect(str(changed)) as con:
        con.execute("CREATE TABLE later AS SELECT 1")
    os.replace(changed, results)
    with before, tapeflow.open(results) as after:
        assert "later" in dir(after)
        assert "later" not in dir(before)
        assert before.fills.fetchall() == after.fills.fetchall()


def test_a_handle_says_which_results_it_shows(opened, results):
    fills = opened.fills.count("*").fetchall()[0][0]
    assert repr(opened) == (
        f"<results {results}: bars from 2026-01-05 09:00:00 to 2026-01-05 09:05:00, "
        f"{fills} fills; test>"
    )
    assert opened.digest() == digest(digests(results))


def test_a_handle_says_that_another_version_made_the_results(results):
    with duckdb.connect(str(results)) as con:
        con.execute("UPDATE runs SET version = '0.1-old'")
    with tapeflow.open(results) as handle:
        assert f"made by version 0.1-old, this is {package_version()}" in repr(handle)


def test_a_partial_file_is_opened_and_says_so(results):
    partial = results.rename(results.with_name(results.name + ".partial"))
    with duckdb.connect(str(partial)) as con:
        con.execute("UPDATE runs SET finished = NULL, stopped = now()::TIMESTAMP")
    with pytest.raises(TapeflowError, match=re.escape(str(partial))):
        tapeflow.open(results)
    with tapeflow.open(partial) as handle:
        assert "unfinished: the test started" in repr(handle)
        assert handle.fills.count("*").fetchall()[0][0] > 0


def test_what_holds_no_results_is_refused_in_a_line(tmp_path):
    with pytest.raises(TapeflowError, match="does not exist: run `tapeflow replay` first"):
        tapeflow.open(tmp_path / "none.duckdb")
    with pytest.raises(TapeflowError, match="is a folder"):
        tapeflow.open(tmp_path)
    (tmp_path / "text").write_text("no database " * 1000)
    with pytest.raises(TapeflowError, match=r"cannot be opened: .* not a valid DuckDB"):
        tapeflow.open(tmp_path / "text")
    with duckdb.connect(str(tmp_path / "other.duckdb")) as con:
        con.execute("CREATE TABLE fills AS SELECT 1 AS a")
    with pytest.raises(TapeflowError, match="holds no results of Tapeflow"):
        tapeflow.open(tmp_path / "other.duckdb")


# --- of a run that goes on ----------------------------------------------------------------


def test_a_run_answers_with_the_types_and_values_of_its_file(serving, results):
    with tapeflow.open(results) as running, tapeflow.open(unserved_copy(results)) as file:
        assert running.is_running and not file.is_running
        assert "the test that makes them is running" in repr(running)
        assert running.tables.fetchall() == file.tables.fetchall()
        for name in [name for name, _comment in file.tables.fetchall()]:
            assert running[name].columns == file[name].columns
            assert running[name].types == file[name].types, name
            expected = sorted(map(repr, file[name].fetchall()))
            assert sorted(map(repr, running[name].fetchall())) == expected, name


def test_every_type_of_value_passes_through_a_run(serving, results):
    with tapeflow.open(results) as running, tapeflow.open(unserved_copy(results)) as file:
        assert running.sql(MANY_TYPES).fetchall() == file.sql(MANY_TYPES).fetchall()
        assert running.sql(MANY_TYPES).types == file.sql(MANY_TYPES).types


def test_charts_of_a_run_are_those_of_its_file(serving, results):
    with tapeflow.open(results) as running, tapeflow.open(unserved_copy(results)) as file:
        assert running.equity_chart() == file.equity_chart()


def test_a_handle_goes_on_with_the_file_when_the_run_has_ended(serving, results, demo_run):
    with tapeflow.open(results) as handle:
        before = handle.fills.fetchall()
        with pytest.raises(TapeflowError, match="stop it first"):
            handle.digest()
        serving.close()
        assert handle.fills.fetchall() == before
        assert not handle.is_running
        assert handle.digest() == demo_run.digest


def unserved_copy(results):
    """A copy of the file that no run answers for."""
    return shutil.copy(results, results.with_name("copy.duckdb"))


def test_a_run_that_was_killed_leaves_its_file_to_be_opened(results):
    live = results.with_name(results.name + ".live")
    live.write_text('{"port": 1, "token": "gone"}')
    with tapeflow.open(results) as handle:
        assert not handle.is_running
        assert handle.fills.count("*").fetchall()[0][0] > 0


# --- charts -------------------------------------------------------------------------------


def pages(handle):
    return [handle.equity_chart(), handle.candles("BTC-USDT.BINANCE"), handle.report()]


def test_charts_are_frames_that_hold_the_whole_page(opened, tmp_path):
    for page in pages(opened):
        shown = page._repr_html_()
        (held,) = re.findall(r' srcdoc="([^"]*)"', shown)
        assert unescape(held) == page.html
        assert 'sandbox="allow-scripts"' in shown
        assert page.save(tmp_path / "page.html").read_text() == page.html
        assert "default-src 'none'" in page.html


def test_candles_are_of_the_instruments_that_were_named(opened):
    html = opened.candles("BTC-USDT.BINANCE", "ETH-USDT.BINANCE").html
    drawn = set(re.findall(r'data-name="([^"]+)"', html))
    assert drawn == {"BTC-USDT.BINANCE", "ETH-USDT.BINANCE"}
    with pytest.raises(TapeflowError, match=r"BTC has no bars; those with bars: ADA-USD\.COINBASE"):
        opened.candles("BTC")


def test_the_report_is_the_one_of_the_command(opened, results):
    assert opened.report().html == render(results)


def test_importing_tapeflow_imports_neither_duckdb_nor_arrow():
    code = "import sys, tapeflow; tapeflow.open; print({'duckdb', 'pyarrow', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"set()\n"
