"""Loading of tapes into raw topics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError

from tapeflow.connectors.kafka.loader import Loader
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tests.kafka.topics import T0, load, new_topic, read_all, read_records, rows

PRODUCE = 0  # Kafka's API key


def page(count: int, partition: str = "p-0", lo: int = 0) -> Page:
    times = [T0 + 1000 * (lo + number) for number in range(count)]
    return Page.from_frames(
        partition, lo, times, [b"frame %d" % (lo + number) for number in range(count)]
    )


def loader(broker: Any, topic: str, **options: Any) -> Loader:
    return Loader(broker.bootstrap, {"p-0": (topic, 0)}, print, **options)


def test_a_tape_loaded_reads_as_the_tape_itself(broker, tmp_path: Path):
    lines = [
        f'{T0 + 37 * number} {{"n":{number}}}' if number % 5 else f"{T0 + 37 * number}"
        for number in range(2500)
    ]
    tape = tmp_path / "p-0.tape"
    tape.write_text("\n".join(lines) + "\n")
    topic = new_topic(broker)
    loading, from_tape = loader(broker, topic), []
    opened = TapeReader("p-0", (tape,), 1000, None)
    while (read := opened.read()) is not None:
        loading.write(read)
        from_tape.append(read)
    opened.close()
    assert loading.finish() == 2500
    assert rows(read_all(broker, topic, 2500)) == rows(from_tape)


def test_partitions_are_loaded_into_their_topics_and_numbers(broker):
    topic, other = new_topic(broker, 5), new_topic(broker, 1)
    partitions = {"a-4": (topic, 4), "a-0": (topic, 0), "b-0": (other, 0)}
    loading = Loader(broker.bootstrap, partitions, print)
    for number in range(3):
        loading.write(page(4, "a-4", 4 * number))
        loading.write(page(1, "b-0", number))
    loading.write(page(2, "a-0"))
    assert loading.finish() == 17
    assert loading.records == {"a-4": 12, "a-0": 2, "b-0": 3}
    found = offset_bounds(broker.bootstrap, [topic, other], 5, print)
    assert found == {topic: [(0, 2), (0, 0), (0, 0), (0, 0), (0, 12)], other: [(0, 3)]}


def test_records_carry_no_key_and_no_needless_header(broker):
    topic = new_topic(broker)
    load(broker, topic, [T0, T0 + 1], [b"whole", b"not"])
    assert read_records(broker, topic) == [(None, b"whole"), (None, b"not")]


def test_a_frame_of_5_mb_is_loaded(broker):
    topic = new_topic(broker)
    frame = b'{"bids":[["1.0","2.0"]]}' * 210_000
    load(broker, topic, [T0], [frame])
    assert rows(read_all(broker, topic, 1)) == [(0, T0, frame)]


def test_a_frame_too_large_is_an_error_that_names_the_topic(broker):
    topic = new_topic(broker)
    with pytest.raises(TapeflowError, match=rf"did not take a record to topic {topic} .*too large"):
        load(broker, topic, [T0], [b"x" * 8_100_000])


def test_a_topic_of_too_few_partitions_is_refused(broker):
    topic = new_topic(broker, 2)
    with pytest.raises(
        TapeflowError, match=rf"{topic} has 2 partitions, but a-2 goes .* at least 3"
    ):
        Loader(broker.bootstrap, {"a-2": (topic, 2)}, print)


def test_an_unknown_topic_is_refused_and_not_created(broker):
    for _ in range(2):
        with pytest.raises(TapeflowError, match=r"no topic raw.absent"):
            loader(broker, "raw.absent")


def test_a_topic_that_holds_records_is_refused_without_append(broker):
    topic = new_topic(broker)
    load(broker, topic, [T0], [b"x"])
    with pytest.raises(TapeflowError, match=f"{topic} has already 1 records in partition 0"):
        loader(broker, topic)
    loading = loader(broker, topic, append=True)
    loading.write(page(3))
    assert loading.finish() == 3
    assert len(read_records(broker, topic)) == 4


def test_an_emptied_topic_is_refused_too(broker):
    topic = new_topic(broker)
    load(broker, topic, [T0], [b"x"])
    broker.delete_records(topic, 0, 1)
    with pytest.raises(TapeflowError, match=f"{topic} has already"):
        loader(broker, topic)


@pytest.mark.parametrize("log_ns", [0, 999_999, -5])
def test_a_log_time_that_no_reader_takes_is_not_loaded(broker, log_ns):
    topic = new_topic(broker)
    with pytest.raises(TapeflowError, match=f"p-0: record 0 has log time {log_ns} ns"):
        load(broker, topic, [log_ns, T0], [b"x", b"y"])


def test_an_empty_page_loads_nothing(broker):
    loading = loader(broker, new_topic(broker))
    loading.write(page(0))
    assert loading.finish() == 0


def test_a_broker_away_at_the_start_is_an_error_after_the_wait(broker):
    topic = new_topic(broker)
    broker.set_down()
    with pytest.raises(TapeflowError, match="no answer from a broker"):
        loader(broker, topic, wait_s=0.3)
    broker.set_up()


def test_an_outage_during_loading_loses_and_duplicates_nothing(broker):
    topic = new_topic(broker)
    loading = loader(broker, topic)
    loading.write(page(100))
    loading.producer.flush()
    broker.set_down()
    loading.write(page(100, lo=100))
    broker.set_up()
    loading.write(page(100, lo=200))
    assert loading.finish() == 300
    assert [value for _, value in read_records(broker, topic)] == [
        b"frame %d" % number for number in range(300)
    ]


def test_records_of_failed_requests_are_sent_again_once(embedded):
    topic = new_topic(embedded)
    codes = [KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION]
    embedded.push_errors(PRODUCE, codes)
    loading = loader(embedded, topic)
    loading.write(page(100))
    assert loading.finish() == 100
    assert len(read_records(embedded, topic)) == 100


def test_a_refused_record_is_an_error_and_never_counted(embedded):
    topic = new_topic(embedded)
    embedded.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    loading = loader(embedded, topic)
    loading.write(page(100))
    with pytest.raises(TapeflowError, match=f"not take a record to topic {topic}.*authorization"):
        loading.finish()
    assert read_records(embedded, topic) == []


def test_another_writer_during_loading_is_an_error(broker):
    topic = new_topic(broker)
    loading = loader(broker, topic)
    load(broker, topic, [T0], [b"from elsewhere"])
    loading.write(page(5))
    with pytest.raises(TapeflowError, match=r"5 records were sent to offset 0, but it ends at 6"):
        loading.finish()


def test_more_than_the_embedded_broker_keeps_is_an_error(embedded):
    topic = new_topic(embedded)
    blocks = np.random.default_rng(1).integers(0, 256, (12, 600_000), np.uint8)
    with pytest.raises(TapeflowError, match=r"already deleted the records before offset \d"):
        load(embedded, topic, [T0] * 12, [block.tobytes() for block in blocks])
