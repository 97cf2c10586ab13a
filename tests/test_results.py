"""Results: every fact once, whatever is killed in between; readers see whole copies."""

import json
import threading
import time
from decimal import Decimal
from itertools import pairwise

import duckdb
import pytest

from tapeflow.connectors.duckdb import buffer as waiting_facts
from tapeflow.connectors.duckdb import file as duckdb_file
from tapeflow.connectors.duckdb import query as duckdb_query
from tapeflow.connectors.duckdb import sink as duckdb_results
from tapeflow.connectors.duckdb.async_writer import WAITING_MAX, packed
from tapeflow.connectors.duckdb.buffer import CHUNK_ROWS
from tapeflow.connectors.duckdb.file import ResultPaths, RunInfo
from tapeflow.connectors.duckdb.file import finalize as finish_files
from tapeflow.connectors.duckdb.flight import endpoint_file, query_running
from tapeflow.connectors.duckdb.sink import ROWS_MAX, ResultsSink
from tapeflow.engine.errors import CAPTURED, capture_close_errors
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.quality import Metric
from tapeflow.schemas.registry import BY_TYPE, FACT_TYPES, decode, encode, identity

RUN = RunInfo("1", "test", "{}", ())


def finalize(results):
    finish_files(ResultPaths.for_stateless_run(results), ended=True, keep=False)


def metric(n, value=1.0):
    return Metric("binance-0", "bars", n, value)


def values(path):
    with duckdb.connect(str(path), read_only=True) as con:
        return [
            row[0]
            for row in con.execute("SELECT epoch_ns(time) FROM metrics ORDER BY ALL").fetchall()
        ]


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results.duckdb"


def opened(results, state=None):
    return ResultsSink(ResultPaths.for_stateless_run(results), RUN).build_part(
        "results", "results", state
    )


def test_an_epoch_is_one_transaction(results):
    part = opened(results)
    part.write_batch(
        [
            (
                metric(1),
                metric(2),
            )
        ]
    )
    assert part.snapshot() == 1
    part.write_batch([(metric(3),)])
    assert part.snapshot() == 2
    assert part.snapshot() == 2  # nothing new, no new transaction
    part.close()
    finalize(results)
    assert values(results) == [1, 2, 3]
    assert not ResultPaths.for_stateless_run(results).work.exists()


def test_a_resume_takes_back_what_was_written_after_the_state(results):
    part = opened(results)
    part.write_batch([(metric(1),)])
    kept = part.snapshot()
    part.write_batch([(metric(2),)])
    part.snapshot()  # written, but the engine never kept this state
    part.live.close()
    part.con.close()
    again = opened(results, kept)
    again.write_batch([(metric(2),)])  # the log brings it again
    again.snapshot()
    again.close()
    finalize(results)
    assert values(results) == [1, 2]


