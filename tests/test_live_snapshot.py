"""Snapshots of a flow: their numbers against Decimal by hand, and what becomes of a run."""

import json
import shutil
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from tapeflow.connectors.duckdb.endings import complete
from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.flight import endpoint_file
from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.duckdb.tables import RunInfo
from tapeflow.flows.live.cadence import REST, Cadence
from tapeflow.flows.live.limits import limits_used
from tapeflow.flows.live.metrics_page import scrape
from tapeflow.flows.live.positions import value_position
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.run.metrics_page import listen
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.quality import DeadLetter
from tapeflow.schemas.states import StateChange
from tests.test_order_states import STORY, states

S = 10**9
DAY = 86_400 * S
T0 = 1_700_000_000 * S // DAY * DAY  # a midnight, UTC


@pytest.fixture(scope="module")
def demo_copy(demo_run, tmp_path_factory):
    """The demo's results in a file that no other test has open."""
    path = tmp_path_factory.mktemp("live") / "results.duckdb"
    shutil.copyfile(demo_run.results, path)
    return path


@pytest.fixture(scope="module")
def snapshot(demo_copy):
    watch = LiveWatch(demo_copy)
    found = watch.refresh()
    watch.close()
    return found


@pytest.fixture(scope="module")
def facts(snapshot, demo_copy):
    """Rows of the demo, read without any of our queries."""
    with duckdb.connect(str(demo_copy), read_only=True) as con:
        yield lambda sql: con.execute(sql).fetchall()


def equity(seq, strategy, time_ns, value, **fields):
    zero = Decimal(0)
    return Equity(seq, "main", strategy, time_ns, zero, zero, zero, Decimal(value), zero, **fields)


def halt_change(scope="account:main", event="CHANGED", detail="", state="HALTED"):
    return StateChange(
        1, scope, T0, "x-0", 1, "ACTIVE", state, event, "rule", "DAILY_LOSS", "", "9", "5", detail
    )


@contextmanager
def written(folder, *facts, job="{}", command="replay"):
    """The part of a run in this process that has committed some facts, and its results."""
    results = folder / "results.duckdb"
    run = RunInfo("1", command, job, InstrumentTable.from_rows(()))
    paths = ResultPaths.for_stateless_run(results)
    part = ResultsSink(paths, run).build_part("r", "results", None)
    part.write_batch([facts])
    part.snapshot()
    part.paths = paths
    try:
        yield part, results
    finally:
        if endpoint_file(results).exists():
            part.close()


def end(part):
    part.close()
    complete(part.paths, keep=False)


def test_profit_of_accounts_is_that_of_the_last_samples(snapshot, facts):
    last = {}
    for account, strategy, seq, value, gross, fees in facts(
        "SELECT account, strategy, seq, equity, gross, fees FROM equity"
    ):
        if last.get((account, strategy), (-1,))[0] < seq:
            last[account, strategy] = (seq, value, gross, fees)
    sums = defaultdict(lambda: [Decimal(0)] * 3)
    for (account, _), (_, *values) in last.items():
        sums[account] = [a + b for a, b in zip(sums[account], values, strict=True)]
    found = {each.account: [each.equity, each.gross, each.fees] for each in snapshot.accounts}
    assert found == dict(sums)
    assert found


def test_positions_are_those_left_by_all_fills_at_the_last_close(snapshot, facts):
    held, cost = defaultdict(Decimal), defaultdict(Decimal)
    for strategy, instrument, side, size, price in facts(
        "SELECT strategy, instrument, side, size, price FROM fills ORDER BY seq"
    ):
        key, signed = (strategy, instrument), size if side == "BUY" else -size
        before = held[key]
        if before * signed < 0:  # a close, perhaps a flip: at most what is open leaves at its cost
            closing = min(abs(before), size)
            cost[key] -= cost[key] * closing / abs(before)
            signed_rest = signed + closing * (1 if signed < 0 else -1)
        else:
            signed_rest = signed
        cost[key] += signed_rest * price
        held[key] = before + signed
    closes = dict(facts("SELECT instrument, arg_max(close, close_time) FROM bars GROUP BY 1"))
    found = {(each.strategy, each.instrument): each for each in snapshot.positions}
    assert {key: each.quantity for key, each in found.items()} == {
        key: size for key, size in held.items() if size
    }
    for key, each in found.items():
        assert each.price == Decimal(repr(closes[key[1]]))
        assert abs(each.unrealized - (held[key] * each.price - cost[key])) < Decimal("1e-9")


