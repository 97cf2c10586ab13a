"""Queries of results: what they may do, how they end, and what a user sees of the tables."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import duckdb
import pytest
from pyarrow import flight

from tapeflow.connectors.duckdb import query_watch, sink
from tapeflow.connectors.duckdb.endings import complete
from tapeflow.connectors.duckdb.file import ResultPaths, connect_sealed
from tapeflow.connectors.duckdb.flight import HOST, endpoint_file
from tapeflow.connectors.duckdb.insertion import insert_facts
from tapeflow.connectors.duckdb.query import query
from tapeflow.connectors.duckdb.query_watch import QueryWatch
from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.duckdb.tables import RunInfo
from tapeflow.connectors.duckdb.views.shipped import VIEWS
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.quality import DeadLetter, Metric
from tapeflow.schemas.registry import FACT_TYPES
from tests.running import ROOT

RUN = RunInfo("1", "replay", "{}", InstrumentTable.from_rows(()))
ENDLESS = (
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
)
README = (
    'SELECT partition, "offset", reason, left(decode(frame), 40) AS frame '
    "FROM dead_letters ORDER BY log_time LIMIT 3"
)
FRAMES = {  # what a venue sends: what is shown of it
    b'{"e":"trade"': '{"e":"trade"',
    "Grüße 币安".encode(): "Grüße 币安",
    b"\xff\xfe{": "\\xFF\\xFE{",
    b"a\x00b\x1b[2Jc\n": None,
    b"\x80" * 100: "\\x80" * 10,
    b"": "",
}


CLIENTS: list[subprocess.Popen[str]] = []


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results.duckdb"


def paths_of(results):
    return ResultPaths.for_stateless_run(results)


@pytest.fixture
def running(results):
    """A flow that runs, with a metric and a dead letter of each kind committed."""
    part = ResultsSink(paths_of(results), RUN).build_part("r", "results", None)
    facts = [Metric("binance-0", "bars", n, 1.0) for n in range(1000)]
    letters = [
        DeadLetter("binance-0", n, n, "no JSON", frame, len(frame))
        for n, frame in enumerate(FRAMES)
    ]
    part.write_batch([(*facts, *letters)])
    part.snapshot()
    yield part
    part.close()


@pytest.fixture(params=["live", "file"])
def answering(request, running, results):
    """The same results, client of the running flow, and of the file when it has ended."""
    if request.param == "file":
        running.close()
        complete(paths_of(results), keep=False)
        running.close = lambda: None
    return results


def tapeflow_query(results, sql, *more):
    line = [sys.executable, "-m", "tapeflow", "query", sql, "--results", str(results), *more]
    client = subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_interrupts,  # noqa: PLW1509  # no threads run then
    )  # fmt: skip
    CLIENTS.append(client)
    return client


def hear_interrupts():
    """Undo that Ctrl-C is ignored, as of what a shell runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def ended_clients():
    """No client goes on after its test."""
    yield
    while CLIENTS:
        with CLIENTS.pop() as client:
            client.kill()


def write_epoch(part, n=5000):
    part.write_batch([(Metric("binance-0", "bars", n, 1.0),)])
    part.snapshot()


def wait_for_query(part):
    deadline = time.monotonic() + 20
    while not part.query_server.server.watch.running:
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def wait_for_none(part):
    deadline = time.monotonic() + 5
    while part.query_server.server.watch.running:
        assert time.monotonic() < deadline, "it is still running"
        time.sleep(0.02)


# --- how they end -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_query_that_is_stopped_ends_in_the_running_flow_too(running, results, number):
    client = tapeflow_query(results, ENDLESS)
    wait_for_query(running)
    write_epoch(running)
    client.send_signal(number)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (128 + number, "")
    assert err.count("\n") == 1
    wait_for_none(running)
    write_epoch(running, 5001)
    assert query(results, "SELECT count(*) FROM metrics").rows == [(1002,)]


def test_a_query_of_a_file_can_be_stopped(running, results):
    running.close()
    running.close = lambda: None
    complete(paths_of(results), keep=False)
    client = tapeflow_query(results, ENDLESS)
    time.sleep(2)
    client.send_signal(signal.SIGINT)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out, err) == (130, "", "tapeflow query: interrupted by SIGINT\n")


def test_a_query_has_a_limit_of_time_and_the_flow_goes_on(running, results, monkeypatch):
    monkeypatch.setattr(query_watch, "TIME_MAX_S", 0.5)
    with pytest.raises(TapeflowError, match=r"the query failed: .*it took longer than 0\.5 s"):
        query(results, ENDLESS)
    write_epoch(running)
    assert query(results, "SELECT count(*) FROM metrics").rows == [(1001,)]


