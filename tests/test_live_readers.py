"""Readers of a run that is going on: none of them can hold it."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import duckdb
import pytest
from pyarrow import flight

from tapeflow.connectors.duckdb.flight import STOP_S, QueryServer, endpoint_file
from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden-heartbeat"
ROWS = 900_000  # more than sockets buffer
MANY = f"SELECT a.*, b.range AS other FROM range(1000) a, range({ROWS // 1000}) b"


def start_reading(results, sql=MANY):
    """Ask a run for many rows, and read the first ones only."""
    endpoint = json.loads(endpoint_file(results).read_text())
    client = flight.connect(f"grpc://127.0.0.1:{endpoint['port']}")
    ticket = flight.Ticket(json.dumps({"sql": sql, "token": endpoint["token"]}))
    reader = client.do_get(ticket)
    return client, reader, len(reader.read_chunk().data)


@pytest.fixture
def server_and_results(tmp_path):
    with duckdb.connect() as con:
        results = tmp_path / "results.duckdb"
        yield QueryServer(con, results), results


@pytest.mark.parametrize("readers", [0, 1, 3])
def test_readers_that_read_no_more_do_not_hold_the_server(server_and_results, readers):
    server, results = server_and_results
    held = [start_reading(results) for _ in range(readers)]
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < STOP_S + 5
    assert len(held) == readers
    for _, reader, first in held:  # what it gets in the end is all rows or an error, never some
        with suppress(flight.FlightError):
            assert first + reader.read_all().num_rows == ROWS


def test_a_reader_that_reads_on_gets_all_rows_before_the_server_stops(server_and_results):
    server, results = server_and_results
    _client, reader, first = start_reading(results, "SELECT * FROM range(300000)")
    rows = []

    def read_on():
        rows.extend(len(chunk.data) for chunk in reader)

    reading = threading.Thread(target=read_on)
    reading.start()
    server.close()
    reading.join(10)
    assert first + sum(rows) == 300_000


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_whose_reader_reads_no_more_stops_and_ends(tmp_path, processes):
    results = tmp_path / "results.duckdb"
    command = [
        sys.executable, "-m", "tapeflow", "replay", GOLDEN, "--speed", "10x", "--config", JOB,
        "--results", results, "--state", tmp_path / "state", "--processes", processes,
    ]  # fmt: skip
    running = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while not endpoint_file(results).exists():
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        held = start_reading(results)
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=20)
        assert running.returncode == 128 + signal.SIGTERM, errors
        assert held
    finally:
        running.kill()
        running.wait()
