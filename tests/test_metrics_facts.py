"""Metrics of facts: what a scrape shows is what the tables hold, however often it is read."""

import json
import math
import os
import shutil
import threading
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.duckdb.query import query
from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.job import settings as job_settings
from tapeflow.flows.run import metrics_facts, metrics_queries
from tapeflow.flows.run.metrics import RunMetrics
from tapeflow.flows.run.metrics_facts import FactMetrics
from tapeflow.flows.run.metrics_limits import drawdown_families
from tapeflow.flows.run.metrics_queries import BUCKETS_S
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.process_usage import ProcessUsage
from tapeflow.flows.run.topic_partition import TopicPartition
from tests.explaining import JOBS
from tests.running import ROOT, job_of


def samples_of(metrics):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


class Answer(NamedTuple):
    """The rows of a query."""

    rows: list


class Results(NamedTuple):
    """A file of results that nobody else has open."""

    results: Path


@pytest.fixture(scope="module")
def demo_copy(demo_run, tmp_path_factory):
    """A copy of the demo's results."""
    return Results(Path(shutil.copy(demo_run.results, tmp_path_factory.mktemp("copy"))))


@pytest.fixture(scope="module")
def demo_job():
    return job_settings.load(JOBS / "demo.toml", {})


def facts_of(demo_copy, job, monkeypatch, read=query):
    """The metrics of the demo's results, read as from a run."""
    plan = Plan(command="run", log={}, job=job, results=demo_copy.results)
    monkeypatch.setattr(metrics_facts, "query_running", read)
    return FactMetrics(plan)


@pytest.fixture
def shown(demo_copy, demo_job, monkeypatch):
    return samples_of(facts_of(demo_copy, demo_job, monkeypatch))


def value(con, sql):
    return con.execute(sql).fetchall()[0][0]


def test_counts_and_newest_values_are_those_of_the_tables(demo_copy, shown):
    with duckdb.connect(str(demo_copy.results), read_only=True) as con:
        for table in ("bars", "signals", "orders", "fills", "late_trades", "dead_letters", "gaps"):
            assert shown[f"tapeflow_{table}_total",] == value(con, f"SELECT count(*) FROM {table}")
        rows = con.execute(
            "SELECT account, strategy, instrument, quantity, seq FROM positions"
        ).fetchall()
        newest = {row[:3]: row[3] for row in sorted(rows, key=lambda row: row[4])}
        assert len(newest) > 3
        for key, quantity in newest.items():
            assert shown["tapeflow_position_size", *key] == float(quantity)
        rows = con.execute("SELECT account, strategy, equity, gross, seq FROM equity").fetchall()
        for account, strategy, equity, gross, _ in sorted(rows, key=lambda row: row[4]):
            last = account, strategy, equity, gross
        assert shown["tapeflow_equity", last[0], last[1]] == float(last[2])
        assert shown["tapeflow_gross_exposure", last[0], last[1]] == float(last[3])
        reasons = con.execute("SELECT reason FROM decisions WHERE decision = 'DENIED'").fetchall()
    counted = defaultdict(int)
    for (reason,) in reasons:
        counted[reason] += 1
    assert counted == {
        key[1]: number for key, number in shown.items() if key[0] == "tapeflow_refusals_total"
    }


def test_latency_is_the_time_from_each_decision_to_its_fills(demo_copy, shown):
    with duckdb.connect(str(demo_copy.results), read_only=True) as con:
        orders = dict(con.execute("SELECT id, epoch_ns(time) FROM orders").fetchall())
        fills = con.execute("SELECT order_id, epoch_ns(log_time) FROM fills").fetchall()
    waits = [(filled - orders[order]) / 1e9 for order, filled in fills]
    assert len(waits) > 10
    name = "tapeflow_order_latency_seconds"
    for limit in BUCKETS_S:
        expected = sum(wait <= limit for wait in waits)
        assert shown[f"{name}_bucket", "main", str(limit)] == expected
    assert shown[f"{name}_bucket", "main", "+Inf"] == shown[f"{name}_count", "main"] == len(waits)
    assert math.isclose(shown[f"{name}_sum", "main"], sum(waits))