def test_a_query_has_a_limit_of_memory_and_the_flow_goes_on(running, results):
    hungry = (
        "SELECT max(len(m)) FROM (SELECT list(a.range || '-' || b.range) AS m "
        "FROM range(100000) a, range(1000) b)"
    )
    written, failures = [0], []

    def write():
        while not done.is_set():
            try:
                write_epoch(running, 6000 + written[0])
            except Exception as error:
                failures.append(error)
                return
            written[0] += 1
            time.sleep(0.01)

    done, flow = threading.Event(), threading.Thread(target=write)
    flow.start()
    with pytest.raises(TapeflowError, match="the query failed: ") as raised:
        query(results, hungry)
    done.set()
    flow.join()
    assert "\n" not in str(raised.value)
    assert not failures
    assert query(results, "SELECT count(*) FROM metrics").rows == [(1000 + written[0],)]


def test_a_write_that_a_query_left_no_memory_for_is_written_after_it(running, monkeypatch):
    failures = [1]

    def fail_once(*arguments):
        if failures:
            failures.pop()
            raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate")
        insert_facts(*arguments)

    monkeypatch.setattr(sink, "insert_facts", fail_once)
    monkeypatch.setattr(running.query_server, "interrupt", lambda: True)
    write_epoch(running)
    rows = running.con.execute("SELECT count(*) FROM metrics").fetchall()
    assert rows == [(1001,)]


def test_a_flow_ends_while_a_query_runs(running, results):
    client = tapeflow_query(results, ENDLESS)
    wait_for_query(running)
    began = time.monotonic()
    running.close()
    running.close = lambda: None
    assert time.monotonic() - began < 3
    _, err = client.communicate(timeout=20)
    assert client.returncode == 1
    assert err == "tapeflow query: the query failed: the run has ended\n"


def test_a_flow_ends_though_a_reader_reads_only_the_beginning(running, results):
    endpoint = json.loads(endpoint_file(results).read_text())
    sql = "SELECT range, repeat('x', 200) FROM range(900000)"
    ticket = flight.Ticket(json.dumps({"sql": sql, "token": endpoint["token"]}))
    client = flight.connect(f"grpc://{HOST}:{endpoint['port']}")
    reader = client.do_get(ticket)
    reader.read_chunk()
    began = time.monotonic()
    running.close()
    running.close = lambda: None
    assert time.monotonic() - began < 3
    reader.cancel()
    client.close()


def test_the_watch_interrupts_nothing_that_has_ended():
    watch = QueryWatch()
    with duckdb.connect() as con, watch.watching(con, lambda: False) as cursor:
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
        assert watch.interrupt("why")
    assert watch.interrupt("why") is False


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nope", "nope does not exist"),
        ("SELECT nope FROM metrics", "nope"),
        ("SELECT 1 / 'x'", "Could not convert"),
        ("DELETE FROM runs", "read-only"),
    ],
)
def test_a_wrong_query_is_one_line_and_exit_code_1(answering, sql, line):
    client = tapeflow_query(answering, sql)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (1, "")
    assert err.startswith("tapeflow query: the query failed: ")
    assert err.count("\n") == 1
    assert line in err


def test_a_query_whose_reader_has_gone_is_quiet(answering):
    client = tapeflow_query(answering, "SELECT * FROM range(300000)")
    with client:
        client.stdout.readline()
        client.stdout.close()
        assert client.stderr.read() == ""


# --- what they may do ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_csv('/etc/passwd')",
        "FROM read_text('/etc/passwd')",
        "FROM read_blob('/etc/passwd')",
        "FROM '{there}'",
        "FROM read_parquet('{there}')",
        "FROM read_json('{there}')",
        "FROM glob('/etc/*')",
        "COPY metrics TO '{out}'",
        "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}'",
        "ATTACH '{there}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "FROM duckdb_secrets()",
        "FROM sqlite_scan('{there}', 'x')",
        "FROM names",
        "FROM relation",
        "SELECT 1; FROM read_text('/etc/passwd')",
    ],
)
def test_a_query_reaches_no_file_of_the_host_and_no_variable_of_the_program(
    answering, tmp_path, sql
):
    there, out = tmp_path / "there.parquet", tmp_path / "out"
    duckdb.sql("SELECT 42 AS secret").write_parquet(str(there))
    client = tapeflow_query(answering, sql.format(there=there, out=out))
    printed, err = client.communicate(timeout=20)
    assert (client.returncode, printed) == (1, "")
    assert err.startswith("tapeflow query: the query failed: ")
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_query_may_need_more_than_memory_where_it_reads_a_file(running, results):
    running.close()
    running.close = lambda: None
    complete(paths_of(results), keep=False)
    with duckdb.connect(str(results)) as con:
        con.execute("CREATE TABLE own AS SELECT hash(range)::VARCHAR AS h FROM range(1000000)")
    rows = query(results, "SELECT h FROM own ORDER BY h LIMIT 3").rows
    assert len(rows) == 3


