"""Results: every fact exactly once, after any kill; readers see whole copies."""

import json
import threading
import time
from decimal import Decimal
from itertools import pairwise

import duckdb
import pytest

from tapeflow.connectors.duckdb import buffer, publisher, sink
from tapeflow.connectors.duckdb.async_writer import PENDING_ROWS_MAX, to_ipc
from tapeflow.connectors.duckdb.buffer import CHUNK_ROWS, FEW_ROWS
from tapeflow.connectors.duckdb.endings import complete
from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.flight import endpoint_file, query_running
from tapeflow.connectors.duckdb.lock import exclusive_lock
from tapeflow.connectors.duckdb.publisher import PUBLISH_EVERY_S
from tapeflow.connectors.duckdb.query import digest, digests, query
from tapeflow.connectors.duckdb.sink import BUFFER_ROWS_MAX, ResultsSink
from tapeflow.connectors.duckdb.tables import RunInfo
from tapeflow.engine.errors import CAPTURED, capture_close_errors
from tapeflow.engine.threads import PeriodicThread
from tapeflow.schemas.accounts import Equity
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.quality import DeadLetter, LateTrade, Metric
from tapeflow.schemas.registry import BY_TYPE, FACT_TYPES, decode, encode, identity
from tapeflow.schemas.sides import BUY

RUN = RunInfo("1", "test", "{}", InstrumentTable.from_rows(()))


def finish(results):
    complete(ResultPaths.for_stateless_run(results), keep=False)


def work_of(results):
    """Return the file in which a replay makes its results."""
    return ResultPaths.for_stateless_run(results).work


def metric(n, value=1.0):
    return Metric("binance-0", "bars", n, value)


def late_trade(n):
    return LateTrade("A.X", "x-0", n, n, n, n, BUY, 1.0, 1.0)


def read_metrics(path):
    with duckdb.connect(str(path), read_only=True) as con:
        return [
            row[0]
            for row in con.execute("SELECT epoch_ns(time) FROM metrics ORDER BY ALL").fetchall()
        ]


def state_of(transaction):
    """Return the sink's state with everything up to a transaction committed."""
    return ResultsSink.VERSION, transaction, []


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results.duckdb"


def open_part(results, state=None):
    return ResultsSink(ResultPaths.for_stateless_run(results), RUN).build_part(
        "results", "results", state
    )


def test_an_epoch_is_one_transaction(results):
    part = open_part(results)
    part.write_batch(
        [
            (
                metric(1),
                metric(2),
            )
        ]
    )
    assert part.snapshot() == state_of(1)
    part.write_batch([(metric(3),)])
    assert part.snapshot() == state_of(2)
    assert part.snapshot() == state_of(2)  # nothing new, no new transaction
    part.close()
    finish(results)
    assert read_metrics(results) == [1, 2, 3]
    assert not ResultPaths.for_stateless_run(results).work.exists()


def test_a_resume_deletes_what_was_written_after_the_state(results):
    part = open_part(results)
    part.write_batch([(metric(1),)])
    state = part.snapshot()
    part.write_batch([(metric(2),)])
    part.snapshot()  # written, but the engine did not store this state
    part.query_server.close()
    part.con.close()
    again = open_part(results, state)
    again.write_batch([(metric(2),)])  # the log brings it again
    again.snapshot()
    again.close()
    finish(results)
    assert read_metrics(results) == [1, 2]


