"""Partitions of different speeds: read-ahead is bounded, silence reported, heartbeats written."""

import time

import pytest

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.heartbeats import HeartbeatWriter
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source import polling
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.connectors.source.source import LogPartition, LogSource
from tapeflow.flows.run import log
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.stall_watch import StallWatch
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS, MIN_NS
from tests.running import REFERENCE, digest, job_of, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
S = 10**9
T0 = 1_700_000_000 * S


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_partition_ahead_of_the_slowest_waits_until_it_has_caught_up(tmp_path, kind):
    path = tmp_path / "progress" if kind == "file" else None
    progress = Progress(("a-0", "b-0"), 2 * S, path)
    other = progress if path is None else Progress(("a-0", "b-0"), 2 * S, path)
    assert not progress.is_ahead("a-0")
    progress.update("a-0", 5 * S, 10)
    assert progress.is_ahead("a-0")  # b-0 has not begun
    other.update("b-0", 3 * S, 1)
    assert not progress.is_ahead("a-0")  # exactly the lead
    progress.update("a-0", 5 * S + 1, 11)
    assert progress.is_ahead("a-0")
    assert not progress.is_ahead("b-0")
    other.update("b-0", MAX_NS, 1)
    assert not progress.is_ahead("a-0")
    assert progress.records() == 12
    progress.reset()
    assert progress.min_log_ns() == MIN_NS
    assert other.records() == 0


class SlowReader:
    """A reader that returns a page only every `pause_s`."""

    def __init__(self, reader, pause_s):
        self.reader, self.pause_s, self.due = reader, pause_s, 0.0

    def read(self):
        if time.monotonic() < self.due:
            return None
        self.due = time.monotonic() + self.pause_s
        return self.reader.read()

    @property
    def ended(self):
        return self.reader.ended

    def position(self):
        return self.reader.position()

    def close(self):
        self.reader.close()


def largest_snapshot(tmp_path, monkeypatch, lead_s):
    """Replay with coinbase-0 slowed down; return the desk's largest snapshot, and the digest."""
    sizes, snapshot, open_reader = [], Desk.snapshot, log.open_reader

    def measured(desk, state):
        encoded = snapshot(desk, state)
        sizes.append(len(encoded))
        return encoded

    def open_slowly(name, *rest):
        reader = open_reader(name, *rest)
        return SlowReader(reader, 0.03) if name == "coinbase-0" else reader

    monkeypatch.setattr(Desk, "snapshot", measured)
    monkeypatch.setattr(log, "open_reader", open_slowly)
    job = job_of(
        source={"page_records": 50, "max_lead": int(lead_s * S)}, recovery={"epoch": 20_000_000}
    )
    plan = Plan(
        command="test", log=find_tapes([GOLDEN], job), job=job, results=tmp_path / "r.duckdb"
    )
    run_plan(plan, silent, silent)
    monkeypatch.undo()
    return max(sizes), digest(plan.results)


def test_a_slow_partition_does_not_let_snapshots_grow(tmp_path, monkeypatch):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    bounded, answer = largest_snapshot(tmp_path, monkeypatch, 2)
    unbounded, same = largest_snapshot(tmp_path, monkeypatch, 10_000)
    assert answer == same == expected
    assert bounded * 3 < unbounded, (bounded, unbounded)


def watch_of(*partitions, quiet_s=1):
    notices = []
    progress = Progress(partitions, 60 * S)
    watch = StallWatch(progress, quiet_s * S, notices.append)
    return progress, watch, notices, next(iter(watch.since.values()))


def test_a_silent_partition_that_holds_the_others_is_reported_once():
    progress, watch, notices, now = watch_of("a-0", "b-0")
    progress.update("a-0", T0, 1)
    progress.update("b-0", T0, 1)
    watch.look(now)
    for second in range(1, 6):
        progress.update("a-0", T0 + second * S, 1 + second)
        watch.look(now + second)
    (line,) = notices
    assert "partition b-0 holds the desk: silent for 2.0 s" in line
    assert "--heartbeats" in line
    progress.update("b-0", T0 + 5 * S, 2)  # one record, then silence again
    watch.look(now + 6)
    progress.update("a-0", T0 + 9 * S, 9)
    watch.look(now + 9)
    assert len(notices) == 2