def test_counts_and_latency_are_those_of_the_facts(snapshot, facts):
    counts = snapshot.counts
    for name, found in (
        ("bars", counts.bars), ("signals", counts.signals), ("orders", counts.orders),
        ("fills", counts.fills), ("dead_letters", counts.dead_letters),
        ("late_trades", counts.late_trades), ("decisions WHERE reason <> ''", counts.refusals),
    ):  # fmt: skip
        assert facts(f"SELECT count(*) FROM {name}")[0][0] == found > 0
    decided = dict(facts("SELECT id, epoch_ns(time) FROM orders"))
    waited = sorted(
        (filled - decided[order]) / 1e6
        for order, filled in facts("SELECT order_id, epoch_ns(log_time) FROM fills")
    )
    middle = len(waited) / 2
    median = (waited[int(middle - 0.5)] + waited[int(middle)]) / 2
    assert snapshot.latency.fills == len(waited)
    assert snapshot.latency.p50_ms == pytest.approx(median)
    assert waited[-2] <= snapshot.latency.p99_ms <= waited[-1]


def test_limits_are_those_of_the_last_decision_that_checked_them(snapshot, facts):
    last = {}
    for (checks,) in facts("SELECT checks FROM decisions ORDER BY time, seq"):
        for code, passed, observed, limit, scope in json.loads(checks):
            last[code, scope] = (Decimal(str(observed)), Decimal(str(limit)), passed)
    found = {
        (each.code, each.scope): (each.observed, each.limit, each.passed)
        for each in snapshot.limits
    }
    assert {code for code, _ in found} == {"GROSS_LIMIT", "POSITION_LIMIT", "RATE_LIMIT"}
    assert found == {key: last[key] for key in found}
    uses = [each.used for each in snapshot.limits]
    assert uses == sorted(uses, reverse=True)


def test_last_fills_and_refusals_are_the_newest(snapshot, facts):
    newest = facts("SELECT id FROM fills ORDER BY log_time DESC, seq DESC LIMIT 20")
    assert [each.id for each in snapshot.fills] == [id_ for (id_,) in newest]
    reasons = facts(
        "SELECT reason FROM decisions WHERE reason <> '' ORDER BY time DESC, seq DESC LIMIT 20"
    )
    assert [each.reason for each in snapshot.refusals] == [reason for (reason,) in reasons]


def test_partitions_of_a_finished_run_have_their_records_and_no_lag(snapshot, facts):
    records = dict(facts("SELECT partition, sum(records) FROM data_quality GROUP BY 1"))
    assert {each.name: each.records for each in snapshot.partitions} == records
    assert {(each.lag_s, each.rate, each.source) for each in snapshot.partitions} == {
        (None, None, "facts")
    }
    assert snapshot.run.state == "finished"
    assert not [alert for alert in snapshot.alerts if alert.code == "DEAD_LETTERS"]


def test_open_orders_are_those_of_the_view(tmp_path):
    with written(tmp_path, *STORY) as (_part, results):
        watch = LiveWatch(results)
        found = {
            each.order_id: (each.filled, each.leaves, each.phase)
            for each in watch.refresh().open_orders
        }
        end(_part)
    known = {name: row[:3] for name, row in states(results).items() if not row[3]}
    assert found == known
    assert {*found} == {"waits", "rests", "partly"}


@pytest.mark.parametrize("newest_ns", [T0, T0 + 1, T0 + 9, T0 + DAY, T0 + DAY + 1])
def test_profit_of_today_is_that_of_the_last_day_in_pnl_daily(tmp_path, newest_ns):
    """A sample at midnight is of the day that ends then."""
    samples = [
        (T0 - DAY, "7"), (T0 - 1, "10"), (T0, "11"), (T0 + 1, "12"), (T0 + 9, "13"),
        (T0 + DAY, "17"), (T0 + DAY + 1, "23"),
    ]  # fmt: skip
    known = [each for each in samples if each[0] <= newest_ns]
    expected = {T0: 4, T0 + 1: 1, T0 + 9: 2, T0 + DAY: 6, T0 + DAY + 1: 6}[newest_ns]
    other = equity(99, "b", newest_ns, "-2", unvalued="1 XYZ")
    samples = [equity(seq, "a", *each) for seq, each in enumerate(known)]
    with written(tmp_path, *samples, other) as (_, results):
        (account,) = LiveWatch(results).refresh().accounts
        (day,) = ResultsReader(results).rows(
            "SELECT sum(profit) AS profit FROM pnl_daily WHERE day = (SELECT max(day) FROM "
            "pnl_daily)"
        )
    assert account.equity == Decimal(known[-1][1]) - 2
    assert account.today == Decimal(day["profit"]) == expected - 2
    assert account.unvalued == "1 XYZ"