def test_what_no_epoch_has_sealed_is_not_written(results):
    part = opened(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    part.write_batch([(metric(2),)])
    part.close()
    assert values(results) == [1]


def many(begin):
    """More facts than wait outside of DuckDB."""
    return [tuple(metric(n) for n in range(begin, begin + ROWS_MAX + 1))]


def test_an_epoch_of_many_facts_is_one_transaction_that_duckdb_holds(results):
    part = opened(results)
    part.write_batch([(metric(0),)])
    part.write_batch(many(1))
    assert part.waiting.rows == 0 and part.in_transaction
    assert part.con.cursor().execute("SELECT count(*) FROM metrics").fetchall() == [(0,)]
    part.write_batch([(metric(ROWS_MAX + 2),)])
    assert (part.snapshot(), part.snapshot()) == (1, 1)
    assert part.con.execute("SELECT DISTINCT _txn FROM metrics").fetchall() == [(1,)]
    part.close()
    assert values(results) == list(range(ROWS_MAX + 3))


def test_an_epoch_whose_facts_duckdb_holds_all_is_a_transaction_too(results):
    part = opened(results)
    part.write_batch(many(0))
    assert part.waiting.rows == 0
    kept = part.snapshot()
    part.close()
    again = opened(results, kept)
    again.write_batch([(metric(ROWS_MAX + 1),)])
    again.snapshot()
    again.close()
    assert values(results) == list(range(ROWS_MAX + 2))


def test_an_epoch_as_long_as_publishing_waits_is_published_each_time(results, monkeypatch):
    now = 0.0
    monkeypatch.setattr(duckdb_results, "monotonic", lambda: now)
    part = opened(results)
    for n in range(4):
        part.write_batch([(metric(n),)])
        now += duckdb_results.PUBLISH_EVERY_S + (0.01 if n % 2 else -0.01)
        part.snapshot()
        assert values(results) == list(range(n + 1))
    part.close()


def test_what_duckdb_holds_and_no_epoch_has_sealed_is_taken_back(results):
    part = opened(results)
    part.write_batch([(metric(0),)])
    kept = part.snapshot()
    part.write_batch(many(1))
    assert part.in_transaction
    part.close()
    assert values(results) == [0]
    again = opened(results, kept)
    again.write_batch(many(1))
    again.snapshot()
    again.close()
    assert values(results) == list(range(ROWS_MAX + 2))


def test_a_reader_opens_a_whole_copy_at_any_moment(results):
    part = opened(results)
    assert values(results) == []
    for n in range(20):
        part.write_batch([(metric(n),)])
        part.snapshot()
        part.publish()
        with duckdb.connect(str(results), read_only=True) as con:
            assert con.execute("SELECT count(*) FROM metrics").fetchone() == (n + 1,)


def test_an_open_reader_keeps_its_copy(results):
    part = opened(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    part.publish()
    reader = duckdb.connect(str(results), read_only=True)
    part.write_batch([(metric(2),)])
    part.snapshot()
    part.publish()
    assert reader.execute("SELECT count(*) FROM metrics").fetchone() == (1,)
    reader.close()


def test_money_is_stored_to_the_last_digit(results):
    part = opened(results)
    tiny, huge = Decimal("0.000000000001"), Decimal("12345678901234567890.123456789012")
    part.write_batch([(Equity(1, "main", "s", 5, tiny, huge, -tiny, -huge, Decimal(0)),)])
    part.snapshot()
    part.close()
    with duckdb.connect(str(results), read_only=True) as con:
        got = con.execute("SELECT realized, unrealized, fees, equity FROM equity").fetchone()
    assert got == (tiny, huge, -tiny, -huge)


def test_all_tables_of_the_design_are_there(results):
    opened(results).close()
    with duckdb.connect(str(results), read_only=True) as con:
        names = {row[0] for row in con.execute("SHOW TABLES").fetchall()}
    assert names >= {
        "instruments", "bars", "signals", "decisions", "orders", "fills", "positions", "equity",
        "metrics", "dead_letters", "data_quality", "runs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "cuts"), [(10, (1, 2, 5)), (3 * CHUNK_ROWS + 7, (CHUNK_ROWS - 1, CHUNK_ROWS, 900))]
)
def test_the_digest_does_not_see_how_facts_were_cut_into_epochs(tmp_path, facts, cuts):
    digests = []
    for cut in cuts:
        results = tmp_path / f"{cut}.duckdb"
        part = opened(results)
        for begin in range(0, facts, cut):
            part.write_batch([tuple(metric(n) for n in range(begin, min(begin + cut, facts)))])
            part.snapshot()
        part.close()
        assert values(results) == list(range(facts))
        digests.append(duckdb_query.digest(duckdb_query.digests(results)))
    assert len(set(digests)) == 1


def test_a_folder_that_cannot_be_written_is_a_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeflowError, match="file"):
        opened(tmp_path / "file" / "results.duckdb")


def test_every_fact_reads_back_from_its_json():
    fact = Equity(
        1, "main", "s", 5, Decimal("0.1"), Decimal("-2"), Decimal(0), Decimal("1E-8"), Decimal(3)
    )
    assert decode(BY_TYPE[Equity], encode(fact)) == fact
    assert b'"schema_version":2' in encode(fact)
    assert identity(fact) == "main/1"


def test_topics_and_tables_have_names_of_their_own():
    assert (
        len({topic.topic for topic in FACT_TYPES})
        == len({topic.table for topic in FACT_TYPES})
        == len(FACT_TYPES)
    )


def test_the_owner_answers_queries_while_it_runs(results):
    part = opened(results)
    part.write_batch(
        [
            (
                metric(1),
                metric(2),
            )
        ]
    )
    part.snapshot()  # sealed, not published yet
    assert values(results) == []
    answer = duckdb_query.query(results, "SELECT count(*) AS n, max(time) AS t FROM metrics")
    assert answer.rows == [(2, "1970-01-01 00:00:00.000000002")]
    with pytest.raises(TapeflowError, match="read-only"):
        duckdb_query.query(results, "DELETE FROM metrics")
    with pytest.raises(TapeflowError, match="nope does not exist"):
        duckdb_query.query(results, "SELECT * FROM nope")
    part.close()
    assert duckdb_query.query(results, "SELECT count(*) AS n FROM metrics").rows == [(2,)]


def test_nobody_without_the_token_is_answered(results):
    part = opened(results)
    path = endpoint_file(results)
    assert path.stat().st_mode & 0o077 == 0
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "token": "another"}))
    assert query_running(results, "SELECT 1") is None
    part.close()