def test_a_partition_without_any_record_is_reported_too():
    progress, watch, notices, now = watch_of("a-0", "b-0")
    progress.update("a-0", T0, 1)
    watch.look(now)
    watch.look(now + 2)
    assert "b-0" in notices[0]


def test_nothing_is_reported_while_all_are_quiet_or_at_their_end():
    progress, watch, notices, now = watch_of("a-0", "b-0")
    progress.update("a-0", T0, 1)
    progress.update("b-0", T0, 1)
    for second in range(5):
        watch.look(now + second)
    progress.update("a-0", MAX_NS, 1)
    progress.update("b-0", MAX_NS, 1)
    watch.look(now + 9)
    assert notices == []


def test_heartbeats_are_written_into_quiet_partitions_only():
    with EmbeddedBroker() as broker:
        broker.create_topic("raw.a", 2)
        progress = Progress(("a-0", "a-1"), 60 * S)
        now = time.time_ns()
        progress.update("a-0", now - 50_000_000, 1)
        progress.update("a-1", now - 200_000_000, 1)
        partitions = {"a-0": ("raw.a", 0), "a-1": ("raw.a", 1)}
        writer = HeartbeatWriter(
            lambda: ReliableProducer(broker.bootstrap, EMBEDDED_CONSUMER),
            partitions,
            progress,
            100_000_000,
            silent,
        )
        assert writer.write_due(now) == [], "a partition with a backlog is not quiet"
        progress.set_idle("a-0")
        progress.set_idle("a-1")
        assert writer.write_due(now) == ["a-1"]
        assert writer.write_due(now + 10_000_000) == []
        assert writer.write_due(now + 150_000_000) == ["a-0", "a-1"]
        writer.producer.flush()
        partition = KafkaPartition(broker.bootstrap, "raw.a", 1, "a-1", EMBEDDED_CONSUMER)
        reader = KafkaReader(partition, 10, 2, None, silent)
        frames, times = [], []
        while not reader.ended:
            page = reader.read()
            if page is not None:
                frames += [page.frame(number) for number in range(len(page.log_ns))]
                times += page.log_ns.tolist()
        reader.close()
        assert frames == [b"", b""]
        assert times == [ns // 10**6 * 10**6 for ns in (now, now + 150_000_000)]


def test_a_page_is_due_when_its_last_record_would_have_been_written():
    clock = ReplayClock(speed=10.0)
    first = Page.from_frames("a-0", 0, [T0, T0 + S], [b"", b""])
    later = Page.from_frames("b-0", 0, [T0 + 5 * S], [b""])
    assert clock.seconds_until_due(first) == pytest.approx(0.1, abs=0.05)
    assert clock.seconds_until_due(later) == pytest.approx(0.5, abs=0.05)


def test_a_source_state_of_another_version_is_refused():
    source = LogSource({}, {"a-0": "k"}, Progress(("a-0",), S))
    with pytest.raises(TapeflowError, match="partition a-0: the source's state is of version 9"):
        LogPartition(source, "a-0", (9, False, 0, T0, None))


def test_polling_an_idle_source_costs_little(monkeypatch):
    # an idle source is polled a thousand times a second
    class IdleReader:
        ended = False

        def read(self):
            return None

        def position(self):
            return None

        def close(self):
            pass

    progress = Progress(("a-0",), S)
    partition = LogPartition(
        LogSource({"a-0": lambda _: IdleReader()}, {"a-0": "k"}, progress), "a-0", None
    )
    slept_s = []
    monkeypatch.setattr(polling, "sleep", slept_s.append)
    began = time.process_time()
    for _ in range(1000):
        assert partition.next_batch() == []
        assert partition.next_awake() == polling.AT_ONCE
    assert time.process_time() - began < 0.05
    assert len(slept_s) > 500 and max(slept_s) <= polling.IDLE_S