def test_a_halted_scope_and_new_dead_letters_are_alerts_while_a_run_goes_on(tmp_path):
    letter = DeadLetter("x-0", 1, T0, "no JSON", b"{", 1)
    with written(tmp_path, halt_change(), letter) as (_, results):
        found = LiveWatch(results).refresh()
    assert found.run.state == "running"
    assert found.source == "run"
    assert (found.alerts[0].code, found.alerts[0].severity) == ("HALTED", "critical")
    assert "account:main is HALTED since" in found.alerts[0].text


def test_only_the_last_state_of_a_scope_counts(tmp_path):
    active = StateChange(
        2, "account:main", T0 + 1, "x-0", 2, "HALTED", "ACTIVE", "CHANGED", "command", "c", "alice",
        "", "", "",
    )  # fmt: skip
    with written(tmp_path, halt_change(), active) as (_, results):
        found = LiveWatch(results).refresh()
    assert [(each.scope, each.state, each.by) for each in found.states] == [
        ("account:main", "ACTIVE", "alice")
    ]
    assert not found.alerts


def test_a_commit_that_is_late_is_an_alert(tmp_path):
    now = [0]
    with written(tmp_path, halt_change()) as (_, results):
        watch = LiveWatch(results, lambda: now[0])
        now[0] = watch.source.begin()["committed_ns"]
        assert not [each for each in watch.refresh().alerts if each.code == "COMMIT_AGE"]
        now[0] += 200 * S
        assert [each.text for each in watch.refresh().alerts if each.code == "COMMIT_AGE"] == [
            "no fact was committed for 200 s"
        ]


def test_a_run_is_followed_to_its_end(tmp_path):
    with written(tmp_path, equity(1, "a", T0, "5")) as (part, results):
        watch = LiveWatch(results)
        assert watch.refresh().run.state == "running"
        end(part)
        found = watch.refresh()
    assert (found.run.state, found.source) == ("finished", "file")
    assert "has finished at" in found.run.line
    assert found.accounts[0].equity == Decimal(5)


def test_a_run_that_was_killed_is_shown_as_it_was_last_read(tmp_path):
    with written(tmp_path, equity(1, "a", T0, "5")) as (part, results):
        watch = LiveWatch(results)
        watch.refresh()
        part.close()
        for path in tmp_path.glob("results.duckdb*"):
            path.unlink()
        found = watch.refresh()
        assert (found.run.state, found.source) == ("gone", "memory")
        assert found.accounts[0].equity == Decimal(5)
        assert [each.code for each in found.alerts] == ["GONE"]
        assert found.run.ended_ns is not None
        assert watch.refresh().run.ended_ns == found.run.ended_ns
    with written(tmp_path, equity(1, "a", T0, "6")) as (part, results):
        again = watch.refresh()
        assert (again.run.state, again.accounts[0].equity) == ("running", Decimal(6))


def test_a_partial_of_a_later_replay_is_shown_instead_of_the_file(tmp_path):
    with written(tmp_path, equity(1, "a", T0, "5")) as (part, results):
        end(part)
    with written(tmp_path, equity(1, "a", T0, "6")) as (part, results):
        part.close()
    found = LiveWatch(results).refresh()
    assert (found.run.state, found.accounts[0].equity) == ("gone", Decimal(6))


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    with written(tmp_path, equity(1, "a", T0, "5")) as (part, results):
        end(part)
    watch = LiveWatch(results)
    assert watch.refresh().accounts[0].equity == Decimal(5)
    with written(tmp_path, equity(1, "a", T0, "8")) as (part, results):
        end(part)
    assert watch.refresh().accounts[0].equity == Decimal(8)


def test_without_results_there_is_no_snapshot(tmp_path):
    with pytest.raises(TapeflowError, match="does not exist: run `tapeflow replay` first"):
        LiveWatch(tmp_path / "none.duckdb").refresh()