def test_limits_are_those_of_the_newest_decision_that_met_them(demo_copy, shown):
    with duckdb.connect(str(demo_copy.results), read_only=True) as con:
        rows = con.execute("SELECT checks FROM decisions ORDER BY seq").fetchall()
    newest = {
        (scope, code): (float(observed), float(limit))
        for (text,) in rows
        for code, _, observed, limit, scope in json.loads(text)
        if scope
    }
    assert ("account:main", "GROSS_LIMIT") in newest
    for key, (observed, limit) in newest.items():
        assert shown["tapeflow_limit_observed", *key] == observed
        assert shown["tapeflow_limit_value", *key] == limit


def test_open_orders_are_those_that_are_not_done(demo_copy, shown):
    with duckdb.connect(str(demo_copy.results), read_only=True) as con:
        sql = "SELECT strategy, count(*) FROM order_states WHERE phase <> 'DONE' GROUP BY ALL"
        alive = dict(con.execute(sql).fetchall())
    for strategy in ("trend", "reversion"):
        assert shown["tapeflow_open_orders", "main", strategy] == alive.get(strategy, 0)


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, 260), max_size=4), chunk=st.integers(20, 300))
def test_many_scrapes_add_up_to_what_one_would_show(demo_copy, cuts, chunk):
    """Read a growing copy of the results: the facts up to a number, then up to the next."""
    job = job_settings.load(JOBS / "demo.toml", {})
    whole = value_of_growth(demo_copy, job, [10**9])
    assert value_of_growth(demo_copy, job, [*sorted(cuts), 10**9], chunk) == whole


def value_of_growth(demo_copy, job, cuts, chunk=50_000):
    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(metrics_facts, "CHUNK", chunk)
        monkey.setattr(metrics_queries, "CHUNK", chunk)
        monkey.setattr(metrics_facts, "READ_S", 60.0)
        return read_growth(demo_copy, job, cuts, monkey)


def read_growth(demo_copy, job, cuts, monkey):
    plan = Plan(command="run", log={}, job=job, results=demo_copy.results)
    facts = FactMetrics(plan)
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{demo_copy.results}' AS r (READ_ONLY)")
        for cut in cuts:
            grow(con, cut)
            monkey.setattr(
                metrics_facts, "query_running", lambda _, sql: Answer(con.execute(sql).fetchall())
            )
            facts.read()
            assert not facts.catching_up
    facts.read, facts.read_at = lambda: None, None
    return {key: round(number, 6) for key, number in samples_of(facts).items()}


def test_no_part_of_a_sample_is_an_equity_wherever_a_chunk_ends(demo_copy, demo_job, monkeypatch):
    """Two strategies that gain and lose ever more: a part of a late sample is above all wholes."""
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{demo_copy.results}' AS r (READ_ONLY)")
        grow(con, 10**9)
        con.execute(
            "CREATE OR REPLACE VIEW equity AS SELECT * REPLACE "
            "(CASE strategy WHEN 'reversion' THEN seq ELSE -seq END AS equity) FROM r.equity"
        )
        totals = defaultdict(int)
        for time_ns, each in con.execute("SELECT epoch_ns(time), equity FROM equity").fetchall():
            totals[time_ns] += each
        highest = max(0, *totals.values())  # equity starts at 0
        last = totals[max(totals)]
        for chunk in range(70, 90):
            for module in (metrics_facts, metrics_queries):
                monkeypatch.setattr(module, "CHUNK", chunk)
            monkeypatch.setattr(metrics_facts, "READ_S", 60.0)
            facts = facts_of(
                demo_copy, demo_job, monkeypatch,
                lambda _, sql: Answer(con.execute(sql).fetchall()),
            )  # fmt: skip
            facts.read()
            assert facts.gauges["equity_high"]["main",] == highest
            assert facts.gauges["equity_now"]["main",] == last


def grow(con, cut):
    """Show the facts of an account up to a number, and the order events of these."""
    for table in ("decisions", "orders", "positions", "equity", "fills"):
        con.execute(f"CREATE OR REPLACE VIEW {table} AS FROM r.{table} WHERE seq <= {cut}")
    con.execute("CREATE OR REPLACE VIEW order_events AS FROM r.order_events "
                "WHERE order_id IN (SELECT id FROM orders) AND seq <= "
                f"(SELECT coalesce(min(seq), 10**9) FROM r.order_events WHERE order_id IN (SELECT id FROM r.orders WHERE seq > {cut})) - 1")  # fmt: skip
    for table in ("bars", "signals", "late_trades", "dead_letters", "gaps", "states", "runs"):
        con.execute(f"CREATE OR REPLACE VIEW {table} AS FROM r.{table}")