def test_an_endpoint_left_behind_by_a_crash_holds_nobody_up(results):
    part = opened(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    told = endpoint_file(results).read_text()
    part.close()
    endpoint_file(results).write_text(told)  # as a killed run leaves it
    assert duckdb_query.query(results, "SELECT count(*) AS n FROM metrics").rows == [(1,)]


def test_publishing_takes_at_most_a_twentieth_of_the_time(results, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(duckdb_results, "monotonic", lambda: now[0])
    part = opened(results)
    published = []
    monkeypatch.setattr(
        duckdb_file,
        "publish",
        lambda *_: published.append(now[0]) or now.__setitem__(0, now[0] + 1.0),  # type: ignore
    )
    for n in range(200):
        part.write_batch([(metric(n),)])
        part.snapshot()
        now[0] += 0.5
    assert published[0] <= 100 + duckdb_results.PUBLISH_EVERY_S + 0.5
    gaps = [b - a for a, b in pairwise(published)]
    assert min(gaps) >= 20
    part.live.close()
    part.con.close()


def test_two_runs_never_make_the_same_results(results):
    second = duckdb_file.exclusive_lock(results)
    with (
        duckdb_file.exclusive_lock(results),
        pytest.raises(TapeflowError, match="being made by another run"),
    ):
        second.__enter__()
    with duckdb_file.exclusive_lock(results):
        pass


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT; DELETE FROM metrics; SELECT 1",
        "SET GLOBAL memory_limit = '1MB'",
        "ATTACH 'other.duckdb'",
        "COPY metrics TO 'file.csv'",
        "",
    ],
)
def test_a_query_can_only_ask_a_running_flow(results, sql):
    part = opened(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    with pytest.raises(TapeflowError, match="the query failed"):
        duckdb_query.query(results, sql)
    assert duckdb_query.query(results, "SELECT count(*) FROM metrics").rows == [(1,)]
    part.close()


def test_an_answer_too_large_for_the_flow_is_refused(results):
    part = opened(results)
    with pytest.raises(TapeflowError, match="more than 1,000,000 rows"):
        duckdb_query.query(results, "SELECT i FROM range(2000000) t(i)")
    part.close()


def test_a_failed_epoch_is_not_published_by_the_close_that_follows(results, monkeypatch):
    part = opened(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    part.write_batch([(metric(2),)])
    monkeypatch.setattr(waiting_facts, "to_record_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.snapshot()
    monkeypatch.setattr(duckdb_file, "publish", lambda *_: 1 / 0)
    part.close()  # raises nothing of its own


def live(results, state=None):
    return ResultsSink(ResultPaths.for_stateless_run(results), RUN, live=True).build_part(
        "r", "results", state
    )


def killed(part):
    """End without a word, as far as one thread can."""
    part.writer.close()
    part.live.close()
    part.con.close()


def test_a_live_run_writes_what_a_replay_does(results):
    part = live(results)
    for n in range(5):
        part.write_batch([(metric(n),)])
        part.snapshot()
    part.close()
    finalize(results)
    assert values(results) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
@pytest.mark.parametrize("again", [opened, live])
def test_what_was_not_committed_at_a_kill_is_written_from_the_state(results, written, again):
    part = live(results)
    disk = part.writer.write
    part.writer.write = lambda number, tables: disk(number, tables) if number <= written else None
    part.writer.kept = lambda: (0, [(e.number, packed(e.tables)) for e in part.writer.waiting])
    for n in (1, 2):
        part.write_batch([(metric(n),)])
        kept = part.snapshot()
    part.write_batch([(metric(3),)])
    part.snapshot()  # the engine never kept this state
    killed(part)
    after = again(results, kept)
    assert after.transaction == 2
    after.write_batch([(metric(3),)])  # the log brings it again
    after.snapshot()
    after.close()
    finalize(results)
    assert values(results) == [1, 2, 3]


def test_a_state_names_as_sealed_only_what_is_committed(results):
    part = live(results)
    disk, gate = part.writer.write, threading.Event()
    part.writer.write = lambda *epoch: (gate.wait(10), disk(*epoch))
    part.write_batch([(metric(1),)])
    sealed, waiting = part.snapshot()
    assert (sealed, [number for number, _ in waiting]) == (0, [1])
    gate.set()
    part.writer.drain()
    assert part.snapshot()[0] == 1
    part.close()


def test_a_live_run_whose_last_commit_fails_says_so_in_closing(results):
    """No snapshot comes after it: without a state, nothing else would ever tell."""

    def full(_number, _tables):
        gate.wait(10)
        raise TapeflowError("the disk is full")

    part, gate = live(results), threading.Event()
    part.writer.write = full
    part.write_batch([(metric(1),)])
    part.snapshot()
    gate.set()
    CAPTURED.clear()
    with pytest.raises(TapeflowError, match="the disk is full"):
        part.close()
    CAPTURED.clear()


def test_a_live_run_that_writes_much_waits_for_its_disk(results):
    part = live(results)
    part.write_batch([tuple(metric(n) for n in range(WAITING_MAX + 1))])
    assert part.snapshot() == (1, [])
    part.close()


def test_a_commit_that_failed_beside_the_flow_fails_it(results, monkeypatch):
    part = live(results)
    part.write_batch([(metric(1),)])
    monkeypatch.setattr(part, "_insert", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # at this snapshot, or one soon after
        for _ in range(1000):
            part.snapshot()
            time.sleep(0.01)
    monkeypatch.setattr(duckdb_file, "publish", lambda *_: 1 / 0)
    part.close()  # raises nothing of its own, publishes nothing


def test_a_failure_in_closing_is_raised_only_where_nothing_failed_before():
    def broken():
        raise TapeflowError("closing fails")

    CAPTURED.clear()
    with pytest.raises(TapeflowError):
        capture_close_errors(broken)()
    capture_close_errors(
        broken
    )()  # while the engine unwinds: a second panic would abort the process
    assert len(CAPTURED) == 2
    CAPTURED.clear()
