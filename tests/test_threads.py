"""What the engine's threads and processes are told: keep Python's state, seal so often, in turn."""

import threading
import time
from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, cluster_main

from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED, LogSource
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.engine.routing import state_keys
from tapeflow.flows.run import engine, worker
from tapeflow.flows.run import log as logs
from tapeflow.flows.run.plan import Plan
from tests.running import REFERENCE, job_of

SECOND = 1_000_000_000


def test_a_worker_thread_keeps_what_python_knows_of_it_between_visits(tmp_path):
    #   a threading.local lives in the thread's state: without it each visit begins with none
    names, seen = ("binance-0", "coinbase-0"), threading.local()
    for name in names:
        lines = b"".join(b"%d {}\n" % (number * SECOND) for number in range(20))
        (tmp_path / f"{name}.tape").write_bytes(lines)

    def opened(name):
        return lambda position: TapeReader(name, (tmp_path / f"{name}.tape",), 1, 1, position)

    def visits(keyed):
        seen.visits = getattr(seen, "visits", 0) + 1
        return seen.visits

    source = LogSource(
        {name: opened(name) for name in names}, state_keys(names), Progress(names, 99 * SECOND)
    )
    flow, found = Dataflow("visits"), []
    pages = op.input("log", flow, source)
    op.output("out", op.map("visit", pages, visits), TestingSink(found))
    STOP_REQUESTED.clear()
    cluster_main(flow, [], 0, worker_count_per_proc=2)
    assert sorted(found) == sorted([*range(1, 22)] * 2)


@pytest.mark.parametrize(
    ("more", "said", "seconds"),
    [
        ({}, None, 5),
        ({"state": Path("kept")}, None, 1),
        ({"speed": 1.0}, None, 1),
        ({"log": {"binance-0": logs.TopicPartition("raw.binance", 0, None)}}, None, 1),
        ({}, 2 * SECOND, 2),
        ({"state": Path("kept")}, 2 * SECOND, 2),
    ],
)
def test_only_a_replay_that_keeps_nothing_seals_seldom_and_a_job_has_the_last_word(
    more, said, seconds
):
    job = job_of(recovery={"epoch": said})
    given = {"log": logs.tapes([REFERENCE / "golden"], job), **more}
    plan = Plan(command="test", job=job, results=Path("results.duckdb"), **given)
    assert engine.epoch_ns(plan) == seconds * SECOND


def test_a_process_waits_for_the_one_before_it(tmp_path):
    STOP_REQUESTED.clear()
    addresses, done = ["127.0.0.1:1", "127.0.0.1:2"], []

    def take(index):
        worker.wait_for_previous_listener(tmp_path, addresses, index)
        done.append(index)

    second = threading.Thread(target=take, args=(1,))
    second.start()
    time.sleep(0.1)
    assert done == []
    take(0)
    second.join(5)
    assert done == [0, 1]


def test_a_process_that_is_stopped_waits_for_nobody(tmp_path):
    STOP_REQUESTED.set()
    try:
        began = time.monotonic()
        worker.wait_for_previous_listener(tmp_path, ["127.0.0.1:1", "127.0.0.1:2"], 1)
        assert time.monotonic() - began < 1
    finally:
        STOP_REQUESTED.clear()
