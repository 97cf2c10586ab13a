"""Partitions of different speeds: nobody runs ahead, who is silent is named, time can be kept."""

import time

import pytest

import tapeflow.operators.desk.state as desk_state
import tapeflow.operators.desk.step as desk_step
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.heartbeats import HeartbeatWriter
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.progress import END, START, Progress
from tapeflow.connectors.source.replay_clock import ReplayClock
from tapeflow.connectors.source.source import LogPartition, LogSource
from tapeflow.flows.run import log as logs
from tapeflow.flows.run import run as runs
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.stall_watch import StallWatch
from tapeflow.schemas.batches import Page
from tests.running import REFERENCE, digest, job_of, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
S = 10**9
T0 = 1_700_000_000 * S


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_partition_ahead_of_the_slowest_waits_until_it_has_caught_up(tmp_path, place):
    path = tmp_path / "board" if place == "file" else None
    board = Progress(("a-0", "b-0"), 2 * S, path)
    other = board if path is None else Progress(("a-0", "b-0"), 2 * S, path)
    assert not board.is_ahead("a-0")
    board.update("a-0", 5 * S, 10)
    assert board.is_ahead("a-0")  # b-0 has not begun
    other.update("b-0", 3 * S, 1)
    assert not board.is_ahead("a-0")  # exactly the lead
    board.update("a-0", 5 * S + 1, 11)
    assert board.is_ahead("a-0")
    assert not board.is_ahead("b-0")
    other.update("b-0", END, 1)
    assert not board.is_ahead("a-0")
    assert board.records() == 12
    board.reset()
    assert board.min_log_ns() == START
    assert other.records() == 0


class Slow:
    """A reader that has something to give only now and then."""

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
    """Replay with coinbase-0 slowed down; the desk's largest snapshot, and the digest."""
    sizes, snapshot, open_reader = [], desk_state.snapshot, logs.open_reader

    def measured(state):
        encoded = snapshot(state)
        sizes.append(len(encoded))
        return encoded

    def slowed(name, *rest):
        reader = open_reader(name, *rest)
        return Slow(reader, 0.01) if name == "coinbase-0" else reader

    monkeypatch.setattr(desk_step, "snapshot", measured)
    monkeypatch.setattr(logs, "open_reader", slowed)
    job = job_of(
        source={"page_records": 50, "max_lead": int(lead_s * S)}, recovery={"epoch": 20_000_000}
    )
    plan = Plan(
        command="test", log=logs.tapes([GOLDEN], job), job=job, results=tmp_path / "r.duckdb"
    )
    runs.run(plan, silent, silent)
    monkeypatch.undo()
    return max(sizes), digest(plan.results)


def test_a_slow_partition_lets_no_snapshot_grow(tmp_path, monkeypatch):
    expected = replay(GOLDEN, tmp_path / "unbroken.duckdb")
    bounded, answer = largest_snapshot(tmp_path, monkeypatch, 2)
    unbounded, same = largest_snapshot(tmp_path, monkeypatch, 10_000)
    assert answer == same == expected
    assert bounded * 4 < unbounded, (bounded, unbounded)


def watched(*partitions, quiet_s=1):
    said = []
    board = Progress(partitions, 60 * S)
    watch = StallWatch(board, quiet_s * S, said.append)
    return board, watch, said, next(iter(watch.since.values()))


def test_a_silent_partition_that_holds_the_others_is_named_once():
    board, watch, said, now = watched("a-0", "b-0")
    board.update("a-0", T0, 1)
    board.update("b-0", T0, 1)
    watch.look(now)
    for second in range(1, 6):
        board.update("a-0", T0 + second * S, 1 + second)
        watch.look(now + second)
    (line,) = said
    assert "partition b-0 holds the desk: silent for 2.0 s" in line
    assert "--heartbeats" in line
    board.update("b-0", T0 + 5 * S, 2)  # it speaks, and falls silent again
    watch.look(now + 6)
    board.update("a-0", T0 + 9 * S, 9)
    watch.look(now + 9)
    assert len(said) == 2


def test_a_partition_that_never_spoke_is_named_too():
    board, watch, said, now = watched("a-0", "b-0")
    board.update("a-0", T0, 1)
    watch.look(now)
    watch.look(now + 2)
    assert "b-0" in said[0]


def test_nobody_is_named_while_all_are_quiet_or_at_their_end():
    board, watch, said, now = watched("a-0", "b-0")
    board.update("a-0", T0, 1)
    board.update("b-0", T0, 1)
    for second in range(5):
        watch.look(now + second)
    board.update("a-0", END, 1)
    board.update("b-0", END, 1)
    watch.look(now + 9)
    assert said == []


def test_heartbeats_go_into_quiet_partitions_only_and_are_in_the_log():
    with EmbeddedBroker() as broker:
        broker.create_topic("raw.a", 2)
        board = Progress(("a-0", "a-1"), 60 * S)
        now = time.time_ns()
        board.update("a-0", now - 50_000_000, 1)
        board.update("a-1", now - 200_000_000, 1)
        places = {"a-0": ("raw.a", 0), "a-1": ("raw.a", 1)}
        keep = HeartbeatWriter(
            lambda: ReliableProducer(broker.bootstrap, EMBEDDED_CONSUMER),
            places,
            board,
            100_000_000,
            silent,
        )
        assert keep.write_due(now) == [], "who is behind a backlog is not quiet"
        board.set_idle("a-0")
        board.set_idle("a-1")
        assert keep.write_due(now) == ["a-1"]
        assert keep.write_due(now + 10_000_000) == []
        assert keep.write_due(now + 150_000_000) == ["a-0", "a-1"]
        keep.sender.flush()
        place = KafkaPartition(broker.bootstrap, "raw.a", 1, "a-1", EMBEDDED_CONSUMER)
        reader = KafkaReader(place, 10, END, 2, None, silent)
        frames, times = [], []
        while not reader.ended:
            page = reader.read()
            if page is not None:
                frames += [page.frame(number) for number in range(len(page.log_ns))]
                times += page.log_ns.tolist()
        reader.close()
        assert frames == [b"", b""]
        assert times == [ns // 10**6 * 10**6 for ns in (now, now + 150_000_000)]


def test_a_page_is_due_when_its_last_record_would_have_come():
    pace = ReplayClock(speed=10.0)
    first = Page.from_frames("a-0", 0, [T0, T0 + S], [b"", b""])
    later = Page.from_frames("b-0", 0, [T0 + 5 * S], [b""])
    assert pace.seconds_until_due(first) == pytest.approx(0.1, abs=0.05)
    assert pace.seconds_until_due(later) == pytest.approx(0.5, abs=0.05)


def test_a_source_with_nothing_to_give_costs_little():
    # A source that has nothing is asked a thousand times a second: it must cost little.
    class Nothing:
        ended = False

        def read(self):
            return None

        def position(self):
            return None

        def close(self):
            pass

    board = Progress(("a-0",), S)
    partition = LogPartition(
        LogSource({"a-0": lambda _: Nothing()}, {"a-0": "k"}, board), "a-0", None
    )
    began = time.process_time()
    for _ in range(1000):
        assert partition.next_batch() == []
        assert partition.next_awake() is not None
    assert time.process_time() - began < 0.05
