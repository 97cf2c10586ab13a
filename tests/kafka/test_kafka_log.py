"""A partition of a raw topic, read as a log."""

import threading
import time
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as KafkaMessage

from tapeflow.connectors.kafka.frames import KafkaPartition, page_from_messages
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import LogSource
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
    rows,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("each_consumer")
FETCH = 1  # Kafka's API key
T0_MS = T0 // NS_PER_MS


def position_at(offset: int) -> tuple[int, int, int, int, int]:
    """Return the position of a record after plain ones of T0."""
    return offset, offset, T0, 1, 1


def make_records(count: int, step_ns: int = SECOND // 100 + 1) -> tuple[list[int], list[bytes]]:
    times = [T0 + number * step_ns for number in range(count)]
    return times, [b'{"n":%d}' % number for number in range(count)]


def produce(broker: Any, topic: str, values: list[Any], **fields: Any) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, partition=0, **fields)
    assert producer.flush(10) == 0


def test_every_record_is_read_back_bit_for_bit(broker):
    topic = new_topic(broker)
    frames = [b"", b"{}", bytes(range(256)), "µ→".encode(), b"", b"x" * 1_000_000, b"\n"]
    times = [T0, T0, T0 + 1, T0 + 999_999, T0 + NS_PER_MS, T0 + SECOND - 1, T0 + SECOND]
    assert load(broker, topic, times, frames) == 7
    assert rows(read_all(broker, topic, 7)) == list(zip(range(7), times, frames, strict=True))


def test_pages_end_in_padding_and_begin_where_the_one_before_ended(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(50))
    pages = read_all(broker, topic, 50, records=7)
    assert [page.first_offset for page in pages[1:]] == [page.next_offset for page in pages[:-1]]
    assert all(not page.data[-64:].any() for page in pages)
    assert max(len(page.log_ns) for page in pages) <= 7


@pytest.mark.parametrize("records", [1, 7, 1000])
def test_reading_resumes_after_any_page(broker, records):
    topic = new_topic(broker)
    load(broker, topic, *make_records(40))
    options = {"records": records}
    whole = rows(read_all(broker, topic, 40, **options))
    reader = open_reader(broker, topic, 40, **options)
    positions = [reader.position()]
    while not reader.ended:
        if reader.read() is not None:
            positions.append(reader.position())
    reader.close()
    for position in positions:
        assert rows(read_all(broker, topic, 40, position, **options)) == whole[position[0] :]


def test_log_times_are_read_as_they_were_written_even_over_a_restart(broker):
    topic = new_topic(broker)
    times_ms = [T0_MS + step for step in (5000, 4000, 600_000, 1)]
    for time_ms in times_ms:
        produce(broker, topic, [b"x"], timestamp=time_ms)
    whole = rows(read_all(broker, topic, 4, records=1))
    assert [row[1] for row in whole] == [time_ms * NS_PER_MS for time_ms in times_ms]
    reader = open_reader(broker, topic, 4, records=1)
    drain(reader, 3)
    assert rows(read_all(broker, topic, 4, reader.position())) == whole[3:]
    reader.close()


def test_a_null_value_is_a_heartbeat(broker):
    topic = new_topic(broker)
    produce(broker, topic, [None, b"", b"x", None], timestamp=T0_MS)
    assert [row[2] for row in rows(read_all(broker, topic, 4))] == [b"", b"", b"x", b""]


def test_other_headers_are_ignored(broker):
    topic = new_topic(broker)
    for headers in ([("trace", b"1")], [("trace", None), ("ns", b"000012")], None, [("ns", b"7")]):
        produce(broker, topic, [b"x"], timestamp=T0_MS, headers=headers)
    rests_ns = [row[1] - T0 for row in rows(read_all(broker, topic, 4))]
    assert rests_ns == [0, 12, 0, 7]


@pytest.mark.parametrize("rest", [b"", b"-1", b"1000000", b" 12", b"1_0", b"x", b"9" * 5000, None])
def test_a_malformed_ns_header_is_refused(broker, rest):
    topic = new_topic(broker)
    produce(broker, topic, [b"x"], timestamp=T0_MS, headers=[("ns", rest)])
    with pytest.raises(TapeflowError, match="offset 0 has header ns="):
        read_all(broker, topic, 1)


