"""Threads and processes of the engine: their Python state, epochs, order of start; our own."""

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
from tapeflow.engine.threads import PeriodicThread
from tapeflow.flows.run import engine, worker
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topic_partition import TopicPartition
from tests.running import REFERENCE, job_of

SECOND = 1_000_000_000


def test_a_worker_thread_keeps_its_python_state_between_calls(tmp_path):
    #   a threading.local lives in the thread's state: without it each call begins with a new one
    names, local = ("binance-0", "coinbase-0"), threading.local()
    for name in names:
        lines = b"".join(b"%d {}\n" % (1_700_000_000 + number) for number in range(20))
        (tmp_path / f"{name}.tape").write_bytes(lines)

    def factory(name):
        return lambda position: TapeReader(name, (tmp_path / f"{name}.tape",), 1, position)

    def count_calls(_keyed):
        local.calls = getattr(local, "calls", 0) + 1
        return local.calls

    source = LogSource(
        {name: factory(name) for name in names}, state_keys(names), Progress(names, 99 * SECOND)
    )
    flow, found = Dataflow("calls"), []
    pages = op.input("log", flow, source)
    op.output("out", op.map("count", pages, count_calls), TestingSink(found))
    STOP_REQUESTED.clear()
    cluster_main(flow, [], 0, worker_count_per_proc=2)
    assert sorted(found) == sorted([*range(1, 22)] * 2)


@pytest.mark.parametrize(
    ("fields", "job_epoch_ns", "seconds"),
    [
        ({}, None, 5),
        ({"state": Path("state")}, None, 1),
        ({"speed": 1.0}, None, 1),
        ({"log": {"binance-0": TopicPartition("raw.binance", 0, None)}}, None, 1),
        ({}, 2 * SECOND, 2),
        ({"state": Path("state")}, 2 * SECOND, 2),
    ],
)
def test_epochs_are_long_only_without_state_and_as_the_job_says(fields, job_epoch_ns, seconds):
    job = job_of(recovery={"epoch": job_epoch_ns})
    plan_fields = {"log": find_tapes([REFERENCE / "golden"], job), **fields}
    plan = Plan(command="test", job=job, results=Path("results.duckdb"), **plan_fields)
    assert engine.epoch_ns(plan) == seconds * SECOND


def test_a_process_waits_for_the_one_before_it(tmp_path):
    STOP_REQUESTED.clear()
    addresses, done = ["127.0.0.1:1", "127.0.0.1:2"], []

    def wait(index):
        worker.wait_for_previous_listener(tmp_path, addresses, index)
        done.append(index)

    second = threading.Thread(target=wait, args=(1,))
    second.start()
    time.sleep(0.1)
    assert done == []
    wait(0)
    second.join(5)
    assert done == [0, 1]


def test_a_process_that_is_stopped_does_not_wait(tmp_path):
    STOP_REQUESTED.set()
    try:
        began = time.monotonic()
        worker.wait_for_previous_listener(tmp_path, ["127.0.0.1:1", "127.0.0.1:2"], 1)
        assert time.monotonic() - began < 1
    finally:
        STOP_REQUESTED.clear()


def test_a_periodic_thread_calls_until_its_block_is_left():
    called, calls = threading.Event(), []

    def call():
        calls.append(threading.current_thread())
        if len(calls) == 3:
            called.set()

    with PeriodicThread(call, 0.001):
        assert called.wait(5)
    count = len(calls)
    time.sleep(0.02)
    assert len(calls) == count
    assert threading.current_thread() not in calls


def test_a_periodic_thread_does_not_wait_for_its_interval_to_stop():
    began = time.monotonic()
    with PeriodicThread(lambda: None, 60):
        pass
    assert time.monotonic() - began < 5