def test_a_part_rests_in_proportion_to_what_it_costs_and_says_its_age():
    clock, reads = [0.0], []

    def read(sql):
        reads.append(sql)
        clock[0] += 0.1
        return []

    cadence = Cadence(read, lambda: clock[0])
    for commit in range(100):
        cadence.begin(commit)
        cadence.get("part", "SELECT 1")
        clock[0] += 1.0
    assert len(reads) <= 1 + clock[0] / (REST * 0.1 - 1.0)
    assert len(reads) > 10
    assert cadence.ages_s()["part"] > 0
    cadence.begin(cadence.parts["part"].commit)
    assert cadence.ages_s() == {}


def test_what_was_read_of_a_commit_is_not_read_again():
    reads = []

    def read(sql):
        reads.append(sql)
        return []

    cadence = Cadence(read, lambda: float(len(reads)) * 1000)
    for _ in range(5):
        cadence.begin(7)
        cadence.get("part", "SELECT 1")
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("contract", "quantity", "cost", "close", "profit"),
    [
        ("linear", "-2", "-200", 90.0, "20"),
        ("inverse", "100", "-2", 40.0, "-0.5"),
        ("quanto", "3", "300", 110.0, "30"),
    ],
)
def test_positions_of_each_kind_of_contract_are_valued(contract, quantity, cost, close, profit):
    row = {
        "account": "m", "strategy": "s", "instrument": "i", "quantity": quantity, "cost": cost,
        "entry_price": "1", "realized": "0", "fees": "0", "currency": "", "unrealized": None,
        "mark": None, "mark_ns": None, "multiplier": "1", "contract": contract, "kind": "perp",
    }  # fmt: skip
    found = value_position(row, {"close": close, "close_ns": 5})
    assert found.unrealized == Decimal(profit)
    assert value_position(row, None).unrealized is None


def test_a_check_without_a_number_is_no_use_of_a_limit():
    checks = '[["GROSS_LIMIT", false, "unknown", "5", "account:a"], ["LOT", true, "1", "1", ""]]'
    for text in (checks, ""):
        assert limits_used([{"checks": text, "instrument": "i", "time_ns": 1}]) == []


def test_a_page_that_does_not_answer_is_no_error(tmp_path):
    assert scrape("http://127.0.0.1:1/metrics") is None
    job = json.dumps({"metrics": {"host": "127.0.0.1", "port": 1}})
    with written(tmp_path, halt_change(), job=job, command="run") as (_, results):
        found = LiveWatch(results).refresh()
    assert found.metrics == "http://127.0.0.1:1/metrics"
    assert any("metrics page does not answer" in note for note in found.notes)


class Pages:
    """What a run shows of two partitions at each scrape."""

    def __init__(self):
        self.records = 1000

    def collect(self):
        """Yield the families as flows/run/metrics.py does."""
        families: tuple[Any, ...] = (
            CounterMetricFamily("tapeflow_records", "r", labels=["partition"]),
            GaugeMetricFamily("tapeflow_log_time_seconds", "t", labels=["partition"]),
            GaugeMetricFamily("tapeflow_lag_seconds", "l", labels=["partition"]),
            GaugeMetricFamily("tapeflow_partition_behind_seconds", "b", labels=["partition"]),
        )
        for name, values in (("x-0", (self.records, 1e9, 0.5, 7.0)), ("x-1", (5, 1e9 + 3, 0.1, 0))):
            for family, value in zip(families, values, strict=True):
                family.add_metric([name], value)
        yield from families
        yield CounterMetricFamily("tapeflow_restarts", "n", 2)


def test_where_the_job_has_a_metrics_page_partitions_and_restarts_are_read_there(tmp_path):
    pages = Pages()
    server = listen("127.0.0.1", 0, pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    job = json.dumps({"metrics": {"host": "127.0.0.1", "port": server.server_port}})
    try:
        with written(tmp_path, halt_change(state="ACTIVE"), job=job, command="run") as (_, results):
            watch = LiveWatch(results)
            began = time.monotonic()
            watch.refresh()
            pages.records += 600
            time.sleep(0.2)
            found = watch.refresh()
            took = time.monotonic() - began
    finally:
        server.shutdown()
        server.server_close()
    first, second = found.partitions
    assert (first.name, first.records, first.source) == ("x-0", 1600, "metrics")
    assert 600 / took <= first.rate <= 600 / 0.2
    assert (first.lag_s, first.holds_s, first.behind_s) == (0.5, 7.0, 3.0)
    assert (second.rate, second.behind_s) == (0.0, 0.0)
    assert found.run.restarts == 2
    alerts = {each.code: each.text for each in found.alerts}
    assert alerts["STALLED"] == "x-0 has held the others for 7.0 s"
    assert alerts["RESTARTS"] == "processes failed and were started again: 2 times"