def test_values_stay_while_nobody_answers_and_their_age_is_shown(demo_copy, demo_job, monkeypatch):
    facts = facts_of(demo_copy, demo_job, monkeypatch)
    before = samples_of(facts)
    monkeypatch.setattr(metrics_facts, "query_running", lambda *_: None)
    time.sleep(0.01)
    assert samples_of(facts) == before
    assert 0 < time.time() - before["tapeflow_facts_read_timestamp_seconds",] < 60


def test_scrapes_at_the_same_time_count_nothing_twice(demo_copy, demo_job, monkeypatch, shown):
    def read_slowly(results, sql):
        time.sleep(0.05)
        return query(results, sql)

    facts = facts_of(demo_copy, demo_job, monkeypatch, read_slowly)
    threads = [threading.Thread(target=samples_of, args=(facts,)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ages = {("tapeflow_facts_read_timestamp_seconds",)}
    found = samples_of(facts)
    assert {key: found[key] for key in found.keys() - ages} == {
        key: shown[key] for key in shown.keys() - ages
    }


def test_every_scope_of_the_job_has_one_state_and_a_row_of_states_changes_it(
    demo_copy, demo_job, monkeypatch
):
    facts = facts_of(demo_copy, demo_job, monkeypatch)
    facts.apply([("state", "account:main", "HALTED", "", 0.0, -1)])
    shown = samples_of(facts)
    states = defaultdict(dict)
    for (name, *labels), number in shown.items():
        if name == "tapeflow_trading_state":
            states[labels[0]][labels[1]] = number
    assert {"portfolio", "account:main", "strategy:trend", "strategy:reversion"} == states.keys()
    assert all(sum(each.values()) == 1 for each in states.values())
    assert states["account:main"]["HALTED"] == 1
    assert states["portfolio"]["ACTIVE"] == 1


@settings(deadline=None)
@given(st.lists(st.integers(-900, 10**6), min_size=1, max_size=20), st.integers(1000, 10**6))
def test_drawdown_is_the_fall_from_the_highest_equity_by_that(course, capital):
    job = job_of()
    account = job.accounts[0].model_copy(update={"capital": Decimal(capital)})
    job = job.model_copy(update={"accounts": (account,)})
    key = (account.name,)
    drawdown, _ = drawdown_families(job, {key: float(max(course))}, {key: float(course[-1])})
    (sample,) = drawdown.samples
    peak = max(capital, *(capital + each for each in course))
    assert math.isclose(sample.value, (peak - capital - course[-1]) / peak, abs_tol=1e-12)


def test_usage_of_processes_is_that_of_the_system_and_adds_up_over_restarts():
    usage = ProcessUsage()
    began = sum(os.times()[:2])
    while sum(os.times()[:2]) < began + 0.05:
        pass
    shown = samples_of_usage(usage, ())
    assert math.isclose(
        shown["tapeflow_process_cpu_seconds_total", "0"], sum(os.times()[:2]), abs_tol=0.5
    )
    assert shown["tapeflow_process_resident_memory_bytes", "0"] > 10 << 20
    usage.cpu_s["0"] = {1: 7.0}  # of a process that has ended
    again = samples_of_usage(usage, (os.getpid(), 2**22 + 1))
    assert again["tapeflow_process_cpu_seconds_total", "0"] > 7
    assert ("tapeflow_process_resident_memory_bytes", "1") not in again, "there is none"


def samples_of_usage(usage, pids):
    return {
        (s.name, *s.labels.values()): s.value
        for family in usage.collect(pids)
        for s in family.samples
    }


def test_the_documents_name_every_metric(demo_copy, demo_job, monkeypatch, tmp_path):
    log = {"a-0": TopicPartition("raw.a", 0, None)}
    plan = Plan(command="run", log=log, job=demo_job, results=demo_copy.results, state=tmp_path)
    monkeypatch.setattr(metrics_facts, "query_running", query)
    progress = Progress(("a-0",), 10**9)
    progress.update("a-0", 10**9, 1)
    progress.set_extent("a-0", 1, 2)
    metrics = RunMetrics(plan)
    metrics.alerts = lambda: iter(
        [(f"alerts_{name}", "", 0.0) for name in ("sent", "failed", "dropped")]
    )
    metrics.watch(plan, progress)
    names = {sample.name for family in metrics.collect() for sample in family.samples}
    text = (ROOT / "docs" / "running.md").read_text()
    assert len(names) >= 35
    bases = {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in names
    }
    assert [name for name in bases if name not in text] == []