def test_facts_of_an_unfinished_epoch_are_not_committed(results):
    part = open_part(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    part.write_batch([(metric(2),)])
    part.close()
    assert read_metrics(work_of(results)) == [1]


def test_a_state_of_another_version_is_refused(results):
    open_part(results).close()
    with pytest.raises(TapeflowError, match=r"state is of version 9, this is \d+: start with") as e:
        open_part(results, (9, 0, []))
    assert "\n" not in str(e.value)
    CAPTURED.clear()


def many(begin):
    """Return more facts than are buffered outside of DuckDB."""
    return [tuple(metric(n) for n in range(begin, begin + BUFFER_ROWS_MAX + 1))]


def test_an_epoch_of_many_facts_is_one_open_transaction_in_duckdb(results):
    part = open_part(results)
    part.write_batch([(metric(0),)])
    part.write_batch(many(1))
    assert part.buffer.rows == 0 and part.in_transaction
    assert part.con.cursor().execute("SELECT count(*) FROM metrics").fetchall() == [(0,)]
    part.write_batch([(metric(BUFFER_ROWS_MAX + 2),)])
    assert (part.snapshot(), part.snapshot()) == (state_of(1), state_of(1))
    assert part.con.execute("SELECT DISTINCT _txn FROM internal.metrics").fetchall() == [(1,)]
    part.close()
    assert read_metrics(work_of(results)) == list(range(BUFFER_ROWS_MAX + 3))


def test_facts_of_a_type_with_few_wait_for_the_end_of_their_epoch(results):
    part = open_part(results)
    dead = DeadLetter("x-0", 1, 1, "no JSON", b"frame", 5)
    late = [late_trade(number) for number in range(FEW_ROWS - 1)]
    part.write_batch([(dead, *late)])
    part.write_batch(many(0))
    assert {kind: len(facts) for kind, facts in part.buffer.facts.items()} == {
        LateTrade: (FEW_ROWS - 1) % CHUNK_ROWS
    }
    assert part.buffer.rows == FEW_ROWS - 1
    part.write_batch([(late_trade(FEW_ROWS - 1),)])  # now they are no few any more
    part.write_batch(many(BUFFER_ROWS_MAX + 1))
    assert part.buffer.rows == 0
    part.write_batch([(late_trade(FEW_ROWS),)])
    part.snapshot()
    part.close()
    with duckdb.connect(work_of(results), read_only=True) as con:
        order = con.execute('SELECT "offset" FROM internal.late_trades ORDER BY rowid').fetchall()
        assert order == [(number,) for number in range(FEW_ROWS + 1)]
        assert con.execute("SELECT count(*) FROM dead_letters").fetchall() == [(1,)]
    assert read_metrics(work_of(results)) == list(range(2 * BUFFER_ROWS_MAX + 2))


def test_an_epoch_with_an_empty_buffer_may_still_be_a_transaction(results):
    part = open_part(results)
    part.write_batch(many(0))
    assert part.buffer.rows == 0
    state = part.snapshot()
    part.close()
    again = open_part(results, state)
    again.write_batch([(metric(BUFFER_ROWS_MAX + 1),)])
    again.snapshot()
    again.close()
    assert read_metrics(work_of(results)) == list(range(BUFFER_ROWS_MAX + 2))


def commit(part, *facts):
    """Write an epoch of a live run, and wait for its commit."""
    part.write_batch([facts])
    part.snapshot()
    part.writer.wait_until_written()


def look(part):
    """Let the clock of a live run look whether to publish."""
    part.writer.run(part.publisher.publish_when_due).result()


@pytest.fixture
def clock(monkeypatch):
    """A time that only tests change, seen by looks that only tests cause."""
    now = [100.0]
    monkeypatch.setattr(publisher, "monotonic", lambda: now[0])
    monkeypatch.setattr(publisher, "LOOK_S", 1.0)
    monkeypatch.setattr(PeriodicThread, "_run", lambda _self: None)
    return now


def test_a_live_run_publishes_every_five_seconds(results, clock):
    part = open_live_part(results)
    for n in range(4):
        commit(part, metric(n))
        clock[0] += PUBLISH_EVERY_S - 1.5
        look(part)
        assert read_metrics(results) == list(range(n)), "not yet"
        clock[0] += 1.5
        look(part)
        assert read_metrics(results) == list(range(n + 1))
    part.close()


def test_what_a_live_run_has_committed_is_published_when_nothing_more_comes(results, monkeypatch):
    """Without input the engine takes no snapshot: a clock publishes, not the next epoch."""
    monkeypatch.setattr(publisher, "LOOK_S", 0.05)
    monkeypatch.setattr(publisher, "PUBLISH_EVERY_S", 0.2)
    part = open_live_part(results)
    assert read_metrics(results) == []
    commit(part, metric(1))
    deadline = time.monotonic() + 5
    while read_metrics(results) != [1]:
        assert time.monotonic() < deadline, "never published"
        time.sleep(0.05)
    part.close()


def test_a_failure_to_publish_fails_the_next_epoch(results, clock, monkeypatch):
    part = open_live_part(results)
    commit(part, metric(1))
    monkeypatch.setattr(publisher, "publish", lambda *_: 1 / 0)
    clock[0] += PUBLISH_EVERY_S
    with pytest.raises(ZeroDivisionError):
        look(part)
    part.write_batch([(metric(2),)])
    with pytest.raises(ZeroDivisionError):
        for _ in range(1000):
            part.snapshot()
            time.sleep(0.01)
    part.close()
    CAPTURED.clear()


def test_a_replay_publishes_nothing_while_it_runs(results):
    part = open_part(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    assert not results.exists()
    part.close()
    assert not results.exists()
    finish(results)
    assert read_metrics(results) == [1]
    assert not work_of(results).exists()


def test_an_open_transaction_is_rolled_back_at_close(results):
    part = open_part(results)
    part.write_batch([(metric(0),)])
    state = part.snapshot()
    part.write_batch(many(1))
    assert part.in_transaction
    part.close()
    assert read_metrics(work_of(results)) == [0]
    again = open_part(results, state)
    again.write_batch(many(1))
    again.snapshot()
    again.close()
    assert read_metrics(work_of(results)) == list(range(BUFFER_ROWS_MAX + 2))


def test_a_reader_can_open_a_whole_copy_at_any_moment(results):
    part = open_live_part(results)
    assert read_metrics(results) == []
    for n in range(20):
        commit(part, metric(n))
        part.publisher.publish()
        with duckdb.connect(str(results), read_only=True) as con:
            assert con.execute("SELECT count(*) FROM metrics").fetchall() == [(n + 1,)]
    part.close()


def test_an_open_reader_keeps_its_copy(results):
    part = open_live_part(results)
    commit(part, metric(1))
    part.publisher.publish()
    reader = duckdb.connect(str(results), read_only=True)
    commit(part, metric(2))
    part.publisher.publish()
    assert reader.execute("SELECT count(*) FROM metrics").fetchall() == [(1,)]
    reader.close()
    part.close()


def test_money_is_stored_to_the_last_digit(results):
    part = open_part(results)
    tiny, huge = Decimal("0.000000000001"), Decimal("12345678901234567890.123456789012")
    part.write_batch([(Equity(1, "main", "s", 5, tiny, huge, -tiny, -huge, Decimal(0)),)])
    part.snapshot()
    part.close()
    with duckdb.connect(str(work_of(results)), read_only=True) as con:
        got = con.execute("SELECT realized, unrealized, fees, equity FROM equity").fetchone()
    assert got == (tiny, huge, -tiny, -huge)


def test_all_tables_of_the_design_are_there(results):
    open_part(results).close()
    with duckdb.connect(str(work_of(results)), read_only=True) as con:
        names = {row[0] for row in con.execute("SHOW TABLES").fetchall()}
    assert names >= {
        "instruments", "bars", "signals", "decisions", "orders", "fills", "positions", "equity",
        "metrics", "dead_letters", "data_quality", "runs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "cuts"), [(10, (1, 2, 5)), (3 * CHUNK_ROWS + 7, (CHUNK_ROWS - 1, CHUNK_ROWS, 900))]
)
def test_the_digest_does_not_depend_on_epochs(tmp_path, facts, cuts):
    found = set()
    for cut in cuts:
        results = tmp_path / f"{cut}.duckdb"
        part = open_part(results)
        for begin in range(0, facts, cut):
            part.write_batch([tuple(metric(n) for n in range(begin, min(begin + cut, facts)))])
            part.snapshot()
        part.close()
        assert read_metrics(work_of(results)) == list(range(facts))
        found.add(digest(digests(work_of(results))))
    assert len(found) == 1


def test_a_folder_that_cannot_be_written_is_a_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeflowError, match="file"):
        open_part(tmp_path / "file" / "results.duckdb")


def test_every_fact_reads_back_from_its_json():
    fact = Equity(
        1, "main", "s", 5, Decimal("0.1"), Decimal("-2"), Decimal(0), Decimal("1E-8"), Decimal(3)
    )
    assert decode(BY_TYPE[Equity], encode(fact)) == fact
    assert b'"schema_version":2' in encode(fact)
    assert identity(fact) == "main/1"


def test_names_of_topics_and_of_tables_are_unique():
    assert (
        len({fact_type.topic for fact_type in FACT_TYPES})
        == len({fact_type.table for fact_type in FACT_TYPES})
        == len(FACT_TYPES)
    )


def test_the_owner_answers_queries_while_it_runs(results):
    part = open_part(results)
    part.write_batch(
        [
            (
                metric(1),
                metric(2),
            )
        ]
    )
    part.snapshot()  # committed, not published
    assert not results.exists()
    result = query(results, "SELECT count(*) AS n, max(time) AS t FROM metrics")
    assert result.rows == [(2, "1970-01-01 00:00:00.000000002")]
    with pytest.raises(TapeflowError, match="read-only"):
        query(results, "DELETE FROM metrics")
    with pytest.raises(TapeflowError, match="nope does not exist"):
        query(results, "SELECT * FROM nope")
    part.close()
    finish(results)
    assert query(results, "SELECT count(*) AS n FROM metrics").rows == [(2,)]


def test_a_query_without_the_token_is_refused(results):
    part = open_part(results)
    path = endpoint_file(results)
    assert path.stat().st_mode & 0o077 == 0
    endpoint = json.loads(path.read_text())
    path.write_text(json.dumps({**endpoint, "token": "another"}))
    assert query_running(results, "SELECT 1") is None
    part.close()


def test_an_endpoint_file_left_by_a_crash_is_ignored(results):
    part = open_part(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    endpoint = endpoint_file(results).read_text()
    part.close()
    finish(results)
    endpoint_file(results).write_text(endpoint)  # as a killed run leaves it
    assert query(results, "SELECT count(*) AS n FROM metrics").rows == [(1,)]


def test_publishing_takes_at_most_a_twentieth_of_the_time(results, clock, monkeypatch):
    part = open_live_part(results)
    published = []

    def publish(*_):
        published.append(clock[0])
        clock[0] += 1.0

    monkeypatch.setattr(publisher, "publish", publish)
    for n in range(200):
        commit(part, metric(n))
        clock[0] += 0.5
        look(part)
    assert published[0] <= 100 + PUBLISH_EVERY_S + 0.5
    gaps = [b - a for a, b in pairwise(published)]
    assert min(gaps) >= 20
    part.close()


def test_two_runs_never_make_the_same_results(results):
    second = exclusive_lock(results)
    with (
        exclusive_lock(results),
        pytest.raises(TapeflowError, match="being written by another run"),
    ):
        second.__enter__()
    with exclusive_lock(results):
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
def test_a_running_flow_answers_only_queries_that_read(results, sql):
    part = open_part(results)
    part.write_batch([(metric(1),)])
    part.snapshot()
    with pytest.raises(TapeflowError, match="the query failed"):
        query(results, sql)
    assert query(results, "SELECT count(*) FROM metrics").rows == [(1,)]
    part.close()


def test_a_result_too_large_for_the_flow_is_refused(results):
    part = open_part(results)
    with pytest.raises(TapeflowError, match="more than 1,000,000 rows"):
        query(results, "SELECT i FROM range(2000000) t(i)")
    part.close()


def test_closing_after_a_failed_epoch_publishes_nothing(results, monkeypatch):
    part = open_live_part(results)
    commit(part, metric(1))
    part.write_batch([(metric(2),)])
    monkeypatch.setattr(buffer, "to_record_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.snapshot()
    monkeypatch.setattr(publisher, "publish", lambda *_: 1 / 0)
    part.close()  # raises nothing of its own


def open_live_part(results, state=None):
    return ResultsSink(ResultPaths.for_stateless_run(results), RUN, live=True).build_part(
        "r", "results", state
    )


def kill(part):
    """Release the file as a killed process does, as far as one process can."""
    part.publisher.close()
    part.writer.close()
    part.query_server.close()
    part.con.close()


def test_a_live_run_writes_the_same_facts_as_a_replay(results):
    part = open_live_part(results)
    for n in range(5):
        part.write_batch([(metric(n),)])
        part.snapshot()
    part.close()
    finish(results)
    assert read_metrics(results) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
@pytest.mark.parametrize("again", [open_part, open_live_part])
def test_epochs_not_committed_at_a_kill_are_written_from_the_state(results, written, again):
    part = open_live_part(results)
    write = part.writer.write
    part.writer.write = lambda number, tables: write(number, tables) if number <= written else None
    part.writer.pending_state = lambda: (
        0,
        [(epoch.number, to_ipc(epoch.tables)) for epoch in part.writer.pending],
    )
    for n in (1, 2):
        part.write_batch([(metric(n),)])
        state = part.snapshot()
    part.write_batch([(metric(3),)])
    part.snapshot()  # the engine did not store this state
    kill(part)
    after = again(results, state)
    assert after.transaction == 2
    after.write_batch([(metric(3),)])  # the log brings it again
    after.snapshot()
    after.close()
    finish(results)
    assert read_metrics(results) == [1, 2, 3]


def test_a_state_counts_an_epoch_as_committed_only_when_it_is(results):
    part = open_live_part(results)
    write, gate = part.writer.write, threading.Event()
    part.writer.write = lambda *epoch: (gate.wait(10), write(*epoch))
    part.write_batch([(metric(1),)])
    _, committed, pending = part.snapshot()
    assert (committed, [number for number, _ in pending]) == (0, [1])
    gate.set()
    part.writer.wait_until_written()
    assert part.snapshot()[:2] == state_of(1)[:2]
    part.close()


def test_closing_raises_the_error_of_the_last_commit(results):
    """No snapshot comes after the last commit, so only closing can raise its error."""

    def write_to_full_disk(_number, _tables):
        gate.wait(10)
        raise TapeflowError("the disk is full")

    part, gate = open_live_part(results), threading.Event()
    part.writer.write = write_to_full_disk
    part.write_batch([(metric(1),)])
    part.snapshot()
    gate.set()
    CAPTURED.clear()
    with pytest.raises(TapeflowError, match="the disk is full"):
        part.close()
    CAPTURED.clear()


def test_a_live_run_with_many_pending_rows_waits_for_its_disk(results):
    part = open_live_part(results)
    part.write_batch([tuple(metric(n) for n in range(PENDING_ROWS_MAX + 1))])
    assert part.snapshot() == state_of(1)
    part.close()


def test_a_failed_commit_on_the_writer_thread_fails_the_flow(results, monkeypatch):
    part = open_live_part(results)
    part.write_batch([(metric(1),)])
    monkeypatch.setattr(sink, "insert_facts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # at this snapshot, or one soon after
        for _ in range(1000):
            part.snapshot()
            time.sleep(0.01)
    monkeypatch.setattr(publisher, "publish", lambda *_: 1 / 0)
    part.close()  # raises nothing of its own, publishes nothing


def test_an_error_in_closing_is_raised_only_if_it_is_the_first():
    def close():
        raise TapeflowError("closing fails")

    CAPTURED.clear()
    with pytest.raises(TapeflowError):
        capture_close_errors(close)()
    # while the engine unwinds: a second panic would abort the process
    capture_close_errors(close)()
    assert len(CAPTURED) == 2
    CAPTURED.clear()
