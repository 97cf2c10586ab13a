"""Packs in a broker: loaded, appended, read, lost."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapeflow.connectors.kafka import packs
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.heartbeats import HeartbeatWriter
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.kafka.packs import PACK_BYTES
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.resume import position_at
from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tests.kafka.topics import (
    SECOND,
    T0,
    TIMEOUT_S,
    drain,
    load,
    new_topic,
    open_reader,
    read_all,
    read_records,
    rows,
)

MS = 1_000_000


@pytest.fixture(autouse=True)
def small_packs(monkeypatch):
    """Make packs small: about ten of the frames below."""
    monkeypatch.setattr(packs, "PACK_BYTES", 300)


def frames(lo: int, hi: int) -> tuple[list[int], list[bytes]]:
    """Return times and frames [lo, hi) of one long log."""
    return [T0 + number * MS + 7 for number in range(lo, hi)], [
        b'{"n":%06d}' % number for number in range(lo, hi)
    ]


def page(lo: int, hi: int) -> Page:
    return Page.from_frames("p-0", lo, *frames(lo, hi))


def expected(count: int) -> list[tuple[int, int, bytes]]:
    return list(zip(range(count), *frames(0, count), strict=True))


def end_of(broker: Any, topic: str) -> int:
    return offset_bounds(broker.bootstrap, [topic], TIMEOUT_S, print)[topic][0][1]


def loader(broker: Any, topic: str, **options: Any) -> Loader:
    fast = {"enable.idempotence": False, "linger.ms": 0}
    return Loader(broker.bootstrap, {"p-0": (topic, 0)}, print, client=fast, pack=True, **options)


def test_a_tape_loaded_in_packs_reads_as_the_tape_itself(broker, tmp_path: Path):
    lines = [
        f'{T0 + 37 * number} {{"n":{number}}}' if number % 5 else f"{T0 + 37 * number}"
        for number in range(2500)
    ]
    tape = tmp_path / "p-0.tape"
    tape.write_text("\n".join(lines) + "\n")
    topic = new_topic(broker)
    loading, from_tape = loader(broker, topic), []
    opened = TapeReader("p-0", (tape,), 90, None)
    while (read := opened.read()) is not None:
        loading.write(read)
        from_tape.append(read)
    opened.close()
    assert loading.finish() == 2500
    assert loading.frames == {"p-0": 2500}
    assert loading.records == {"p-0": len(read_records(broker, topic))}
    assert 100 < loading.records["p-0"] < 250
    assert rows(read_all(broker, topic, loading.records["p-0"], records=1000)) == rows(from_tape)


def test_packs_and_plain_records_in_a_topic_are_one_log(broker):
    topic = new_topic(broker)
    loads = [(0, 40, False), (40, 90, True), (90, 95, False), (95, 96, True), (96, 200, True)]
    for lo, hi, pack in loads:
        load(broker, topic, *frames(lo, hi), pack=pack)
    end = end_of(broker, topic)
    assert 45 < end < 75
    assert rows(read_all(broker, topic, end, records=3)) == expected(200)
    assert rows(read_all(broker, topic, end)) == expected(200)


def test_reading_resumes_after_any_page_of_a_mixed_log(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *frames(0, 30), pack=True)
    load(embedded, topic, *frames(30, 36))
    load(embedded, topic, *frames(36, 50), pack=True)
    end = end_of(embedded, topic)
    opened = open_reader(embedded, topic, end, records=4)
    positions = [opened.position()]
    while not opened.ended:
        if opened.read() is not None:
            positions.append(opened.position())
    opened.close()
    assert len(positions) > 12
    for position in positions:
        again = rows(read_all(embedded, topic, end, position, records=4))
        assert again == expected(50)[position[1] :]


def test_packs_that_arrive_later_are_read(broker):
    topic = new_topic(broker)
    opened = open_reader(broker, topic, records=6)
    found = []
    for lo, hi, pack in [(0, 50, True), (50, 53, False), (53, 99, True)]:
        load(broker, topic, *frames(lo, hi), pack=pack)
        found += drain(opened, hi - lo)
    opened.close()
    assert rows(found) == expected(99)


def test_reading_packs_stops_exactly_at_the_end_offset(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 50), pack=True)
    first = len(rows(read_all(broker, topic, 1)))
    assert 5 < first < 20
    assert rows(read_all(broker, topic, 2)) == expected(2 * first)


def test_heartbeats_after_packs_are_frames_of_the_log(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 50), pack=True)
    now = time.time_ns()
    progress = Progress(("p-0",), SECOND)
    progress.update("p-0", now - SECOND, 50)
    progress.set_idle("p-0")
    partitions = {"p-0": (topic, 0)}
    writer = HeartbeatWriter(
        lambda: ReliableProducer(broker.bootstrap, EMBEDDED_CONSUMER),
        partitions,
        progress,
        SECOND // 10,
        print,
    )
    assert writer.write_due(now) == ["p-0"]
    writer.producer.flush()
    assert rows(read_all(broker, topic, end_of(broker, topic)))[-1] == (50, now // MS * MS, b"")
    load(broker, topic, [now + SECOND], [b"after"], pack=True)
    found = rows(read_all(broker, topic, end_of(broker, topic)))
    assert found[51] == (51, now + SECOND, b"after")


def test_packs_are_appended_after_deleted_records_if_the_last_is_a_pack(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 50), pack=True)
    broker.delete_records(topic, 0, 2)
    load(broker, topic, *frames(50, 60), pack=True)
    partition, end = (
        KafkaPartition(broker.bootstrap, topic, 0, "p-0", EMBEDDED_CONSUMER),
        end_of(broker, topic),
    )
    last = KafkaReader(partition, 99, end, position_at(end - 1), print)
    assert rows(drain(last)) == expected(60)[50:]
    last.close()
    load(broker, topic, *frames(60, 61))
    with pytest.raises(TapeflowError, match="offset 0 should come next, but there are 2 up to"):
        loader(broker, topic, append=True)


def test_packs_are_not_appended_to_an_emptied_topic(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 5))
    broker.delete_records(topic, 0, 5)
    with pytest.raises(TapeflowError, match="offset 0 should come next, but there are 5 up to 5"):
        loader(broker, topic, append=True)


def test_a_topic_that_holds_records_takes_packs_only_with_append(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 5))
    with pytest.raises(TapeflowError, match=f"{topic} has already 5 records in partition 0"):
        loader(broker, topic)


def test_large_frames_get_packs_of_their_own(broker, monkeypatch):
    monkeypatch.setattr(packs, "PACK_BYTES", 1_000_000)
    topic = new_topic(broker)
    book = b'{"bids":[["1.0","2.0"]]}'
    values = [b"x", book * 210_000, b"y", b"", book * 340_000, book * 45_000]  # 5 MB, 8 MB, 1 MB
    times = [T0 + number for number in range(6)]
    load(broker, topic, times, values, pack=True)
    assert end_of(broker, topic) == 5
    assert rows(read_all(broker, topic, 5)) == list(zip(range(6), times, values, strict=True))


def test_a_frame_too_large_even_compressed_is_an_error(broker):
    topic = new_topic(broker)
    noise = np.random.default_rng(1).integers(0, 256, 8_100_000, np.uint8).tobytes()
    with pytest.raises(TapeflowError, match=rf"did not take a record to topic {topic} .*too large"):
        load(broker, topic, [T0], [noise], pack=True)


def test_an_empty_page_makes_no_pack(broker):
    topic = new_topic(broker)
    loading = loader(broker, topic)
    loading.write(page(0, 0))
    assert loading.finish() == 0
    assert end_of(broker, topic) == 0


def test_another_writer_is_an_error_for_loader_and_reader(
    broker,
):
    topic = new_topic(broker)
    loading = loader(broker, topic)
    load(broker, topic, *frames(0, 1))
    loading.write(page(0, 50))
    with pytest.raises(TapeflowError, match=r"\d records were sent to offset 0, but it ends at \d"):
        loading.finish()
    with pytest.raises(
        TapeflowError, match="pack at offset 1 should begin with frame 1, but says 0"
    ):
        read_all(broker, topic, end_of(broker, topic))


def position_in_packs(broker: Any, topic: str, frames_read: int) -> Any:
    """Load packs, read some frames one by one, and return the position."""
    load(broker, topic, *frames(0, 50), pack=True)
    opened = open_reader(broker, topic, records=1)
    drain(opened, frames_read)
    opened.close()
    return opened.position()


def test_a_pack_deleted_before_all_of_it_was_read_is_an_error(broker):
    topic = new_topic(broker)
    position = position_in_packs(broker, topic, 3)
    broker.delete_records(topic, 0, 1)
    with pytest.raises(
        TapeflowError,
        match=r"offset 0 should come next, but there are 1 up to \d \(excluded\): older",
    ):
        drain(open_reader(broker, topic, None, position), 1)


def test_a_pack_deleted_after_all_of_it_was_read_is_no_error(broker):
    topic = new_topic(broker)
    load(broker, topic, *frames(0, 50), pack=True)
    first = len(rows(read_all(broker, topic, 1)))
    other = new_topic(broker)
    position = position_in_packs(broker, other, first)
    broker.delete_records(other, 0, 1)
    found = rows(read_all(broker, other, end_of(broker, other), position))
    assert found == expected(50)[first:]


def test_a_topic_that_ends_before_a_half_read_pack_is_an_error(broker):
    topic, shorter = new_topic(broker), new_topic(broker)
    load(broker, topic, *frames(0, 50), pack=True)
    first = len(rows(read_all(broker, topic, 1)))
    position = position_in_packs(broker, new_topic(broker), first + 1)
    load(broker, shorter, *frames(0, first), pack=True)
    assert end_of(broker, shorter) == 1
    with pytest.raises(
        TapeflowError, match=r"offset 1 should come next, but there are 0 up to 1 .*again"
    ):
        drain(open_reader(broker, shorter, None, position), 1)


@pytest.mark.kafka
def test_incompressible_packs_fit_a_topic_with_default_limits(real, monkeypatch):
    monkeypatch.setattr(packs, "PACK_BYTES", PACK_BYTES)
    name = f"{new_topic(real)}-stock"
    real.create_topic(name, 1, {"max.message.bytes": "1048588"})
    noise = np.random.default_rng(1).integers(0, 256, (4000, 600), np.uint8)
    times, values = [T0] * len(noise), [row.tobytes() for row in noise]
    load(real, name, times, values, pack=True)
    assert end_of(real, name) == 3
    assert [row[2] for row in rows(read_all(real, name, 3))] == values


@pytest.mark.kafka
def test_packs_of_a_topic_that_replaces_log_times_are_an_error(real):
    name = f"{new_topic(real)}-appended"
    real.create_topic(name, 1, {"message.timestamp.type": "LogAppendTime"})
    with pytest.raises(
        TapeflowError, match=r"is damaged: its last frame has log time 17.*CreateTime"
    ):
        load(real, name, *frames(0, 5), pack=True)