@pytest.mark.parametrize("stamp", [(0, -1), (0, 0), (1, 2**62), (1, -5), (1, T0 // 10**9), (1, T0)])
def test_a_record_without_a_timestamp_is_refused(stamp):
    good = KafkaMessage(offset=4, value=b"x", timestamp=(1, T0_MS))
    bad = KafkaMessage(offset=5, value=b"y", timestamp=stamp)
    with pytest.raises(
        TapeflowError, match=r"raw.x partition 2: the record at offset 5 has no time"
    ):
        page_from_messages(KafkaPartition("b", "raw.x", 2, "x-2"), 4, [good, bad], [None, None])


def test_reading_stops_exactly_at_the_end_offset(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(20))
    reader = open_reader(broker, topic, 13, records=6)
    assert len(rows(drain(reader))) == 13
    assert reader.ended
    assert reader.read() is None
    reader.close()


def test_a_reader_at_its_end_offset_is_ended_at_once(broker):
    topic = new_topic(broker)
    reader = open_reader(broker, topic, 0)
    assert reader.ended
    assert reader.read() is None
    reader.close()
    load(broker, topic, *make_records(3))
    assert read_all(broker, topic, 3, position_at(3)) == []


def test_the_source_sends_the_end_as_a_page(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(3))
    progress = Progress(("p-0",), SECOND)
    source = LogSource(
        {"p-0": lambda position: open_reader(broker, topic, 3, position)}, {"p-0": "p-0"}, progress
    )
    part = source.build_part("log", source.list_parts()[0], None)
    pages: list[Page] = []
    while not (pages and pages[-1].end_of_log):
        pages += [page for _, page in part.next_batch()]
    assert [(page.first_offset, page.next_offset, page.end_of_log) for page in pages] == [
        (0, 3, False),
        (3, 3, True),
    ]
    with pytest.raises(StopIteration):
        part.next_batch()
    part.close()


def test_a_reader_without_an_end_waits_for_more(broker):
    topic = new_topic(broker)
    times, frames = make_records(5)
    reader = open_reader(broker, topic)
    assert reader.read() is None
    load(broker, topic, times[:2], frames[:2])
    assert [row[2] for row in rows(drain(reader, 2))] == frames[:2]
    assert not reader.ended
    load(broker, topic, times[2:], frames[2:])
    assert rows(drain(reader, 3)) == list(zip(range(2, 5), times[2:], frames[2:], strict=True))
    reader.close()


def test_reading_does_not_block_when_nothing_comes(broker):
    reader = open_reader(broker, new_topic(broker))
    wait_until(lambda: reader.read() is None, "unreachable")
    time.sleep(0.2)
    began = time.perf_counter()
    for _ in range(100):
        assert reader.read() is None
    assert time.perf_counter() - began < 0.2
    reader.close()


@pytest.mark.parametrize("position", [None, position_at(3)])
def test_deleted_records_are_an_error_and_not_skipped(broker, position):
    topic = new_topic(broker)
    load(broker, topic, *make_records(20))
    broker.delete_records(topic, 0, 10)
    wanted = position[0] if position else 0
    with pytest.raises(TapeflowError, match=rf"partition 0: offset {wanted} should .* 10 up to 20"):
        read_all(broker, topic, 20, position)


def test_records_after_deleted_ones_can_be_read(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(20))
    broker.delete_records(topic, 0, 10)
    assert [row[0] for row in rows(read_all(broker, topic, 20, position_at(10)))] == list(
        range(10, 20)
    )


def test_records_deleted_during_a_run_are_an_error(broker):
    topic = new_topic(broker)
    reader = open_reader(broker, topic)
    load(broker, topic, *make_records(5))
    drain(reader, 5)
    position = reader.position()
    reader.close()
    load(broker, topic, *make_records(5))
    broker.delete_records(topic, 0, 8)
    with pytest.raises(TapeflowError, match="offset 5 should come next, but there are 8 up to 10"):
        read_all(broker, topic, 10, position)


@pytest.mark.parametrize("end", [None, 20])
def test_a_position_beyond_the_topic_is_an_error(broker, end):
    topic = new_topic(broker)
    load(broker, topic, *make_records(20))
    with pytest.raises(TapeflowError, match=r"offset 21 .* emptied"):
        drain(open_reader(broker, topic, end, position_at(21)), 1)


def test_a_recreated_topic_is_refused(broker):
    topic, other = new_topic(broker), new_topic(broker)
    times, frames = make_records(10)
    load(broker, topic, times, frames)
    load(broker, other, [time_ns + 3600 * SECOND for time_ns in times], frames)
    reader = open_reader(broker, topic)
    drain(reader, 10)
    position = reader.position()
    reader.close()
    load(broker, other, [times[0] + 7200 * SECOND], [b"x"])
    with pytest.raises(
        TapeflowError, match=r"before offset 10 has log time .* emptied .* created again"
    ):
        read_all(broker, other, 11, position)


def test_a_topic_loaded_again_from_the_same_tape_is_accepted(broker):
    topic, again = new_topic(broker), new_topic(broker)
    load(broker, topic, *make_records(10))
    load(broker, again, *make_records(12))
    reader = open_reader(broker, topic, 10)
    drain(reader)
    reader.close()
    assert [row[0] for row in rows(read_all(broker, again, 12, reader.position()))] == [10, 11]


@pytest.mark.slow
def test_a_topic_deleted_during_a_run_is_an_error(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *make_records(5))
    reader = open_reader(embedded, topic)
    drain(reader, 5)
    embedded.delete_topic(topic)
    with pytest.raises(TapeflowError, match=r"p-0: broker at .* refuses: .*[Uu]nknown topic"):
        drain(reader, 1)
    reader.close()


def test_offset_bounds_are_those_of_each_partition(broker):
    one, other = new_topic(broker, 3), new_topic(broker, 1)
    load(broker, one, *make_records(7), 1)
    broker.delete_records(one, 1, 2)
    bounds = offset_bounds(broker.bootstrap, [one, other], 5, print)
    assert bounds == {one: [(0, 0), (2, 7), (0, 0)], other: [(0, 0)]}


def test_an_unknown_topic_is_an_error_that_lists_the_known_ones(broker):
    topic = new_topic(broker)
    for _ in range(2):  # the request does not create it
        with pytest.raises(TapeflowError, match=rf"no topic raw.nope at .*{topic}"):
            offset_bounds(broker.bootstrap, ["raw.nope"], 5, print)


def test_a_broker_that_never_answers_is_an_error_after_the_wait():
    notices: list[str] = []
    with pytest.raises(TapeflowError, match=r"no answer from a broker at 127.0.0.1:1 within 1.2 s"):
        offset_bounds("127.0.0.1:1", ["raw.x"], 1.2, notices.append)
    assert len(notices) == 1
    assert notices[0].startswith("broker at 127.0.0.1:1 away (")


def test_a_wrong_setting_is_an_error_that_names_it():
    with pytest.raises(TapeflowError, match="nonsense"):
        offset_bounds("127.0.0.1:1", ["raw.x"], 0.5, print, {"nonsense": "1"})


def test_offset_bounds_wait_for_a_broker_that_is_away(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(5))
    broker.set_down()
    timer = threading.Timer(1.0, broker.set_up)
    timer.start()
    notices: list[str] = []
    assert offset_bounds(broker.bootstrap, [topic], 60, notices.append) == {topic: [(0, 5)]}
    timer.join()
    assert [line.split(" ")[3] for line in notices] == ["away", "back"]


def test_a_reader_opened_during_an_outage_reads_after_it(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(5))
    broker.set_down()
    notices: list[str] = []
    reader = open_reader(broker, topic, 5, notify=notices.append)
    wait_until(lambda: reader.read() is None and notices, "notices nothing")
    broker.set_up()
    assert len(rows(drain(reader))) == 5
    reader.close()
    assert [line.split(" ")[4] for line in notices] == ["away", "back"]


def test_an_outage_is_waited_out_and_reported_once(broker):
    topic = new_topic(broker)
    times, frames = make_records(10)
    load(broker, topic, times[:5], frames[:5])
    notices: list[str] = []
    reader = open_reader(broker, topic, notify=notices.append)
    pages = drain(reader, 5)
    broker.set_down()
    wait_until(lambda: reader.read() is None and notices, "notices nothing")
    for _ in range(200):
        assert reader.read() is None
        time.sleep(0.005)
    assert len(notices) == 1
    assert notices[0].startswith(f"p-0: broker at {broker.bootstrap} away (")
    broker.set_up()
    load(broker, topic, times[5:], frames[5:])
    pages += drain(reader, 5)
    reader.close()
    assert rows(pages) == list(zip(range(10), times, frames, strict=True))
    assert len(notices) == 2
    assert notices[1].startswith(f"p-0: broker at {broker.bootstrap} back after ")


def test_the_end_of_an_outage_is_reported_though_no_record_comes(broker):
    topic = new_topic(broker)
    notices: list[str] = []
    reader = open_reader(broker, topic, notify=notices.append)
    broker.set_down()
    wait_until(lambda: reader.read() is None and notices, "notices nothing")
    broker.set_up()
    wait_until(lambda: reader.read() is None and len(notices) > 1, "not back")
    reader.close()
    assert "back after" in notices[1]


def test_closing_does_not_wait_for_a_broker_that_is_away(broker):
    topic = new_topic(broker)
    reader = open_reader(broker, topic)
    reader.read()
    broker.set_down()
    began = time.perf_counter()
    reader.close()
    assert time.perf_counter() - began < 2
    broker.set_up()


def test_columns_of_pages_are_contiguous_int64(broker):
    topic = new_topic(broker)
    load(broker, topic, *make_records(10))
    for page in read_all(broker, topic, 10, records=4):
        for column in (page.log_ns, page.starts, page.ends):
            assert column.dtype == np.int64
            assert column.flags.c_contiguous


def test_fetches_that_fail_for_a_moment_are_repeated(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *make_records(5))
    codes = [KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN]
    embedded.push_errors(FETCH, codes)
    assert len(rows(read_all(embedded, topic, 5))) == 5


def test_a_topic_we_may_not_read_is_an_error(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *make_records(5))
    embedded.push_errors(FETCH, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(TapeflowError, match=rf"{topic} partition 0, at offset 0: .*authorization"):
        read_all(embedded, topic, 5)


def test_records_the_embedded_broker_has_dropped_are_an_error(embedded):
    topic = new_topic(embedded)
    reader = open_reader(embedded, topic, 12)
    reader.close()
    blocks = np.random.default_rng(1).integers(0, 256, (12, 600_000), np.uint8)
    produce(embedded, topic, [block.tobytes() for block in blocks], timestamp=T0_MS)  # 7 MB
    (low, high) = offset_bounds(embedded.bootstrap, [topic], 5, print)[topic][0]
    assert 0 < low < high == 12
    with pytest.raises(
        TapeflowError, match=f"offset 0 should come next, but there are {low} up to"
    ):
        read_all(embedded, topic, 12)
