"""What the embedded broker lacks: the admin interface, topic settings, being killed."""

import threading
import time
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from tapeflow.connectors.kafka.creation import create_topics
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.kafka.sink import KafkaSink
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import NS_PER_MS
from tests.kafka.topics import (
    SECOND,
    T0,
    drain,
    load,
    new_topic,
    open_reader,
    read_all,
    read_records,
    rows,
    wait_until,
)

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_consumer")]


def config_of(real: Any, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = real.admin().describe_configs([resource])[resource].result()
    return {name: entry.value for name, entry in entries.items()}


def fresh_name(real: Any) -> str:
    existing = real.admin().list_topics(timeout=10).topics
    return next(f"raw.made-{n}" for n in range(10_000) if f"raw.made-{n}" not in existing)


def test_created_raw_topics_keep_records_and_their_timestamps(real):
    name = fresh_name(real)
    assert create_topics(real.bootstrap, {name: 5}) == (name,)
    config = config_of(real, name)
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "-1")
    assert config["message.timestamp.type"] == "CreateTime"
    assert config["cleanup.policy"] == "delete"
    assert offset_bounds(real.bootstrap, [name], 10, print) == {name: [(0, 0)] * 5}


def test_an_existing_topic_is_not_changed(real):
    name = new_topic(real, 2)
    assert create_topics(real.bootstrap, {name: 5}) == ()
    assert offset_bounds(real.bootstrap, [name], 10, print) == {name: [(0, 0)] * 2}


def test_a_topic_that_cannot_be_created_is_an_error_with_the_reason(real):
    with pytest.raises(TapeflowError, match=r"topic raw.no/name cannot be created at .*: "):
        create_topics(real.bootstrap, {"raw.no/name": 1})


def test_partitions_added_later_are_seen(real):
    topic = new_topic(real, 2)
    with pytest.raises(TapeflowError, match="has 2 partitions, but p-3 goes to partition 3"):
        Loader(real.bootstrap, {"p-3": (topic, 3)}, print)
    real.admin().create_partitions([NewPartitions(topic, 4)])[topic].result()
    wait_until(
        lambda: len(offset_bounds(real.bootstrap, [topic], 10, print)[topic]) == 4, "not made"
    )
    load(real, topic, [T0], [b"x"], 3)
    assert rows(read_all(real, topic, 1, number=3)) == [(0, T0, b"x")]


def test_a_topic_that_replaces_log_times_is_an_error(real):
    name = f"{new_topic(real)}-appended"
    real.create_topic(name, 1, {"message.timestamp.type": "LogAppendTime"})
    with pytest.raises(TapeflowError, match=r"sent with log time 17.*=LogAppendTime"):
        load(real, name, [T0], [b"x"])


def test_append_times_of_such_a_topic_are_its_log_times(real):
    name = f"{new_topic(real)}-appended"
    real.create_topic(name, 1, {"message.timestamp.type": "LogAppendTime"})
    producer = Producer({"bootstrap.servers": real.bootstrap})
    producer.produce(name, b"x", partition=0, timestamp=T0 // NS_PER_MS)
    assert producer.flush(20) == 0
    (_, log_ns, frame) = rows(read_all(real, name, 1))[0]
    assert frame == b"x"
    assert abs(log_ns - time.time_ns()) < 3600 * SECOND


def test_a_broker_killed_during_a_run_loses_nothing(real):
    topic, frames = new_topic(real), [b"%d" % number for number in range(30)]
    times = [T0 + number for number in range(30)]
    notices: list[str] = []
    opened = open_reader(real, topic, 30, notify=notices.append, records=4)
    load(real, topic, times[:10], frames[:10])
    pages = drain(opened, 6)
    real.kill()
    while not notices:
        page = opened.read()
        pages += [page] if page else []
    real.start()
    load(real, topic, times[10:], frames[10:])
    pages += drain(opened)
    opened.close()
    assert rows(pages) == list(zip(range(30), times, frames, strict=True))
    assert [line.split(" ")[4] for line in notices] == ["away", "back"]


def test_records_a_killed_broker_did_not_acknowledge_are_sent_again(real):
    topic, count = new_topic(real), 3000
    values = [b"%d" % number for number in range(count)]
    sink = KafkaSink(real.bootstrap).build_part("out", "kafka", None)
    sink.write_batch([[(topic, b"k", value, b"id") for value in values[:1000]]])
    restart = threading.Thread(target=lambda: (real.kill(), real.start()))
    restart.start()
    for first in range(1000, count, 100):
        sink.write_batch([[(topic, b"k", value, b"id") for value in values[first : first + 100]]])
        time.sleep(0.05)
    assert sink.snapshot() == count
    restart.join()
    assert [value for _, value in read_records(real, topic)] == values


def test_facts_for_an_unknown_topic_are_an_error(real):
    sink = KafkaSink(real.bootstrap).build_part("out", "kafka", None)
    sink.write_batch([[("not-there", b"k", b"v", b"id")]])
    with pytest.raises(TapeflowError, match=r"topic not-there with key 'k': .*Unknown topic"):
        sink.snapshot()


def test_many_partitions_are_read_in_parallel(real):
    topic, count = new_topic(real, 40), 40
    partitions = {f"p-{number}": (topic, number) for number in range(count)}
    loading = Loader(real.bootstrap, partitions, print)
    for name, (_, number) in partitions.items():
        loading.write(Page.from_frames(name, 0, [T0 + number] * 50, [b"%d" % number] * 50))
    assert loading.finish() == 50 * count
    readers = [open_reader(real, topic, 50, number=number) for number in range(count)]
    for number, opened in enumerate(readers):
        assert {row[1:] for row in rows(drain(opened))} == {(T0 + number, b"%d" % number)}
        opened.close()