# --- what they show -----------------------------------------------------------------------


def test_the_query_of_readme_survives_any_frame(answering):
    rows = query(answering, README.replace("LIMIT 3", "")).rows
    assert [row[3] for row in rows] == [
        frame.decode() if shown is None else shown for frame, shown in FRAMES.items()
    ]
    assert query(
        answering, "SELECT count(*) FROM dead_letters WHERE contains(decode(frame), '{')"
    ).rows == [(2,)]
    assert query(answering, "SELECT decode(NULL) AS n").rows == [(None,)]


def test_the_query_of_readme_survives_any_frame_in_any_client_of_duckdb(running, results):
    running.close()
    running.close = lambda: None
    complete(paths_of(results), keep=False)
    code = f"import duckdb; print(len(duckdb.connect({str(results)!r}).execute({README!r}).fetchall()))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout == "3\n"


def test_a_table_of_text_shows_control_characters_as_escapes(answering):
    client = tapeflow_query(
        answering, "SELECT decode(frame) AS f FROM dead_letters WHERE length = 9"
    )
    out, err = client.communicate(timeout=20)
    assert err == ""
    assert out.splitlines()[2] == r"a\x00b\x1b[2Jc\n"


def test_no_internal_column_is_shown(answering):
    for fact in FACT_TYPES:
        described = query(answering, f"DESCRIBE {fact.table}").rows
        assert not [row[0] for row in described if row[0].startswith("_")]
        assert query(answering, f"SELECT * FROM {fact.table} LIMIT 0").names == [
            row[0] for row in described
        ]
    shown = [row[0] for row in query(answering, "SHOW TABLES").rows]
    others = {"runs", "instruments", "data_quality", "variants", "variant_intervals"}
    others |= {view.name for view in VIEWS}
    assert {fact.table for fact in FACT_TYPES} | others == set(shown)
    assert len(shown) == len(set(shown))


def test_every_table_and_column_has_a_comment(answering):
    tables = query(
        answering,
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main' UNION ALL "
        "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal",
    ).rows
    assert len(tables) == len(FACT_TYPES) + 5 + len(VIEWS)
    assert not [name for name, comment in tables if not comment]
    columns = query(
        answering,
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND NOT internal",
    ).rows
    assert len(columns) > 100
    assert not [(table, name) for table, name, comment in columns if not comment]
    found = {(table, name): comment for table, name, comment in columns}
    assert found["fills", "fee"] == "positive: paid"


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_answers_in_a_running_flow_and_in_the_file(running, results, view):
    in_flow = query(results, f"FROM {view.name}")
    assert in_flow.names == [*view.meanings]
    running.close()
    running.close = lambda: None
    complete(paths_of(results), keep=False)
    assert query(results, f"FROM {view.name}").rows == in_flow.rows


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_times_are_utc_for_every_reader_in_every_zone(running, results, zone):
    running.close()
    running.close = lambda: None
    complete(paths_of(results), keep=False)
    sql = "SELECT time::VARCHAR, epoch_ns(time) FROM metrics WHERE epoch_ns(time) = 7"
    code = f"import duckdb; print(duckdb.connect({str(results)!r}).execute({sql!r}).fetchall())"
    environment = {**os.environ, "TZ": zone}
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert out.stdout == "[('1970-01-01 00:00:00.000000007', 7)]\n"


def test_results_may_be_open_several_times_in_one_process(tmp_path):
    path = tmp_path / "results.duckdb"
    duckdb.connect(str(path)).close()
    zone, locked = "SELECT current_setting('TimeZone')", "SET TimeZone = 'Asia/Tokyo'"
    with (
        connect_sealed(path, {}, read_only=True) as first,
        connect_sealed(path, {}, read_only=True) as second,
    ):
        assert first.execute(zone).fetchone() == second.execute(zone).fetchone() == ("UTC",)
        with pytest.raises(duckdb.Error, match="locked"):
            second.execute(locked)
