"""The sink of facts to Kafka."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main
from confluent_kafka import KafkaError

from tapeflow.connectors.kafka.sink import KafkaSink, KafkaSinkPartition, Records
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import LogSource
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tests.kafka.topics import SECOND, T0, load, new_topic, open_reader, read_records

PRODUCE = 0  # Kafka's API key


def part(broker: Any, **client: Any) -> KafkaSinkPartition:
    settings = {key.replace("_", "."): value for key, value in client.items()}
    return KafkaSink(broker.bootstrap, settings).build_part("out", "kafka", None)


def facts(topic: str, count: int, first: int = 0) -> Records:
    numbers = range(first, first + count)
    return [(topic, b"BTC", b'{"n":%d}' % number, b"id-%d" % number) for number in numbers]


def as_records(sent: Records) -> list[tuple[bytes, bytes]]:
    return [(key, value) for _, key, value, _ in sent]


def test_facts_arrive_in_order_with_their_keys(broker):
    topic, other = new_topic(broker), new_topic(broker)
    sink = part(broker)
    sent, more = facts(topic, 300), facts(other, 20)
    sink.write_batch([sent[:100], more, []])
    sink.write_batch([sent[100:]])
    assert sink.snapshot() == 320
    assert read_records(broker, topic) == as_records(sent)
    assert read_records(broker, other) == as_records(more)
    sink.close()


def test_the_count_continues_after_a_restart(broker):
    topic = new_topic(broker)
    sink = KafkaSink(broker.bootstrap).build_part("out", "kafka", 70)
    sink.write_batch([facts(topic, 5)])
    assert sink.snapshot() == 75


def test_a_snapshot_waits_for_the_acknowledgement(embedded):
    topic = new_topic(embedded)
    sink = part(embedded)
    sink.write_batch([facts(topic, 1)])
    sink.snapshot()
    embedded.set_rtt_ms(300)
    sink.write_batch([facts(topic, 1, 1)])
    began = time.perf_counter()
    sink.snapshot()
    assert time.perf_counter() - began > 0.25
    embedded.set_rtt_ms(0)
    assert len(read_records(embedded, topic)) == 2


def test_records_of_failed_requests_are_sent_again_once(embedded):
    topic = new_topic(embedded)
    embedded.push_errors(PRODUCE, [KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_ENOUGH_REPLICAS])
    sink = part(embedded)
    sink.write_batch([facts(topic, 50)])
    sink.snapshot()
    assert read_records(embedded, topic) == as_records(facts(topic, 50))


def test_a_refused_record_stops_the_flow_and_is_named(embedded):
    topic = new_topic(embedded)
    sink = part(embedded)
    sink.write_batch([facts(topic, 3)])
    assert sink.snapshot() == 3
    embedded.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    sink.write_batch([facts(topic, 2, 3)])
    clear = rf"did not take a record to topic {topic} with key 'BTC': .*authorization failed"
    for _ in range(2):  # and it stays so
        with pytest.raises(TapeflowError, match=clear):
            sink.snapshot()
    with pytest.raises(TapeflowError, match=clear):
        sink.write_batch([facts(topic, 1, 5)])
    sink.close()
    assert read_records(embedded, topic) == as_records(facts(topic, 3))


def test_a_record_too_large_is_an_error_at_once(broker):
    topic = new_topic(broker)
    sink = part(broker)
    with pytest.raises(TapeflowError, match=rf"topic {topic} with key 'depth': .*too large"):
        sink.write_batch([[(topic, b"depth", b"x" * 8_100_000, b"id")]])


def test_a_short_outage_loses_nothing(broker):
    topic = new_topic(broker)
    sink = part(broker)
    sink.write_batch([facts(topic, 10)])
    sink.snapshot()
    broker.set_down()
    sink.write_batch([facts(topic, 10, 10)])
    broker.set_up()
    assert sink.snapshot() == 20
    assert read_records(broker, topic) == as_records(facts(topic, 20))


def test_after_a_long_outage_no_unacknowledged_record_counts_as_sent(broker):
    topic = new_topic(broker)
    sink = part(broker, delivery_timeout_ms=2500)
    sink.write_batch([facts(topic, 10)])
    sink.snapshot()
    broker.set_down()
    sink.write_batch([facts(topic, 10, 10)])
    with pytest.raises(TapeflowError, match=rf"topic {topic} .*timed out .before that: "):
        sink.snapshot()
    sink.close()
    broker.set_up()
    deadline = time.monotonic() + 20  # a broker that is up again does not at once know its records
    while len(read_records(broker, topic)) != 10:
        assert time.monotonic() < deadline


def test_the_sink_waits_while_the_queue_is_full(broker):
    topic = new_topic(broker)
    sink = part(broker, queue_buffering_max_messages=100)
    sink.write_batch([facts(topic, 5000)])
    sink.snapshot()
    assert read_records(broker, topic) == as_records(facts(topic, 5000))


def test_a_full_queue_that_never_empties_is_an_error(broker):
    topic = new_topic(broker)
    sink = part(broker, queue_buffering_max_messages=100, delivery_timeout_ms=700)
    broker.set_down()
    with pytest.raises(TapeflowError, match=rf"topic {topic}"):
        sink.write_batch([facts(topic, 5000)])
    broker.set_up()


class Crash(Exception):
    pass


def relay(broker: Any, source: str, topics: list[str], end: int, crash_at: int) -> Dataflow:
    """Build a flow that copies every frame of one topic to others, and crashes at one of them."""

    def to_facts(page: Page) -> Records:
        frames = [page.frame(number) for number in range(len(page.log_ns))]
        if page.first_offset <= crash_at < page.next_offset:
            raise Crash
        return [(topic, b"k", frame, b"id") for frame in frames for topic in topics]

    progress = Progress(("p-0",), 10**18)
    factories = {"p-0": lambda position: open_reader(broker, source, end, position, records=7)}
    flow = Dataflow("relay")
    pages = op.input("log", flow, LogSource(factories, {"p-0": "p-0"}, progress))
    op.output("kafka", op.map_value("out", pages, to_facts), KafkaSink(broker.bootstrap))
    return flow


def run(flow, recovery: Path | None = None, workers: int = 1):
    config = None if recovery is None else RecoveryConfig(str(recovery))
    cluster_main(
        flow,
        [],
        0,
        epoch_interval=timedelta(0),
        recovery_config=config,
        worker_count_per_proc=workers,
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_flow_sends_everything_for_any_number_of_workers(broker, workers):
    source, topic = new_topic(broker), new_topic(broker)
    frames = [b"%d" % number for number in range(200)]
    load(broker, source, [T0 + number * SECOND for number in range(200)], frames)
    run(relay(broker, source, [topic], 200, -1), workers=workers)
    assert [value for _, value in read_records(broker, topic)] == frames


@pytest.mark.parametrize("crashes", [[30], [100, 100], [0, 150, 199]])
def test_a_flow_that_crashes_sends_every_fact_at_least_once(broker, tmp_path, crashes):
    source, topics = new_topic(broker), [new_topic(broker), new_topic(broker)]
    frames = [b"%d" % number for number in range(200)]
    load(broker, source, [T0 + number * SECOND for number in range(200)], frames)
    init_db_dir(tmp_path, 1)
    for crash_at in crashes:
        with pytest.raises(BaseException) as raised:
            run(relay(broker, source, topics, 200, crash_at), tmp_path)
        assert "Crash" in repr(raised.value) or raised.value.__cause__
    run(relay(broker, source, topics, 200, -1), tmp_path)
    for topic in topics:
        values = [value for _, value in read_records(broker, topic)]
        assert list(dict.fromkeys(values)) == frames
        assert len(values) <= 200 + 7 * 3 * len(crashes)


def test_a_refused_fact_stops_the_flow_and_is_sent_by_the_next_run(embedded, tmp_path):
    source, topic = new_topic(embedded), new_topic(embedded)
    frames = [b"%d" % number for number in range(50)]
    load(embedded, source, [T0 + number * SECOND for number in range(50)], frames)
    init_db_dir(tmp_path, 1)
    embedded.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(BytewaxRuntimeError) as raised:
        run(relay(embedded, source, [topic], 50, -1), tmp_path)
    assert "did not take a record" in str(raised.value.__cause__)
    run(relay(embedded, source, [topic], 50, -1), tmp_path)
    values = [value for _, value in read_records(embedded, topic)]
    assert list(dict.fromkeys(values)) == frames
